// Operations and records as they lie on the wire: CBOR arrays by position (`crates/proto/PROTOCOL.md`). Values inside them
// are bytes of their own, which `codec.ts` reads.

import type { Which } from "./arguments.js";
import { OP, SortBy, type StoreMode } from "./generated.js";
import { type EmergeError, codeOf, errorOf } from "./error.js";
import type { ByteReader } from "./bytes.js";
import {
  BYTES, encoded, flag, ITEM, listOf, members, named, NEVER, NUMBER, operation, optional, perms, text, texts, which, whole,
} from "./operation.js";

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
  /** The module of a class in WebAssembly. */
  readonly module?: Uint8Array | undefined;
  /** The packages of native Python that it requires. */
  readonly requires?: readonly string[] | undefined;
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

/** As a method is called: `totalCost(discount = 0)`; a property by its name alone. */
export function signature(method: Method): string {
  const returns = method.returns === undefined ? "" : ` -> ${method.returns}`;
  if (method.isProperty) return method.name + returns;
  const params = method.params.map(({ name, type, default: value }) => {
    return name + (type === undefined ? "" : `: ${type}`) + (value === undefined ? "" : ` = ${value}`);
  });
  return `${method.name}(${params.join(", ")})${returns}`;
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
  readonly rules: Rules | undefined;
  /** Where the request named it by its id or through `/registry`. */
  readonly path: string | undefined;
  /** The packages of native Python that its class requires, where it was asked for by itself. */
  readonly requires?: readonly string[] | undefined;
}

