// Operations and records as they lie on the wire: CBOR arrays by position (`crates/proto/PROTOCOL.md`). Values inside them
// are bytes of their own, which `codec.ts` reads.

import { Encoder } from "./codec.js";
import { type AggregateKind, OP, type StoreMode } from "./generated.js";
import { type EmergeError, codeOf, errorOf } from "./error.js";
import type { ByteReader } from "./bytes.js";

/** A class as a client sends it. */
export interface ClassSource {
  /** The registered name, which counts also when a minifier renamed the class. */
  readonly name: string;
  /** The language of the source: 0 JavaScript, 1 Python, 2 WebAssembly. */
  readonly language: number;
  /** The source text of the class alone. */
  readonly source: string;
  /** The name that the source uses for each base, and that base's version; nearest first. */
  readonly bases: readonly BaseRef[];
  /** The fields, in their order. */
  readonly fields: readonly FieldDecl[];
  /** The class's own doc text. */
  readonly doc?: string | undefined;
}

/** A base class, by the name that the source uses for it. */
export interface BaseRef {
  readonly name: string;
  readonly hash: Uint8Array;
}

/** A field of a class. */
export interface FieldDecl {
  readonly name: string;
  /** The number of its declared type. */
  readonly kind: number;
  /** Its default, as an encoded value. */
  readonly default?: Uint8Array | undefined;
  readonly doc?: string | undefined;
}

/** A parameter of a method. */
export interface Param {
  /** Its name; `...rest` keeps its dots. */
  readonly name: string;
  /** The source of its default. */
  readonly default?: string | undefined;
  /** Its annotation, as a Python method has it. */
  readonly type?: string | undefined;
}

/** A method, as the node's analysis found it. */
export interface Method {
  readonly name: string;
  readonly params: readonly Param[];
  readonly doc?: string | undefined;
  readonly isAsync: boolean;
  readonly isStatic: boolean;
  readonly isProperty: boolean;
  /** The annotation of what it returns. */
  readonly returns?: string | undefined;
}

/** A class version as a node keeps it. */
export interface ClassVersion {
  readonly hash: Uint8Array;
  readonly classId: Uint8Array;
  /** 1, 2, 3 … within the class. */
  readonly version: number;
  readonly owner: string;
  /** Microseconds since 1970. */
  readonly created: number;
  readonly source: ClassSource;
  /** Own methods only. */
  readonly methods: readonly Method[];
}

/** The properties of what is stored at a path, as on the wire. */
export interface RawStat {
  readonly name: string;
  readonly id: Uint8Array;
  readonly kind: number;
  readonly class: string | undefined;
  readonly classHash: Uint8Array | undefined;
  readonly classVersion: number | undefined;
  readonly owner: string;
  readonly group: string;
  readonly perms: number;
  readonly version: number;
  readonly created: number;
  readonly modified: number;
  readonly size: number;
  readonly node: string;
}

/** The reply to a store. */
export interface RawStored {
  readonly id: Uint8Array;
  readonly version: number;
  readonly modified: number;
}

/** The reply to a call. */
export interface RawCalled {
  /** An encoded value. */
  readonly result: Uint8Array;
  readonly version: number | undefined;
  readonly log: string | undefined;
}

// One encoder serves all operations: nothing here is re-entrant, and `take` copies.
/** @internal */
export const out = new Encoder();

/** @internal */
export const ARRAY = 4;

/** @internal */
export function op(number: number, count: number): void {
  // What an operation that failed half-way left behind is dropped.
  out.take();
  out.head(ARRAY, 2);
  out.number(number);
  out.head(ARRAY, count);
}

/** @internal */
export function text(value: string, what = "path"): void {
  if (typeof value !== "string") throw errorOf("bad_argument", `the ${what} must be a text`, { field: what });
  out.text(value);
}

/** @internal */
export function optional<T>(value: T | undefined, write: (value: T) => void): void {
  if (value === undefined) out.value(null);
  else write(value);
}

/** @internal */
export function whole(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw errorOf("bad_argument", `the ${what} must be a whole number, not ${String(value)}`, { field: what });
  }
  out.number(value);
}

export function opMkdir(path: string, existOk: boolean): Uint8Array {
  op(OP.mkdir, 2);
  text(path);
  out.value(existOk);
  return out.take();
}

