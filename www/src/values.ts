// Values of fields as bytes, and back: the codec, the declared types and the classes of embedded objects together.

import { type ClassRecord, recordOf } from "./class.js";
import { CalendarDate, type CodecHooks, decode, Decimal, Decoder, EmbeddedObject, encode, Float64, NdArray, Ref, Uuid } from "./codec.js";
import { checkKind, type FieldKind } from "./fields.js";
import { bare, classOf, declarationOf, type EmergeClass, EmergeObject, specialNames } from "./object.js";
import { ByteReader } from "./bytes.js";

/** Finds the class of embedded objects by its address. */
export type ClassLookup = (hash: Uint8Array) => EmergeClass | undefined;

/** What the codec needs to write instances; their classes are added to `used`. */
export function hooks(used?: Set<ClassRecord>): CodecHooks {
  return {
    objectToCbor: (instance) => {
      if (!(instance instanceof EmergeObject)) return undefined;
      const cls = classOf(instance);
      const record = recordOf(cls);
      used?.add(record);
      return { hash: record.hash, fields: fieldsOf(instance, cls) };
    },
  };
}

/** An object's own fields, ready for the codec: those of a declared type in the form that keeps it. */
export function fieldsOf(object: EmergeObject, cls: EmergeClass): Record<string, unknown> {
  const declared = declarationOf(cls);
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(object)) {
    Object.defineProperty(fields, name, {
      value: inKind(declared.get(name)?.kind ?? "any", value),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return fields;
}

/** A value in the form that its declared type has on the wire, where JavaScript's own form would lose it. */
function inKind(kind: FieldKind, value: unknown): unknown {
  switch (kind) {
    case "float":
      return typeof value === "number" ? new Float64(value) : value;
    case "array":
      return value instanceof Uint8Array ? new NdArray([value.length], value) : value;
    case "uuid":
      return typeof value === "string" ? new Uuid(value) : value;
    case "date":
      return typeof value === "string" ? new CalendarDate(value) : value;
    case "decimal":
      return typeof value === "string" ? Decimal.parse(value) : value;
    case "ref":
      return typeof value === "string" ? new Ref(value) : value;
    default:
      return value;
  }
}

/** The encoding of one field; an error names it. */
export function encodeField(kind: FieldKind, value: unknown, name: string, used?: Set<ClassRecord>): Uint8Array {
  // Inside a map of one, so that the codec's errors begin with the field's name.
  const reader = new ByteReader(encode({ [name]: inKind(kind, value) }, hooks(used)));
  reader.map();
  reader.skip();
  const encoded = reader.item();
  checkKind(kind, encoded, name);
  return encoded;
}

/** The value of an encoded field, or of a result; addresses of classes that `lookup` does not know are added to `unknown`. */
export function decodeValue(bytes: Uint8Array, lookup?: ClassLookup, unknown?: Uint8Array[]): unknown {
  return decode(bytes, instances(lookup, unknown));
}

/** Sets the fields of an object that has none yet from its state. */
export function decodeState(object: EmergeObject, state: Uint8Array, lookup: ClassLookup, unknown: Uint8Array[]): void {
  const decoder = new Decoder(state, instances(lookup, unknown));
  decoder.into(object, specialNames(classOf(object)));
  decoder.finish();
}

/** What the codec needs to make instances. */
function instances(lookup?: ClassLookup, unknown?: Uint8Array[]): CodecHooks {
  return {
    cborToObject: (hash, fields) => {
      const cls = lookup?.(hash);
      if (!cls) {
        unknown?.push(hash);
        return new EmbeddedObject(hash, fields);
      }
      const object = bare(cls);
      for (const [name, value] of Object.entries(fields)) {
        Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
      }
      return object;
    },
  };
}
