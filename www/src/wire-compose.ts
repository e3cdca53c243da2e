// Operations on what is inside objects and on several of them, as they lie on the wire.

import type { Which } from "./arguments.js";
import type { ByteReader } from "./bytes.js";
import type { EmergeError } from "./error.js";
import { OP } from "./generated.js";
import { BYTES, listOf, members, operation, optional, text, which, whole } from "./operation.js";
import { need, type RawClassAt, type RawStat, readClassAt, readError, readStat, readStored, record } from "./wire.js";
import { type RawPage, readPage } from "./wire-listing.js";

/** A child to add: where it is or is to be, and of a new one its class version and its encoded fields. */
export interface RawChild {
  readonly path: string;
  readonly made?: { readonly hash: Uint8Array; readonly fields: Uint8Array } | undefined;
}

const add = operation(
  OP.add, text("path"), text("field"), listOf(members(text("path of a child"), optional(BYTES), optional(BYTES))),
);

export function opAdd(path: string, field: string, children: readonly RawChild[]): Uint8Array {
  return add(path, field, children.map(({ path, made }) => [path, made?.hash, made?.fields]));
}

/** `value` is an encoded value. */
export const opSet: (path: string, value: Uint8Array, base?: number) => Uint8Array = operation(
  OP.set, text("path"), BYTES, optional(whole("base")),
);

export const opMixin: (first: string, second: string, to: string, name?: string) => Uint8Array = operation(
  OP.mixin, text("first"), text("second"), text("to"), optional(text("name")),
);

export const opQuery: (path: string, trusted?: readonly Uint8Array[]) => Uint8Array = operation(
  OP.query, text("path"), optional(listOf(BYTES)),
);

export const opMigrate: (path: string, hash: Uint8Array, how?: string, from?: string) => Uint8Array = operation(
  OP.migrate, text("path"), BYTES, optional(text("how")), optional(text("from")),
);

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

const children = operation(OP.get, text("path"), optional(which("version")), whole("from"));

/** Asks for the objects that a list of references leads to, from a place on. */
export function opChildren(path: string, from: number, version?: Which): Uint8Array {
  return children(path, version, from);
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