export function opStore(
  path: string,
  hash: Uint8Array,
  fields: Uint8Array,
  mode: StoreMode,
  base?: number,
  removed: readonly string[] = [],
): Uint8Array {
  op(OP.store, removed.length > 0 ? 6 : base !== undefined ? 5 : 4);
  text(path);
  out.bytes(hash);
  out.bytes(fields);
  out.number(mode);
  if (base !== undefined) out.number(base);
  else if (removed.length > 0) out.value(null);
  if (removed.length > 0) out.value(removed);
  return out.take();
}

/**
 * Which version of an object: its number, or a moment at which it was current. A `Date` knows no microseconds, as the times of versions
 * do: it means the end of its millisecond, so that the time of a version means that version.
 */
export type Which = number | Date;

/** @internal */
export function which(version: Which, what: string): void {
  if (!(version instanceof Date)) {
    whole(version, what);
    return;
  }
  const micros = version.getTime() * 1000 + 999;
  if (!Number.isSafeInteger(micros)) throw errorOf("bad_argument", `the ${what} is no moment`, { field: what });
  out.head(ARRAY, 1);
  out.number(micros);
}

export function opGet(path: string, version?: Which): Uint8Array {
  op(OP.get, version === undefined ? 1 : 2);
  text(path);
  if (version !== undefined) which(version, "version");
  return out.take();
}

export function opDiff(path: string, from: Which, to?: Which): Uint8Array {
  op(OP.diff, to === undefined ? 2 : 3);
  text(path);
  which(from, "from");
  if (to !== undefined) which(to, "to");
  return out.take();
}

export function opRestore(path: string, version: Which, base?: number): Uint8Array {
  op(OP.restore, base === undefined ? 2 : 3);
  text(path);
  which(version, "version");
  if (base !== undefined) whole(base, "base");
  return out.take();
}

export function opStat(path: string): Uint8Array {
  op(OP.stat, 1);
  text(path);
  return out.take();
}

export function opList(path: string, after?: string, limit?: number): Uint8Array {
  op(OP.list, 3);
  text(path);
  optional(after, (name) => text(name, "after"));
  optional(limit, (limit) => whole(limit, "pageSize"));
  return out.take();
}

export function opRm(path: string, recursive: boolean): Uint8Array {
  op(OP.rm, 2);
  text(path);
  out.value(recursive);
  return out.take();
}

export function opMv(from: string, to: string): Uint8Array {
  op(OP.mv, 2);
  text(from, "from");
  text(to, "to");
  return out.take();
}

export function opCp(from: string, to: string, recursive: boolean): Uint8Array {
  op(OP.cp, 3);
  text(from, "from");
  text(to, "to");
  out.value(recursive);
  return out.take();
}

/** How a method is called, besides its arguments by place. */
export interface CallWith {
  /** An encoded map. */
  readonly kwargs?: Uint8Array | undefined;
  /** Milliseconds. */
  readonly deadline?: number | undefined;
  readonly atomic?: boolean | undefined;
  readonly paths?: readonly string[] | undefined;
}

export function opCall(path: string, method: string, args: Uint8Array, log: boolean, given?: CallWith): Uint8Array {
  op(OP.call, given ? 6 : 4);
  text(path);
  text(method, "method");
  out.bytes(args);
  out.value(log);
  if (given) {
    out.value(null);
    const { kwargs, deadline, atomic, paths } = given;
    const count = paths ? 4 : atomic === true ? 3 : deadline !== undefined ? 2 : 1;
    out.head(ARRAY, count);
    optional(kwargs, (kwargs) => out.bytes(kwargs));
    if (count > 1) optional(deadline, (deadline) => whole(deadline, "deadline"));
    if (count > 2) out.value(atomic === true ? true : null);
    if (paths) out.value(paths);
  }
  return out.take();
}

/** `source` is an encoded {@link ClassSource}. */
export function opPutClass(source: Uint8Array): Uint8Array {
  op(OP.putClass, 1);
  out.raw(source);
  return out.take();
}

export function opClassOf(path: string): Uint8Array {
  op(OP.class, 1);
  text(path);
  return out.take();
}

export function opClassByHash(hash: Uint8Array): Uint8Array {
  op(OP.class, 2);
  out.value(null);
  out.bytes(hash);
  return out.take();
}

