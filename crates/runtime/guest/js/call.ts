// A method call: the object from its state, the arguments, the method, and the state again.

import type { ClassRecord } from "../../../../www/src/class.js";
import { encode, Encoder, Ref, Table } from "../../../../www/src/codec.js";
import { errorOf } from "../../../../www/src/error.js";
import { Meta } from "../../../../www/src/meta.js";
import { bare, declarationOf, type EmergeClass, EmergeObject, headOf as headOfObject, setHead } from "../../../../www/src/object.js";
import { ByteReader } from "../../../../www/src/bytes.js";
import { partsOf, unchanged } from "../../../../www/src/state.js";
import { decodeState, decodeValue, encodeField, hooks } from "../../../../www/src/values.js";
import { opPutClass, opStat, type RawStat, readStat } from "../../../../www/src/wire.js";
import { classOf, fs, subject } from "./classes.js";
import { natives } from "./natives.js";
import { success, textOf } from "./parts.js";
import { request } from "./transport.js";

/** Calls a method: its name, the object's path, its state and the arguments. Gives the result and the state; none when it is unchanged. */
export async function call(parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const [name, path] = [textOf(parts[0]), textOf(parts[1])];
  const [, , state = new Uint8Array(0), given = new Uint8Array(0)] = parts;
  if (!subject) throw new Error("no class is loaded");
  const { cls, kinds } = subject;
  const object = bare(cls);
  setHead(object, headOf(path, state));
  let values = natives.decodeFields(object, state);
  if (!values) {
    decodeState(object, state, classOf, []);
    // In the order of the state, which that of an object's own names need not be.
    values = [...partsOf(state).keys()].map((field) => (object as unknown as Record<string, unknown>)[field]);
  }
  const args = (natives.decode(given) ?? decodeValue(given, classOf, [])) as unknown[];
  const [, , , , holes, query] = parts;
  // What was not given between arguments by name has its default.
  for (const hole of holes ?? []) args[hole] = undefined;
  const isQuery = query?.[0] === 1;
  if (isQuery) args.unshift(fs);
  let result: unknown = await invoke(cls, object, name, args);
  if (isQuery) result = await kept(result);

  const used = new Set<ClassRecord>();
  const encoded = natives.encode(result) ?? encode(result, hooks(used));
  const after = natives.encodeFields(object, state, values, kinds) ?? stateOf(object, cls, state, values, used);
  // A class that a method made is new to the node.
  for (const record of used) if (record.encoded) request(opPutClass(record.encoded));
  return success(encoded, after);
}

/** What a query gave, as it can be kept: objects that are stored become references, and what gives values one by one an array. */
async function kept(value: unknown): Promise<unknown> {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof EmergeObject) {
    const path = headOfObject(value)?.path;
    return path === undefined ? value : new Ref(path);
  }
  if (value instanceof Meta) return new Ref(value.path);
  if (value instanceof Table) return new Table(value.columns, (await kept(value.rows)) as unknown[][]);
  if (Array.isArray(value)) return Promise.all(value.map(kept));
  if (value instanceof Set) return new Set(await Promise.all([...value].map(kept)));
  if (Symbol.asyncIterator in value) {
    const all: unknown[] = [];
    for await (const each of value as AsyncIterable<unknown>) all.push(await kept(each));
    return all;
  }
  const plain = value instanceof Map || Object.getPrototypeOf(value) === Object.prototype;
  if (!plain) return Symbol.iterator in value && !ArrayBuffer.isView(value) && !(value instanceof String) ? kept([...(value as Iterable<unknown>)]) : value;
  const entries = value instanceof Map ? [...(value as Map<string, unknown>)] : Object.entries(value);
  return Object.fromEntries(await Promise.all(entries.map(async ([key, each]) => [key, await kept(each)] as const)));
}

function invoke(cls: EmergeClass, object: EmergeObject, name: string, args: unknown[]): unknown {
  const getter = findGetter(object, name);
  if (getter) return Reflect.apply(getter, object, []);
  const own = member(object, name);
  if (own) return Reflect.apply(own, object, args);
  const shared = member(cls, name);
  if (shared) return Reflect.apply(shared, cls, args);
  throw errorOf("method_not_found", `class ${cls.name} has no method ${JSON.stringify(name)}`, { field: name });
}

/** A method, by the prototypes alone: a field of the same name does not hide it. */
function member(from: object, name: string): ((...args: unknown[]) => unknown) | undefined {
  const start: unknown = typeof from === "function" ? from : Object.getPrototypeOf(from);
  for (let at = start; at !== null && at !== Function.prototype && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    const value: unknown = Object.getOwnPropertyDescriptor(at, name)?.value;
    if (typeof value === "function") return value as (...args: unknown[]) => unknown;
  }
  return undefined;
}

function findGetter(object: EmergeObject, name: string): (() => unknown) | undefined {
  for (let at: unknown = Object.getPrototypeOf(object); at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    const property = Object.getOwnPropertyDescriptor(at, name);
    if (property) return property.get;
  }
  return undefined;
}

/** What `this.meta` is made from: the path is known, the rest is asked for when it is looked at. */
function headOf(path: string, state: Uint8Array): Parameters<typeof setHead>[1] {
  let read: RawStat | undefined;
  const stat = (): RawStat => (read ??= readStat(new ByteReader(request(opStat(path)))));
  return {
    path,
    state,
    historic: false,
    stat,
    get version() {
      return stat().version;
    },
  };
}

/**
 * The state after a method; nothing when it left the object as it was. Fields that it did not change keep their bytes. Before it they were `before`, and had
 * these values.
 */
function stateOf(object: EmergeObject, cls: EmergeClass, before: Uint8Array, values: readonly unknown[], used: Set<ClassRecord>): Uint8Array {
  const declared = declarationOf(cls);
  const old = partsOf(before);
  const was = new Map([...old.keys()].map((name, at) => [name, values[at]]));
  const now: readonly (readonly [string, unknown])[] = Object.entries(object);
  let differs = now.length !== old.size;
  const writer = new Encoder();
  writer.head(MAP, now.length);
  for (const [name, value] of now) {
    writer.text(name);
    const bytes = old.get(name);
    if (bytes && isSame(value, was.get(name))) {
      writer.raw(bytes);
      continue;
    }
    const field = declared.get(name);
    const encoded = encodeField(field?.kind ?? "any", value, name, used);
    const kept = bytes !== undefined && unchanged(bytes, encoded, field, name);
    differs ||= !kept;
    writer.raw(kept ? bytes : encoded);
  }
  return differs ? writer.take() : new Uint8Array(0);
}

const MAP = 5;

/** Whether a value is the one from before, and nothing that can have changed inside. */
function isSame(value: unknown, before: unknown): boolean {
  return Object.is(value, before) && (value === null || (typeof value !== "object" && typeof value !== "function"));
}
