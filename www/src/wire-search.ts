/** Searches: their queries, and what they found. */

import type { ByteReader } from "./bytes.js";
import type { EmergeError } from "./error.js";
import { type AggregateKind, OP } from "./generated.js";
import { BYTES, encoded, flag, ITEM, listOf, members, NEVER, NUMBER, operation, optional, text, texts, whole } from "./operation.js";
import { need, type RawStat, readError, readStat, record } from "./wire.js";

/** What a search asks for. */
export interface RawQuery {
  /** The function's text; every object is wanted without one. */
  readonly source?: string | undefined;
  /** An encoded map. */
  readonly params?: Uint8Array | undefined;
  readonly directory?: string | undefined;
  /** The registered name of a class. */
  readonly class?: string | undefined;
  readonly order?: string | undefined;
  readonly descending?: boolean | undefined;
  readonly limit?: number | undefined;
  readonly fields?: readonly string[] | undefined;
  readonly count?: boolean | undefined;
  readonly group?: { readonly by: string; readonly aggregates: readonly (readonly [kind: AggregateKind, field: string])[] } | undefined;
  readonly page?: number | undefined;
  /** Words that the objects' texts have to hold. */
  readonly text?: string | undefined;
  readonly textFields?: readonly string[] | undefined;
}

const query = encoded(
  // What a function names and does not define is seen in other languages only.
  members(
    NUMBER, optional(text("wanted")), optional(BYTES), NEVER, NEVER, optional(text("directory")), optional(text("class")), NEVER,
    optional(text("order")), optional(flag("descending")), optional(whole("limit")), optional(texts("fields")), optional(flag("count")),
    optional(members(text("by"), listOf(members(NUMBER, text("field of an aggregate"))))), optional(whole("pageSize")),
    optional(text("text")), optional(texts("textFields")),
  ),
);

/** The encoding of a query, whose function is JavaScript. */
export function encodeQuery(given: RawQuery): Uint8Array {
  const { source, params, directory, class: cls, order, descending, limit, fields, count, group, page, text, textFields } = given;
  return query([
    JAVASCRIPT, source, params, undefined, undefined, directory, cls, undefined, order, descending, limit, fields, count,
    group && [group.by, group.aggregates], page, text, textFields,
  ]);
}

const JAVASCRIPT = 0;

/** `query` is an encoded query. */
export const opSearch: (query: Uint8Array, after?: string) => Uint8Array = operation(OP.search, ITEM, optional(text("after")));

export const opExplain: (query: Uint8Array) => Uint8Array = operation(OP.explain, ITEM);

/** An object that a search found. */
export interface RawMatch {
  readonly path: string;
  readonly stat: RawStat;
  readonly state: Uint8Array;
  /** The bits of a float. */
  readonly score: number | undefined;
  readonly highlights: readonly Highlight[];
}

/** A part of a text with words that were looked for. */
export interface Highlight {
  /** The object's field. */
  readonly field: string;
  /** A part of the text that it holds; `…` stands for what was left out at an end. */
  readonly text: string;
  /** Where the words are: `text.slice(begin, end)`. */
  readonly ranges: readonly (readonly [begin: number, end: number])[];
}

function readHighlight(reader: ByteReader): Highlight {
  return record(reader, (has) => {
    const field = has(0) ? reader.text() : "";
    const text = has(1) ? reader.text() : "";
    // From code points to what texts are counted in here.
    const places = [0];
    for (const char of text) places.push((places.at(-1) ?? 0) + char.length);
    const place = (point: number): number => places[point] ?? text.length;
    const ranges = items(reader, has(2), (reader) => {
      reader.array();
      return [place(reader.uint()), place(reader.uint())] as const;
    });
    return { field, text, ranges };
  });
}

/** One page of what a search found. */
export interface RawMatches {
  readonly items: readonly RawMatch[];
  readonly failures: readonly { readonly path: string; readonly error: EmergeError }[];
  readonly next: string | undefined;
  readonly count: number | undefined;
  /** Of each group its encoded value, none when the field is missing; its count; an encoded list. */
  readonly groups: readonly { readonly key: Uint8Array | undefined; readonly count: number; readonly values: Uint8Array }[];
  readonly moreFailures: number;
}

