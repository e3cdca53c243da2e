// Objects, their declared fields and their classes, without a host: what a page and the sandbox on the node share.

export * from "./class.js";
export * from "./codec.js";
export * from "./error.js";
export {
  any, array, bool, bytes, date, datetime, decimal, duration, Field, type FieldKind, type FieldsOf, float, int, list, map,
  object, ref, set, text, uuid,
} from "./fields.js";
export * from "./filesystem.js";
export { type Description, type FieldInfo, type MethodInfo } from "./describe.js";
export { Meta, type ObjectType } from "./meta.js";
export { bare, declareFields, type EmergeClass, EmergeObject, type Head, headOf, setHead } from "./object.js";
export { encodeArgs, encodeObject } from "./state.js";
export { Stream } from "./stream.js";
export { decodeState, decodeValue, encodeField } from "./values.js";
