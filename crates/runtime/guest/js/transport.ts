// How operations leave a running method: each is done at once, within the call's transaction.

import { Encoder } from "../../../../www/src/codec.js";
import type { Transport } from "../../../../www/src/results.js";
import { joinPath } from "../../../../www/src/meta.js";
import { ByteReader } from "../../../../www/src/bytes.js";
import { SortBy } from "../../../../www/src/generated.js";
import type { EmergeClass } from "../../../../www/src/object.js";
import { type CallWith, type ClassVersion, opCall, opList, readError, type SortName } from "../../../../www/src/wire.js";
import { readPage } from "../../../../www/src/wire-listing.js";
import { opSearch, readMatches } from "../../../../www/src/wire-search.js";
import { natives } from "./natives.js";

/** Runs an operation and gives its encoded reply; throws the node's error. */
export function request(op: Uint8Array): Uint8Array {
  return answer(natives.request(op));
}

/** What a reply of the host's holds; throws the error that it is. */
export function answer(reply: Uint8Array): Uint8Array {
  if (reply[0] === 0) return reply.subarray(1);
  throw readError(new ByteReader(reply.subarray(1)));
}

/** The transaction of a running method, as a {@link Transport}. */
export class CallTransport implements Transport {
  constructor(readonly meet: (lineage: readonly ClassVersion[]) => EmergeClass | undefined) {}

  // Async, so that a failure is a rejection as with any other transport.
  async request(op: Uint8Array): Promise<Uint8Array> {
    return request(op);
  }

  async *stream(op: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = new ByteReader(op);
    reader.array();
    const number = reader.uint();
    if (number === LIST) yield* pages(reader);
    else if (number === CALL) yield* members(reader);
    else if (number === SEARCH) yield* matches(reader);
    else yield request(op);
  }
}

const LIST = 4, CALL = 8, SEARCH = 30;
const SORTS = Object.keys(SortBy) as SortName[];

/** The pages of a directory, one request each. */
function* pages(op: ByteReader): Generator<Uint8Array, void, undefined> {
  const count = op.array();
  const path = op.text();
  const has = (at: number): boolean => count > at && !op.takeNull();
  let after = has(1) ? op.text() : undefined;
  const pageSize = has(2) ? op.uint() : undefined;
  const glob = has(3) ? op.text() : undefined;
  const sortBy = has(4) ? op.uint() : undefined;
  const sort = SORTS.find((name) => SortBy[name] === sortBy);
  const descending = has(5) && op.bool();
  for (;;) {
    const reply = request(opList(path, { after, pageSize, glob, sort, descending }));
    yield reply;
    after = readPage(new ByteReader(reply)).next;
    if (after === undefined) return;
  }
}

/** The pages of a search, one request each. */
function* matches(op: ByteReader): Generator<Uint8Array, void, undefined> {
  const count = op.array();
  const query = op.item();
  let after = count > 1 && !op.takeNull() ? op.text() : undefined;
  for (;;) {
    const reply = request(opSearch(query, after));
    yield reply;
    after = readMatches(new ByteReader(reply)).next;
    if (after === undefined) return;
  }
}

/** Calls a method of each member of a directory; all of it belongs to the one transaction. */
function* members(op: ByteReader): Generator<Uint8Array, void, undefined> {
  const ARRAY = 4, OBJECT = 0;
  const count = op.array();
  const path = op.text();
  const method = op.text();
  const args = op.bytes();
  const log = op.bool();
  let given: CallWith | undefined;
  let named: string[] | undefined;
  if (count > 5) {
    op.skip();
    const parts = op.array();
    const kwargs = op.takeNull() ? undefined : op.bytes();
    const deadline = parts > 1 && !op.takeNull() ? op.uint() : undefined;
    if (parts > 2) op.skip();
    if (parts > 3) named = Array.from({ length: op.array() }, () => op.text());
    if (kwargs !== undefined || deadline !== undefined) given = { kwargs, deadline };
  }
  const call = function* (name: string, at: string): Generator<Uint8Array, void, undefined> {
    const reply = natives.request(opCall(at, method, args, log, given));
    const record = new Encoder();
    record.head(ARRAY, reply[0] === 0 ? 2 : 3);
    record.text(name);
    if (reply[0] !== 0) record.value(null);
    record.raw(reply.subarray(1));
    yield record.take();
  };
  if (named) {
    for (const at of [...new Set(named)].sort()) yield* call(at, at);
    return;
  }
  const list = new ByteReader(opList(path));
  list.array();
  list.uint();
  for (const page of pages(list)) {
    for (const member of readPage(new ByteReader(page)).members) {
      if (member.kind !== OBJECT) continue;
      yield* call(member.name, joinPath(path, member.name));
    }
  }
}