/** The rules that hold in a directory. */
export interface Rules {
  /** Which versions are kept: `"default"`, `"all"`, `"10 versions"`, `"30 days"`. */
  readonly keep: string;
  /** The permissions that new members do not get, in octal. */
  readonly mask: string;
  /** The directory that says what is kept; `null` when none does. */
  readonly keepFrom: string | null;
  /** The directory that has the mask; `null` when none has. */
  readonly maskFrom: string | null;
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

export const opMkdir: (path: string, existOk?: boolean) => Uint8Array = operation(OP.mkdir, text("path"), flag("existOk"));

export const opStore: (
  path: string,
  hash: Uint8Array,
  fields: Uint8Array,
  mode: StoreMode,
  base?: number,
  removed?: readonly string[],
  id?: Uint8Array,
) => Uint8Array = operation(
  OP.store, text("path"), BYTES, BYTES, NUMBER, optional(whole("base")), optional(texts("removed")), optional(BYTES),
);

export const opGet: (path: string, version?: Which) => Uint8Array = operation(OP.get, text("path"), optional(which("version")));

export const opDiff: (path: string, from: Which, to?: Which) => Uint8Array = operation(
  OP.diff, text("path"), which("from"), optional(which("to")),
);

export const opRestore: (path: string, version: Which, base?: number) => Uint8Array = operation(
  OP.restore, text("path"), which("version"), optional(whole("base")),
);

export const opChmod: (path: string, perms: string | number, recursive?: boolean) => Uint8Array = operation(
  OP.chmod, text("path"), perms("perms"), flag("recursive"),
);

export const opChown: (path: string, owner?: string, group?: string, recursive?: boolean) => Uint8Array = operation(
  OP.chown, text("path"), optional(text("owner")), optional(text("group")), flag("recursive"),
);

export const opStat: (path: string) => Uint8Array = operation(OP.stat, text("path"));

/** Which members of a directory are wanted, and how. */
export interface Listing {
  readonly after?: string | undefined;
  readonly pageSize?: number | undefined;
  readonly glob?: string | undefined;
  readonly sort?: SortName | undefined;
  readonly descending?: boolean | undefined;
}

/** What a listing can be sorted by. */
export type SortName = keyof typeof SortBy;

const list = operation(
  OP.list, text("path"), optional(text("after")), optional(whole("pageSize")), optional(text("glob")),
  optional(named("sort", SortBy)), optional(flag("descending")),
);

export function opList(path: string, { after, pageSize, glob, sort, descending }: Listing = {}): Uint8Array {
  return list(path, after, pageSize, glob, sort, descending);
}

export const opRm: (path: string, recursive?: boolean) => Uint8Array = operation(OP.rm, text("path"), flag("recursive"));

export const opMv: (from: string, to: string) => Uint8Array = operation(OP.mv, text("from"), text("to"));

export const opCp: (from: string, to: string, recursive?: boolean) => Uint8Array = operation(
  OP.cp, text("from"), text("to"), flag("recursive"),
);

/** How a method is called, besides its arguments by place. */
export interface CallWith {
  /** An encoded map. */
  readonly kwargs?: Uint8Array | undefined;
  /** Milliseconds. */
  readonly deadline?: number | undefined;
  readonly atomic?: boolean | undefined;
  readonly paths?: readonly string[] | undefined;
  /** Class versions that the caller trusts. */
  readonly trusted?: readonly Uint8Array[] | undefined;
}

const call = operation(
  OP.call, text("path"), text("method"), BYTES, flag("log"), NEVER,
  optional(members(optional(BYTES), optional(whole("deadline")), optional(flag("atomic")), optional(texts("paths")), optional(listOf(BYTES)))),
);

export function opCall(path: string, method: string, args: Uint8Array, log?: boolean, given?: CallWith): Uint8Array {
  return call(path, method, args, log, undefined, given && [given.kwargs, given.deadline, given.atomic, given.paths, given.trusted]);
}

/** `source` is an encoded {@link ClassSource}. */
export const opPutClass: (source: Uint8Array) => Uint8Array = operation(OP.putClass, ITEM);

export const opClassOf: (path: string) => Uint8Array = operation(OP.class, text("path"));

const classByHash = operation(OP.class, NEVER, BYTES);

export function opClassByHash(hash: Uint8Array): Uint8Array {
  return classByHash(undefined, hash);
}

export const opHistory: (path: string, before?: number, limit?: number) => Uint8Array = operation(
  OP.history, text("path"), optional(whole("before")), optional(whole("limit")),
);

export const opPurge: (path: string, recursive?: boolean) => Uint8Array = operation(OP.purge, text("path"), flag("recursive"));

export const opSetRules: (path: string, keep?: string, mask?: string | number) => Uint8Array = operation(
  OP.setRules, text("path"), optional(text("keep")), optional(perms("mask")),
);

const classSource = encoded(
  members(
    text("name"), NUMBER, text("source"), listOf(members(text("name"), BYTES)),
    listOf(members(text("name"), NUMBER, optional(BYTES), optional(text("doc")))), optional(text("doc")), NEVER, optional(BYTES),
  ),
);

/** The encoding that a class version's address is computed from: what is absent at the end is left out. */
export function encodeClassSource({ name, language, source, bases, fields, doc, module }: ClassSource): Uint8Array {
  return classSource([
    name, language, source, bases.map(({ name, hash }) => [name, hash]),
    fields.map(({ name, kind, default: initial, doc }) => [name, kind, initial, doc]), doc, undefined, module,
  ]);
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
      retryAfter: has(8) ? reader.uint() : undefined,
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
    rules: has(14) ? readRules(reader) : undefined,
    path: has(15) ? reader.text() : undefined,
    requires: has(16) ? readTexts(reader) : undefined,
  }));
}

function readTexts(reader: ByteReader): string[] {
  const texts: string[] = [];
  for (let left = reader.array(); left > 0; left -= 1) texts.push(reader.text());
  return texts;
}

/** @internal */
export function readRules(reader: ByteReader): Rules {
  return record(reader, (has) => ({
    keep: has(0) ? reader.text() : "",
    mask: has(1) ? reader.text() : "",
    keepFrom: has(2) ? reader.text() : null,
    maskFrom: has(3) ? reader.text() : null,
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

/** One part of a copy. */
export function readCopied(reader: ByteReader): { copied: number; path: string } {
  return record(reader, (has) => ({ copied: has(0) ? reader.uint() : 0, path: has(1) ? reader.text() : "" }));
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
  readonly operation: string | undefined;
}

function readVersion(reader: ByteReader): RawVersion {
  return record(reader, (has) => ({
    version: has(0) ? reader.uint() : 0,
    modified: has(1) ? reader.int() : 0,
    author: has(2) ? reader.text() : "",
    method: has(3) ? reader.text() : undefined,
    size: has(4) ? reader.uint() : 0,
    restored: has(5) ? reader.uint() : undefined,
    operation: has(6) ? reader.text() : undefined,
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
    const doc = has(5) ? reader.text() : undefined;
    const module = has(7) ? reader.bytes() : undefined;
    return { name, language, source, bases, fields, doc, module, requires: has(8) ? readTexts(reader) : undefined };
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
