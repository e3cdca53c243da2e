// What operations take and give, as the file system has it.

import type { EmergeError } from "./error.js";
import type { Meta, StoredMeta } from "./meta.js";
import type { EmergeClass, EmergeObject } from "./object.js";
import type { ClassVersion, SortName } from "./wire.js";

/** What every operation takes. */
export interface Options {
  /** Gives the operation up when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the node gives it up with `deadline_exceeded`. */
  readonly timeout?: number | undefined;
}

/** How operations reach a node: by a session in a page, by the transaction of a running method on the node. */
export interface Transport {
  /** Asks for an operation and gives its encoded reply. Rejects with an {@link EmergeError}. */
  request(op: Uint8Array, options?: Options): Promise<Uint8Array>;
  /** Asks for a streamed operation and gives its encoded items, of which `credit` at most may wait to be read. */
  stream(op: Uint8Array, options?: Options, credit?: number): AsyncIterable<Uint8Array>;
  /** Makes the class of a fetched object from its source, where that may run; elsewhere a stand-in is made. */
  meet?(lineage: readonly ClassVersion[]): EmergeClass | undefined;
}

/** An object whose class is not known here: any field may be read. */
// Its fields are whatever some other program declared, so no type could be right.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyObject = EmergeObject & { readonly meta: Meta; [field: string]: any };

/** A fetched object: its properties are known. */
export type Stored<T extends EmergeObject = AnyObject> = T & { readonly meta: Meta };

/** An object that was stored: of its properties those are known that the node tells of a store, or told before. */
export type Kept<T extends EmergeObject = AnyObject> = T & { readonly meta: StoredMeta };

/** The methods of an object as a proxy has them: each runs on the node, and gives a promise. */
export type Remote<T extends EmergeObject = AnyObject> = string extends keyof T
  ? Record<string, (...args: unknown[]) => Promise<unknown>>
  : {
      readonly [K in keyof T as T[K] extends (...args: never[]) => unknown ? K : never]: T[K] extends (
        ...args: infer A
      ) => infer R
        ? (...args: A) => Promise<Awaited<R>>
        : never;
    };

/** How to store. */
export interface StoreOptions extends Options {
  /** Stores also when the object has changed at the node since it was fetched. */
  readonly overwrite?: boolean | undefined;
  /** Fails with `already_exists` when something is there. */
  readonly create?: boolean | undefined;
}

/** How to store many. */
export interface StoreAllOptions extends StoreOptions {
  /** How many are on the way at a time; 256 if not given. */
  readonly concurrency?: number | undefined;
  /** Is told after each object how many are stored; `total` is 0 when the entries do not tell how many they are. */
  readonly onProgress?: ((progress: { done: number; total: number; path: string }) => void) | undefined;
}

/** How to list. */
export interface ListOptions extends Options {
  /** Goes on after this cursor: a name, when they are in the order of names. */
  readonly after?: string | undefined;
  /** Members fetched at a time, at most 1000. */
  readonly pageSize?: number | undefined;
  /** Only members whose names match: `*.txt`, `?`, `[a-z]`, `{a,b}`. */
  readonly glob?: string | undefined;
  /** What they are sorted by; the name if not given. By another, a directory has at most 20,000 members. */
  readonly sort?: SortName | undefined;
  /** Whether the last comes first. */
  readonly descending?: boolean | undefined;
}

/** How far a copy is. */
export interface CopyProgress {
  /** Objects and directories that are copied by now. */
  readonly copied: number;
  /** What was copied last. */
  readonly path: string;
}

/** How to call. */
export interface InvokeOptions extends Options {
  /** Whether what the method logs comes back. */
  readonly log?: boolean | undefined;
  /** Arguments by name: of a Python method its keywords, of a JavaScript method those of its parameters. */
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined;
  /** Milliseconds that the method may take, at most the node's own limit. */
  readonly deadline?: number | undefined;
}

/** How to call a method on several objects. */
export interface CallEachOptions extends Omit<InvokeOptions, "log"> {
  /** Makes one transaction of all calls: when one fails, none has happened, and its error is thrown. */
  readonly atomic?: boolean | undefined;
  /** Is told after each object; `total` is 0 when it is not known, which it is when the objects were named one by one. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** How far an operation on several objects is. */
export interface Progress {
  readonly done: number;
  readonly failed: number;
  readonly total: number;
  readonly path: string;
}

/** A name that both of two mixed objects have, and whose member counts. */
export interface Clash {
  readonly name: string;
  readonly kind: "field" | "method";
  /** The class whose member counts. */
  readonly kept: string;
  /** The class whose member is hidden. */
  readonly hidden: string;
}

/** What a mixin came to. */
export interface Mixed {
  readonly version: number;
  readonly class: ClassAt;
  readonly clashes: readonly Clash[];
}

/** What gives the new fields of a migration for the old ones: the name of a method of the new class, or a function. */
export type How = string | ((old: Record<string, unknown>) => unknown);

/** What a call came to. */
export interface Called {
  /** What the method returned. */
  readonly result: unknown;
  /** The object's version after the call; `null` when the call changed nothing. */
  readonly version: number | null;
  /** What the method logged; `null` when it was not asked for. */
  readonly log: string | null;
}

/** One member's outcome in a call on a directory: a result or an error. */
export interface MemberResult {
  /** Its name in the directory; its path, when the objects were named one by one. */
  readonly name: string;
  readonly path: string;
  readonly result?: unknown;
  /** The object's version after the call; `null` when the call changed nothing. */
  readonly version?: number | null | undefined;
  readonly error?: EmergeError | undefined;
}

/** One version of an object's history. */
export interface VersionInfo {
  readonly version: number;
  readonly modified: Date;
  readonly author: string;
  /** The method that made it; `null` when it was stored. */
  readonly method: string | null;
  readonly size: number;
  /** The version whose state it has again; `null` when it was not restored. */
  readonly restored: number | null;
  /** The operation that made it, when it changed no state (`chmod`, `chown`); else `null`. */
  readonly operation: string | null;
}

/** A field that differs between two versions. */
export interface FieldChange {
  readonly field: string;
  readonly kind: "changed" | "added" | "removed";
  /** Its earlier value; `undefined` when it was added. */
  readonly old: unknown;
  /** Its later value; `undefined` when it was removed. */
  readonly new: unknown;
}

/** A class version, as people name it. */
export interface ClassAt {
  readonly name: string;
  readonly version: number;
  /** The address, 32 hexadecimal digits. */
  readonly hash: string;
}

/** What differs between two versions of an object. */
export interface Diff {
  readonly from: VersionInfo;
  readonly to: VersionInfo;
  readonly fields: readonly FieldChange[];
  /** `null`, as `newClass` is, when both versions have the same class. */
  readonly oldClass: ClassAt | null;
  readonly newClass: ClassAt | null;
}

/** An index. */
export interface IndexInfo {
  /** The name of the class whose objects it has, and of those that inherit from it; `*` for all classes. */
  readonly class: string;
  readonly classId: string;
  readonly field: string;
  /** Whether no two objects may have the same value. */
  readonly unique: boolean;
  /** Whether all objects are in it, so that searches use it. */
  readonly ready: boolean;
  /** While it is being built: objects, those of other classes included, that were looked at so far. */
  readonly lookedAt: number | null;
  /** Of a unique one: objects that had the value of another before they were in the index; they keep it. */
  readonly duplicates: number;
}
