import type { Meta } from "./meta.js";
import { bare, EmergeObject } from "./object.js";
import { Stream } from "./stream.js";

interface Members {
  readonly first: readonly Meta[];
  readonly next: string | null;
  /** Those after a cursor. */
  readonly rest: (after: string) => AsyncIterable<Meta>;
}

const members = new WeakMap<Directory, Members>();

/**
 * A directory, as `fs.get` gives it: its properties (`meta`) and the first of its members, which came in the same request. All of them,
 * fetched page by page as they are asked for: `for await (const meta of directory)`.
 */
export class Directory extends EmergeObject {
  /** The first members, at most 1000, in the order of their names. */
  get members(): readonly Meta[] {
    return members.get(this)?.first ?? [];
  }

  /** Where the next page begins (`after` of {@link FileSystem.list}); `null` when these are all. */
  get next(): string | null {
    return members.get(this)?.next ?? null;
  }

  /** All members. */
  [Symbol.asyncIterator](): AsyncIterator<Meta, undefined> {
    return all(this)[Symbol.asyncIterator]();
  }

  /** All members, in an array. */
  toArray(): Promise<Meta[]> {
    return new Stream(all(this)).toArray();
  }
}

async function* all(directory: Directory): AsyncGenerator<Meta, undefined> {
  yield* directory.members;
  const known = members.get(directory);
  if (known !== undefined && known.next !== null) yield* known.rest(known.next);
  return undefined;
}

/** What the node itself tells, and no class made: the members of `/classes` and `/nodes`. */
export class Told extends EmergeObject {}

/** A directory with its first members. */
export function directoryOf(known: Members): Directory {
  const directory = bare(Directory);
  members.set(directory, known);
  return directory;
}
