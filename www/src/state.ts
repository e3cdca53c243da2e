// The fields of an object as bytes, and back; and what changed between two of them.

import { encode, Encoder } from "./codec.js";
import type { ClassRecord } from "./class.js";
import { EmergeError } from "./error.js";
import { checkKind } from "./fields.js";
import { declarationOf, type Declared, type EmergeClass, type EmergeObject } from "./object.js";
import { ByteReader } from "./bytes.js";
import { decodeValue, encodeField, fieldsOf, hooks } from "./values.js";

/** The encoded fields of an object; the classes of objects inside it are added to `used`. */
export function encodeObject(object: EmergeObject, cls: EmergeClass, used: Set<ClassRecord>): Uint8Array {
  const state = encode(fieldsOf(object, cls), hooks(used));
  const declared = declarationOf(cls);
  const reader = new ByteReader(state);
  for (let left = reader.map(); left > 0; left -= 1) {
    const name = reader.text();
    checkKind(declared.get(name)?.kind ?? "any", reader.item(), name);
  }
  return state;
}

/** Arguments of a call, as an encoded list. */
export function encodeArgs(args: readonly unknown[], used: Set<ClassRecord>): Uint8Array {
  return encodeField("list", args, "args", used);
}

/** The fields of a state, by name. */
export function partsOf(state: Uint8Array): Map<string, Uint8Array> {
  const fields = new Map<string, Uint8Array>();
  const reader = new ByteReader(state);
  for (let left = reader.map(); left > 0; left -= 1) {
    const name = reader.text();
    fields.set(name, reader.item());
  }
  return fields;
}

/** The fields of `now` that differ from those of `before`, as an encoded map, and the names that are gone. */
export function changes(
  before: Uint8Array,
  now: Uint8Array,
  cls: EmergeClass,
): { changed: Uint8Array; removed: string[] } {
  const declared = declarationOf(cls);
  const old = partsOf(before);
  const changed: [string, Uint8Array][] = [];
  const current = partsOf(now);
  for (const [name, value] of current) {
    const was = old.get(name);
    if (was === undefined || !unchanged(was, value, declared.get(name), name)) changed.push([name, value]);
  }
  const encoder = new Encoder();
  encoder.head(5, changed.length);
  for (const [name, value] of changed) {
    encoder.text(name);
    encoder.raw(value);
  }
  return { changed: encoder.take(), removed: [...old.keys()].filter((name) => !current.has(name)) };
}

/**
 * Whether a field still has the value that was fetched. What JavaScript cannot hold exactly (a nested 1.0, microseconds)
 * counts as unchanged when it is what JavaScript makes of the fetched bytes.
 */
export function unchanged(was: Uint8Array, value: Uint8Array, declared: Declared | undefined, name: string): boolean {
  if (equal(was, value)) return true;
  try {
    return equal(encodeField(declared?.kind ?? "any", decodeValue(was), name), value);
  } catch (error) {
    // The field had another type when it was fetched, in an earlier version of the class.
    if (error instanceof EmergeError) return false;
    throw error;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}
