// The options that operations take: of what kind each is. What lists options by a type has their kinds here or beside that type, each of them.

import { AT_MOST, check, FLAG, FUNCTION, type Kind, oneOf, RECORD, SIGNAL, TEXT, TIMEOUT, WHICH, type Which, WHOLE } from "./arguments.js";
import { SORT_BY_NAMES } from "./generated.js";
import type { CallEachOptions, CopyProgress, InvokeOptions, ListOptions, Options, StoreAllOptions, StoreOptions } from "./results.js";

/** Checks the options of an operation; none are given by `undefined` and by `null`. Throws `bad_argument`. */
export type Checked<T> = (given: T | null | undefined) => T;

const NONE = Object.freeze({});

/** The check of options, by the kinds of those that not every operation takes. */
export function optionsOf<T extends Options>(
  kinds: { readonly [K in Exclude<keyof T, keyof Options>]-?: Kind<Exclude<T[K], undefined>> },
): Checked<T> {
  const all = Object.entries(kinds) as [keyof T & string, Kind<unknown>][];
  return (given) => {
    if (given === undefined || given === null) return NONE as T;
    check(RECORD, given, "options");
    checkCommon(given);
    for (const [name, kind] of all) if (given[name] !== undefined) check(kind, given[name], name);
    return given;
  };
}

function checkCommon({ signal, timeout }: { readonly signal?: unknown; readonly timeout?: unknown }): void {
  if (signal !== undefined && signal !== null) check(SIGNAL, signal, "signal");
  if (timeout !== undefined && timeout !== null) check(TIMEOUT, timeout, "timeout");
}

/** The options of the file system's operations, by these. */
export const optionsFor = {
  any: optionsOf<Options>({}),
  get: optionsOf<Options & { version?: Which | undefined }>({ version: WHICH }),
  set: optionsOf<Options & { base?: number | undefined }>({ base: WHOLE }),
  store: optionsOf<StoreOptions>({ overwrite: FLAG, create: FLAG }),
  storeAll: optionsOf<StoreAllOptions>({ overwrite: FLAG, create: FLAG, concurrency: AT_MOST, onProgress: FUNCTION }),
  list: optionsOf<ListOptions>({ after: TEXT, pageSize: WHOLE, glob: TEXT, sort: oneOf(SORT_BY_NAMES), descending: FLAG }),
  invoke: optionsOf<InvokeOptions>({ log: FLAG, kwargs: RECORD, deadline: WHOLE }),
  callEach: optionsOf<CallEachOptions>({ kwargs: RECORD, deadline: WHOLE, atomic: FLAG, onProgress: FUNCTION }),
  mixin: optionsOf<Options & { name?: string | undefined }>({ name: TEXT }),
  migrateEach: optionsOf<Options & Pick<CallEachOptions, "onProgress"> & { from?: string | undefined }>({ from: TEXT, onProgress: FUNCTION }),
  createIndex: optionsOf<Options & { unique?: boolean | undefined }>({ unique: FLAG }),
  mkdir: optionsOf<Options & { existOk?: boolean | undefined }>({ existOk: FLAG }),
  recursive: optionsOf<Options & { recursive?: boolean | undefined }>({ recursive: FLAG }),
  cp: optionsOf<Options & { recursive?: boolean | undefined; onProgress?: ((progress: CopyProgress) => void) | undefined }>({
    recursive: FLAG, onProgress: FUNCTION,
  }),
  history: optionsOf<Options & { before?: number | undefined; limit?: number | undefined }>({ before: WHOLE, limit: WHOLE }),
};
