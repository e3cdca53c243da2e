// What goes on for long and tells how far it is: copies of trees, stores of many objects.

import { ByteReader } from "./bytes.js";
import { isIterable } from "./compose.js";
import { EmergeError, errorOf } from "./error.js";
import type { EmergeObject } from "./object.js";
import type { CopyProgress, Options, StoreAllOptions, Transport } from "./results.js";
import { opCp, readCopied } from "./wire.js";

/** An encoded null. */
const NULL = 0xf6;

/** Parts of a copy that may be on the way: each is told as it comes, and what is given up copies few more. */
const PARTS = 4;

/** Copies a tree part by part. */
export async function copyTree(
  transport: Transport,
  from: string,
  to: string,
  options: Options & { onProgress?: ((progress: CopyProgress) => void) | undefined },
): Promise<void> {
  let told: CopyProgress | undefined;
  const parts = transport.stream(opCp(from, to, true), options, PARTS)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const part = await parts.next().catch((error: unknown) => {
        throw withCopied(error, told);
      });
      if (part.done === true) return;
      // Inside a method it is one reply, an encoded null.
      if (part.value[0] === NULL) continue;
      told = readCopied(new ByteReader(part.value));
      options.onProgress?.(told);
    }
  } finally {
    await parts.return?.();
  }
}

/** An error with what a copy was told to have copied. The node knows best; but of a deadline or a cut it cannot tell. */
function withCopied(error: unknown, told: CopyProgress | undefined): unknown {
  const were = "objects and directories were copied";
  if (told === undefined || !(error instanceof EmergeError) || error.message.includes(were)) return error;
  const { code, message, path, field, limit, trace, log } = error;
  const more = `${message}; at least ${told.copied} ${were}, the last of them ${told.path}`;
  return errorOf(code, more, { path, field, limit, trace, log, effect: "unknown" });
}

type Pair = readonly [string, EmergeObject];

/** Stores many objects, some at a time; ends at the first error. Gives how many were stored. */
export async function storeEach(
  entries: Iterable<Pair> | AsyncIterable<Pair>,
  options: StoreAllOptions,
  store: (path: string, object: EmergeObject) => Promise<unknown>,
): Promise<number> {
  if (!isIterable(entries)) throw wrong("storeAll takes pairs [path, object], in a list or anything else that can be iterated");
  const total = Array.isArray(entries) ? entries.length : entries instanceof Map ? entries.size : 0;
  const iterator = Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator]();
  const failed: unknown[] = [];
  let done = 0;
  let ended = false;
  const worker = async (): Promise<void> => {
    while (!ended && failed.length === 0) {
      const next = await iterator.next();
      if (next.done === true) {
        ended = true;
        return;
      }
      const pair: unknown = next.value;
      if (!Array.isArray(pair) || typeof pair[0] !== "string") throw wrong("each of what storeAll takes is a pair [path, object]");
      const [path, object] = next.value;
      await store(path, object);
      done += 1;
      options.onProgress?.({ done, total, path });
    }
  };
  const count = Math.max(1, Math.min(options.concurrency ?? 256, total || Infinity));
  await Promise.all(Array.from({ length: count }, () => worker().catch((error: unknown) => failed.push(error))));
  if (failed.length > 0) {
    await iterator.return?.();
    throw failed[0];
  }
  return done;
}

function wrong(message: string): EmergeError {
  return errorOf("bad_argument", message, { field: "entries" });
}
