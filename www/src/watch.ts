import { TEXT } from "./arguments.js";
import { ByteReader } from "./bytes.js";
import type { Options, Transport } from "./results.js";
import { CHANGE_KIND_NAMES, OP } from "./generated.js";
import { operation, optional, text } from "./operation.js";
import { optionsOf } from "./options.js";
import { uuidText } from "./sha256.js";
import { Stream } from "./stream.js";
import { need, record } from "./wire.js";

/** How to watch. */
export interface WatchOptions extends Options {
  /** Goes on after the change with this token, also of an earlier connection; from now on if not given. */
  readonly from?: string | undefined;
}

const watchOptions = optionsOf<WatchOptions>({ from: TEXT });

/** A change, as a watcher is told of it. */
export interface Change {
  /** What happened. */
  readonly kind: "created" | "changed" | "removed" | "moved";
  /** Where it is, or was when it was removed. */
  readonly path: string;
  /** Where it was before it was moved; `null` when it was not, or when that may not be known. */
  readonly from: string | null;
  readonly id: string;
  /** The version that it has since; `null` when it was removed. */
  readonly version: number | null;
  /** When it was committed. */
  readonly time: Date;
  readonly author: string;
  /** Whether it is a directory: then all below it has come or gone with it. */
  readonly directory: boolean;
  /** What `watch` goes on after, as its `from`. */
  readonly token: string;
}

const opWatch: (pattern: string, from?: string) => Uint8Array = operation(OP.watch, text("pattern"), optional(text("from")));

/** A change; `undefined` for the item that says that the watch has begun. */
function readChange(reader: ByteReader): Change | undefined {
  return record(reader, (has) => {
    need(has(0), "kind");
    const kind = reader.uint();
    need(has(1), "token");
    const token = reader.text();
    const path = has(2) ? reader.text() : "";
    const from = has(3) ? reader.text() : null;
    const id = has(4) ? uuidText(reader.bytes()) : "";
    const version = has(5) ? reader.uint() : null;
    const time = new Date(Math.floor((has(6) ? reader.int() : 0) / 1000));
    const author = has(7) ? reader.text() : "";
    const directory = has(8) && reader.bool();
    const name = CHANGE_KIND_NAMES[kind];
    if (name === undefined || name === "watching") return undefined;
    return { kind: name, path, from, id, version, time, author, directory, token };
  });
}

/** Changes that may wait to be read. */
const CREDIT = 256;

/** The changes of what matches a pattern. The watch is asked for at once, and not when the first change is. */
export function watch(transport: Transport, pattern: string, options?: WatchOptions): Stream<Change> {
  const given = watchOptions(options);
  const items = transport.stream(opWatch(pattern, given.from), given, CREDIT)[Symbol.asyncIterator]();
  const first = items.next();
  // Who never reads is not told of an error.
  first.catch(() => undefined);
  return new Stream(
    (async function* () {
      try {
        for (let item = await first; item.done !== true; item = await items.next()) {
          const change = readChange(new ByteReader(item.value));
          if (change) yield change;
        }
      } finally {
        await items.return?.();
      }
    })(),
  );
}