export function opHistory(path: string): Uint8Array {
  op(OP.history, 1);
  text(path);
  return out.take();
}

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
}

/** The encoding of a query, whose function is JavaScript. */
export function encodeQuery(query: RawQuery): Uint8Array {
  out.take();
  out.head(ARRAY, 15);
  out.number(0);
  optional(query.source, (source) => text(source, "source"));
  optional(query.params, (params) => out.bytes(params));
  // What a function names and does not define is seen in other languages only.
  out.value(null);
  out.value(null);
  optional(query.directory, (directory) => text(directory, "directory"));
  optional(query.class, (name) => text(name, "class"));
  out.value(null);
  optional(query.order, (field) => text(field, "order"));
  optional(query.descending === true ? true : undefined, (descending) => out.value(descending));
  optional(query.limit, (limit) => whole(limit, "limit"));
  optional(query.fields, (fields) => out.value(fields));
  optional(query.count === true ? true : undefined, (count) => out.value(count));
  optional(query.group, ({ by, aggregates }) => {
    out.head(ARRAY, 2);
    text(by, "group");
    out.head(ARRAY, aggregates.length);
    for (const [kind, field] of aggregates) {
      out.head(ARRAY, 2);
      out.number(kind);
      text(field, "field of an aggregate");
    }
  });
  optional(query.page, (page) => whole(page, "pageSize"));
  return out.take();
}

/** `query` is an encoded query. */
export function opSearch(query: Uint8Array, after?: string): Uint8Array {
  op(OP.search, after === undefined ? 1 : 2);
  out.raw(query);
  if (after !== undefined) text(after, "after");
  return out.take();
}

export function opExplain(query: Uint8Array): Uint8Array {
  op(OP.explain, 1);
  out.raw(query);
  return out.take();
}

export function opCreateIndex(cls: string, field: string, unique: boolean): Uint8Array {
  op(OP.createIndex, 3);
  text(cls, "class");
  text(field, "field");
  out.value(unique);
  return out.take();
}

export function opDropIndex(cls: string, field: string): Uint8Array {
  op(OP.dropIndex, 2);
  text(cls, "class");
  text(field, "field");
  return out.take();
}

export function opIndexes(): Uint8Array {
  op(OP.indexes, 0);
  return out.take();
}

/** The encoding that a class version's address is computed from: what is absent at the end is left out. */
export function encodeClassSource(source: ClassSource): Uint8Array {
  out.take();
  out.head(ARRAY, source.doc === undefined ? 5 : 6);
  out.text(source.name);
  out.number(source.language);
  out.text(source.source);
  out.head(ARRAY, source.bases.length);
  for (const base of source.bases) {
    out.head(ARRAY, 2);
    out.text(base.name);
    out.bytes(base.hash);
  }
  out.head(ARRAY, source.fields.length);
  for (const field of source.fields) {
    out.head(ARRAY, field.doc !== undefined ? 4 : field.default !== undefined ? 3 : 2);
    out.text(field.name);
    out.number(field.kind);
    if (field.default !== undefined) out.bytes(field.default);
    else if (field.doc !== undefined) out.value(null);
    if (field.doc !== undefined) out.text(field.doc);
  }
  if (source.doc !== undefined) out.text(source.doc);
  return out.take();
}

/** Reads a record: its members by position, those that this client does not know yet skipped. */
export function record<T>(reader: ByteReader, read: (has: (position: number) => boolean) => T): T {
  const count = reader.array();
  let at = 0;
  const result = read((position) => {
    while (at < position && at < count) {
      reader.skip();
      at += 1;
    }
    if (position >= count) return false;
    at = position + 1;
    return !reader.takeNull();
  });
  for (; at < count; at += 1) reader.skip();
  return result;
}

/** @internal */
export function need(here: boolean, what: string): void {
  if (!here) throw errorOf("bad_frame", `the record lacks its ${what}`);
}

export function readError(reader: ByteReader): EmergeError {
  return record(reader, (has) => {
    need(has(0), "code");
    const code = codeOf(reader.uint());
    const message = has(1) ? reader.text() : "";
    return errorOf(code, message, {
      path: has(2) ? reader.text() : undefined,
      field: has(3) ? reader.text() : undefined,
      limit: has(4) ? reader.uint() : undefined,
      trace: has(5) ? reader.text() : undefined,
      effect: has(6) && reader.uint() === 1 ? "unknown" : "none",
      log: has(7) ? reader.text() : undefined,
    });
  });
}

