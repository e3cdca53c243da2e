// Operations on what is inside objects and on several of them, as they lie on the wire.

import type { ByteReader } from "./bytes.js";
import type { EmergeError } from "./error.js";
import { OP } from "./generated.js";
import {
  ARRAY, need, op, optional, out, type RawClassAt, type RawStat, readClassAt, readError, readStat, readStored,
  record, text, type Which, which, whole,
} from "./wire.js";
import { type RawPage, readPage } from "./wire-listing.js";

/** A child to add: where it is or is to be, and of a new one its class version and its encoded fields. */
export interface RawChild {
  readonly path: string;
  readonly made?: { readonly hash: Uint8Array; readonly fields: Uint8Array } | undefined;
}

export function opAdd(path: string, field: string, children: readonly RawChild[]): Uint8Array {
  op(OP.add, 3);
  text(path);
  text(field, "field");
  out.head(ARRAY, children.length);
  for (const { path, made } of children) {
    out.head(ARRAY, made ? 3 : 1);
    text(path, "path of a child");
    if (made) {
      out.bytes(made.hash);
      out.bytes(made.fields);
    }
  }
  return out.take();
}

/** `value` is an encoded value. */
export function opSet(path: string, value: Uint8Array, base?: number): Uint8Array {
  op(OP.set, base === undefined ? 2 : 3);
  text(path);
  out.bytes(value);
  if (base !== undefined) whole(base, "base");
  return out.take();
}

export function opMixin(first: string, second: string, to: string, name?: string): Uint8Array {
  op(OP.mixin, name === undefined ? 3 : 4);
  text(first, "first");
  text(second, "second");
  text(to, "to");
  if (name !== undefined) text(name, "name");
  return out.take();
}

export function opQuery(path: string): Uint8Array {
  op(OP.query, 1);
  text(path);
  return out.take();
}

export function opMigrate(path: string, hash: Uint8Array, how?: string, from?: string): Uint8Array {
  op(OP.migrate, from !== undefined ? 4 : how !== undefined ? 3 : 2);
  text(path);
  out.bytes(hash);
  if (how !== undefined || from !== undefined) optional(how, (how) => text(how, "how"));
  if (from !== undefined) text(from, "from");
  return out.take();
}

/** A name that both of two mixed objects have. */
export interface RawClash {
  readonly name: string;
  readonly isMethod: boolean;
  readonly kept: string;
  readonly hidden: string;
}

export function readMixed(reader: ByteReader): { version: number; class: RawClassAt; clashes: RawClash[] } {
  return record(reader, (has) => {
    need(has(0), "stored");
    const { version } = readStored(reader);
    need(has(1), "class");
    const at = readClassAt(reader);
    const clashes: RawClash[] = [];
    if (has(2)) {
      for (let left = reader.array(); left > 0; left -= 1) {
        clashes.push(
          record(reader, (has) => ({
            name: has(0) ? reader.text() : "",
            isMethod: has(1) ? reader.bool() : false,
            kept: has(2) ? reader.text() : "",
            hidden: has(3) ? reader.text() : "",
          })),
        );
      }
    }
    return { version, class: at, clashes };
  });
}

/** Asks for the objects that a list of references leads to, from a place on. */
export function opChildren(path: string, from: number, version?: Which): Uint8Array {
  op(OP.get, 3);
  text(path);
  optional(version, (version) => which(version, "version"));
  whole(from, "from");
  return out.take();
}

/** What one reference of a list leads to. */
export interface RawFetchedChild {
  readonly path: string;
  readonly stat: RawStat | undefined;
  readonly state: Uint8Array | undefined;
  readonly error: EmergeError | undefined;
}

/** The reply to a get of a path into an object, or of a directory. */
export interface RawFetched {
  readonly state: Uint8Array;
  readonly path: string | undefined;
  readonly part: string | undefined;
  readonly children: { readonly total: number; readonly items: readonly RawFetchedChild[] } | undefined;
  /** Of a directory the first page of its members. */
  readonly members: RawPage | undefined;
}

export function readFetched(reader: ByteReader): RawFetched {
  return record(reader, (has) => {
    need(has(1), "state");
    return {
      state: reader.bytes(),
      path: has(2) ? reader.text() : undefined,
      part: has(3) ? reader.text() : undefined,
      children: has(4) ? readChildren(reader) : undefined,
      members: has(5) ? readPage(reader) : undefined,
    };
  });
}

function readChildren(reader: ByteReader): { total: number; items: RawFetchedChild[] } {
  return record(reader, (has) => {
    const total = has(0) ? reader.uint() : 0;
    const items: RawFetchedChild[] = [];
    if (has(1)) for (let left = reader.array(); left > 0; left -= 1) items.push(readChild(reader));
    return { total, items };
  });
}

function readChild(reader: ByteReader): RawFetchedChild {
  return record(reader, (has) => {
    need(has(0), "path");
    return {
      path: reader.text(),
      stat: has(1) ? readStat(reader) : undefined,
      state: has(2) ? reader.bytes() : undefined,
      error: has(3) ? readError(reader) : undefined,
    };
  });
}