function items<T>(reader: ByteReader, here: boolean, read: (reader: ByteReader) => T): T[] {
  const all: T[] = [];
  if (here) for (let left = reader.array(); left > 0; left -= 1) all.push(read(reader));
  return all;
}

export function readMatches(reader: ByteReader): RawMatches {
  return record(reader, (has) => ({
    items: items(reader, has(0), (reader) =>
      record(reader, (has) => {
        need(has(0), "path");
        const path = reader.text();
        need(has(1), "stat");
        const stat = readStat(reader);
        need(has(2), "state");
        const state = reader.bytes();
        return { path, stat, state, score: has(3) ? reader.uint() : undefined, highlights: items(reader, has(4), readHighlight) };
      }),
    ),
    failures: items(reader, has(1), (reader) =>
      record(reader, (has) => {
        need(has(0), "path");
        const path = reader.text();
        need(has(1), "error");
        return { path, error: readError(reader) };
      }),
    ),
    next: has(2) ? reader.text() : undefined,
    count: has(3) ? reader.uint() : undefined,
    groups: items(reader, has(4), (reader) =>
      record(reader, (has) => ({
        key: has(0) ? reader.bytes() : undefined,
        count: has(1) ? reader.uint() : 0,
        values: has(2) ? reader.bytes() : new Uint8Array([0x80]),
      })),
    ),
    moreFailures: has(5) ? reader.uint() : 0,
  }));
}

/** How a search ran. */
export interface Plan {
  /** How objects were come by: by an `index`, in the `order` of one, by the index of `text`, from the `tree` below the directory, or by a `scan` of all objects. */
  readonly access: string;
  /** The index, by its class and field; `null` when none was used. */
  readonly index: string | null;
  /** The ranges of the index that were read. */
  readonly ranges: readonly string[];
  /** What was evaluated natively; `null` when nothing was. */
  readonly native: string | null;
  /** Why a part of it has to run in the sandbox; `null` when none surely has. */
  readonly sandbox: string | null;
  /** Objects that were looked at. */
  readonly seen: number;
  /** Objects of them that the sandbox was asked about. */
  readonly sandboxed: number;
  /** Objects that were found. */
  readonly found: number;
}

export function readPlan(reader: ByteReader): Plan {
  return record(reader, (has) => ({
    access: has(0) ? reader.text() : "",
    index: has(1) ? reader.text() : null,
    ranges: items(reader, has(2), (reader) => reader.text()),
    native: has(3) ? reader.text() : null,
    sandbox: has(4) ? reader.text() : null,
    seen: has(5) ? reader.uint() : 0,
    sandboxed: has(6) ? reader.uint() : 0,
    found: has(7) ? reader.uint() : 0,
  }));
}

export const opCreateIndex: (cls: string, field: string, unique?: boolean) => Uint8Array = operation(
  OP.createIndex, text("class"), text("field"), flag("unique"),
);

export const opDropIndex: (cls: string, field: string) => Uint8Array = operation(OP.dropIndex, text("class"), text("field"));

export const opIndexes: () => Uint8Array = operation(OP.indexes);

/** An index, as on the wire. */
export interface RawIndex {
  readonly class: string;
  readonly classId: Uint8Array;
  readonly field: string;
  readonly unique: boolean;
  readonly ready: boolean;
  readonly lookedAt: number | null;
  readonly duplicates: number;
}

export function readIndex(reader: ByteReader): RawIndex {
  return record(reader, (has) => ({
    class: has(0) ? reader.text() : "",
    classId: has(1) ? reader.bytes() : new Uint8Array(16),
    field: has(2) ? reader.text() : "",
    unique: has(3) && reader.bool(),
    ready: has(4) && reader.bool(),
    lookedAt: has(5) ? reader.uint() : null,
    duplicates: has(6) ? reader.uint() : 0,
  }));
}

export function readIndexes(reader: ByteReader): RawIndex[] {
  return items(reader, true, readIndex);
}