export function readStat(reader: ByteReader): RawStat {
  return record(reader, (has) => ({
    name: has(0) ? reader.text() : "",
    id: has(1) ? reader.bytes() : new Uint8Array(16),
    kind: has(2) ? reader.uint() : 0,
    class: has(3) ? reader.text() : undefined,
    classHash: has(4) ? reader.bytes() : undefined,
    classVersion: has(5) ? reader.uint() : undefined,
    owner: has(6) ? reader.text() : "",
    group: has(7) ? reader.text() : "",
    perms: has(8) ? reader.uint() : 0,
    version: has(9) ? reader.uint() : 0,
    created: has(10) ? reader.int() : 0,
    modified: has(11) ? reader.int() : 0,
    size: has(12) ? reader.uint() : 0,
    node: has(13) ? reader.text() : "",
  }));
}

export function readStored(reader: ByteReader): RawStored {
  return record(reader, (has) => {
    need(has(0), "id");
    const id = reader.bytes();
    need(has(1), "version");
    return { id, version: reader.uint(), modified: has(2) ? reader.int() : 0 };
  });
}

export function readPage(reader: ByteReader): { members: RawStat[]; next: string | undefined } {
  return record(reader, (has) => {
    need(has(0), "members");
    const members: RawStat[] = [];
    for (let left = reader.array(); left > 0; left -= 1) members.push(readStat(reader));
    return { members, next: has(1) ? reader.text() : undefined };
  });
}

export function readCalled(reader: ByteReader): RawCalled {
  return record(reader, (has) => {
    need(has(0), "result");
    return {
      result: reader.bytes(),
      version: has(1) ? reader.uint() : undefined,
      log: has(2) ? reader.text() : undefined,
    };
  });
}

export function readMember(reader: ByteReader): {
  name: string;
  called: RawCalled | undefined;
  error: EmergeError | undefined;
} {
  return record(reader, (has) => {
    need(has(0), "name");
    return {
      name: reader.text(),
      called: has(1) ? readCalled(reader) : undefined,
      error: has(2) ? readError(reader) : undefined,
    };
  });
}

/** One version of an object's history, as on the wire. */
export interface RawVersion {
  readonly version: number;
  readonly modified: number;
  readonly author: string;
  readonly method: string | undefined;
  readonly size: number;
  readonly restored: number | undefined;
}

function readVersion(reader: ByteReader): RawVersion {
  return record(reader, (has) => ({
    version: has(0) ? reader.uint() : 0,
    modified: has(1) ? reader.int() : 0,
    author: has(2) ? reader.text() : "",
    method: has(3) ? reader.text() : undefined,
    size: has(4) ? reader.uint() : 0,
    restored: has(5) ? reader.uint() : undefined,
  }));
}

export function readHistory(reader: ByteReader): RawVersion[] {
  const versions = [];
  for (let left = reader.array(); left > 0; left -= 1) versions.push(readVersion(reader));
  return versions;
}

/** A field that differs, with its values encoded. */
export interface RawFieldChange {
  readonly field: string;
  readonly old: Uint8Array | undefined;
  readonly new: Uint8Array | undefined;
}

/** A class version, as people name it. */
export interface RawClassAt {
  readonly name: string;
  readonly version: number;
  readonly hash: Uint8Array;
}

/** @internal */
export function readClassAt(reader: ByteReader): RawClassAt {
  return record(reader, (has) => ({
    name: has(0) ? reader.text() : "",
    version: has(1) ? reader.uint() : 0,
    hash: has(2) ? reader.bytes() : new Uint8Array(16),
  }));
}

export function readDiff(reader: ByteReader): {
  from: RawVersion;
  to: RawVersion;
  fields: RawFieldChange[];
  oldClass: RawClassAt | undefined;
  newClass: RawClassAt | undefined;
} {
  return record(reader, (has) => {
    need(has(0), "from");
    const from = readVersion(reader);
    need(has(1), "to");
    const to = readVersion(reader);
    const fields: RawFieldChange[] = [];
    if (has(2)) {
      for (let left = reader.array(); left > 0; left -= 1) {
        fields.push(
          record(reader, (has) => ({
            field: has(0) ? reader.text() : "",
            old: has(1) ? reader.bytes() : undefined,
            new: has(2) ? reader.bytes() : undefined,
          })),
        );
      }
    }
    return {
      from, to, fields,
      oldClass: has(3) ? readClassAt(reader) : undefined,
      newClass: has(4) ? readClassAt(reader) : undefined,
    };
  });
}

