/**
 * Objects with behaviour, kept on an Emerge node.
 *
 * @packageDocumentation
 */

export { connect, Connection, type ConnectOptions } from "./client.js";
export {
  CalendarDate, Decimal, Duration, EmbeddedObject, Float64, NdArray, Ref, type TypedArray, Uuid,
} from "./codec.js";
export type { Child, Children } from "./compose.js";
export type { Description, FieldInfo, MethodInfo } from "./describe.js";
export * from "./error.js";
export {
  any, array, bool, bytes, date, datetime, decimal, duration, Field, type FieldKind, type Fields, type FieldsOf, float, int,
  list, map, object, ref, set, text, uuid,
} from "./fields.js";
export {
  type AnyObject, type Called, type ClassAt, type Diff, type FieldChange, FileSystem, type InvokeOptions, type ListOptions,
  type MemberResult, type Options, type Remote, type StoreAllOptions, type Stored, type StoreOptions, type Transport, type VersionInfo,
} from "./filesystem.js";
export type { Which } from "./wire.js";
export { ERROR_CODES, type ErrorCode, LIMITS } from "./generated.js";
export { Meta, type ObjectType } from "./meta.js";
export { type EmergeClass, EmergeObject } from "./object.js";
export type { ConnectionState } from "./session.js";
export { Stream } from "./stream.js";
export type { WasmSource } from "./wasm.js";
export type { Method, Param } from "./wire.js";