/** An object that a search found. */
export interface RawMatch {
  readonly path: string;
  readonly stat: RawStat;
  readonly state: Uint8Array;
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
        return { path, stat, state: reader.bytes() };
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
  /** How objects were come by: by an `index`, from the `tree` below the directory, or by a `scan` of all objects. */
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

/** An index, as on the wire. */
export interface RawIndex {
  readonly class: string;
  readonly classId: Uint8Array;
  readonly field: string;
  readonly unique: boolean;
  readonly ready: boolean;
}

export function readIndex(reader: ByteReader): RawIndex {
  return record(reader, (has) => ({
    class: has(0) ? reader.text() : "",
    classId: has(1) ? reader.bytes() : new Uint8Array(16),
    field: has(2) ? reader.text() : "",
    unique: has(3) && reader.bool(),
    ready: has(4) && reader.bool(),
  }));
}

export function readIndexes(reader: ByteReader): RawIndex[] {
  return items(reader, true, readIndex);
}

function readMethod(reader: ByteReader): Method {
  return record(reader, (has) => {
    need(has(0), "name");
    const name = reader.text();
    const params: Param[] = [];
    if (has(1)) {
      for (let left = reader.array(); left > 0; left -= 1) {
        params.push(
          record(reader, (has) => ({
            name: has(0) ? reader.text() : "",
            default: has(1) ? reader.text() : undefined,
            type: has(2) ? reader.text() : undefined,
          })),
        );
      }
    }
    return {
      name,
      params,
      doc: has(2) ? reader.text() : undefined,
      isAsync: has(3) && reader.bool(),
      isStatic: has(4) && reader.bool(),
      isProperty: has(5) && reader.bool(),
      returns: has(6) ? reader.text() : undefined,
    };
  });
}

function readSource(reader: ByteReader): ClassSource {
  return record(reader, (has) => {
    need(has(0), "name");
    const name = reader.text();
    const language = has(1) ? reader.uint() : 0;
    const source = has(2) ? reader.text() : "";
    const bases: BaseRef[] = [];
    if (has(3)) {
      for (let left = reader.array(); left > 0; left -= 1) {
        bases.push(
          record(reader, (has) => ({
            name: has(0) ? reader.text() : "",
            hash: has(1) ? reader.bytes() : new Uint8Array(16),
          })),
        );
      }
    }
    const fields: FieldDecl[] = [];
    if (has(4)) {
      for (let left = reader.array(); left > 0; left -= 1) {
        fields.push(
          record(reader, (has) => ({
            name: has(0) ? reader.text() : "",
            kind: has(1) ? reader.uint() : 0,
            default: has(2) ? reader.bytes() : undefined,
            doc: has(3) ? reader.text() : undefined,
          })),
        );
      }
    }
    return { name, language, source, bases, fields, doc: has(5) ? reader.text() : undefined };
  });
}

export function readClassVersion(reader: ByteReader): ClassVersion {
  return record(reader, (has) => {
    need(has(0), "hash");
    const hash = reader.bytes();
    const classId = has(1) ? reader.bytes() : new Uint8Array(16);
    const version = has(2) ? reader.uint() : 0;
    const owner = has(3) ? reader.text() : "";
    const created = has(4) ? reader.int() : 0;
    need(has(5), "source");
    const source = readSource(reader);
    const methods: Method[] = [];
    if (has(6)) for (let left = reader.array(); left > 0; left -= 1) methods.push(readMethod(reader));
    return { hash, classId, version, owner, created, source, methods };
  });
}

/** A class version and those that it inherits from, nearest first. */
export function readLineage(reader: ByteReader): ClassVersion[] {
  return record(reader, (has) => {
    need(has(0), "lineage");
    const lineage: ClassVersion[] = [];
    for (let left = reader.array(); left > 0; left -= 1) lineage.push(readClassVersion(reader));
    return lineage;
  });
}
