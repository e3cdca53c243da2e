// Transactions that a node holds open, as they lie on the wire.

import type { ByteReader } from "./bytes.js";
import { OP } from "./generated.js";
import { ARRAY, need, op, optional, out, record, text, whole } from "./wire.js";

export function opBegin(name?: string, lifetime?: number): Uint8Array {
  op(OP.begin, lifetime !== undefined ? 2 : name !== undefined ? 1 : 0);
  if (name !== undefined || lifetime !== undefined) optional(name, (name) => text(name, "name"));
  if (lifetime !== undefined) whole(lifetime, "lifetime");
  return out.take();
}

/** An encoded operation in a transaction. */
export function opIn(tx: string, inner: Uint8Array): Uint8Array {
  op(OP.in, 2);
  text(tx, "tx");
  out.raw(inner);
  return out.take();
}

export function opEnd(tx: string, commit: boolean): Uint8Array {
  op(OP.end, 2);
  text(tx, "tx");
  out.value(commit);
  return out.take();
}

export function opTransactions(tx?: string): Uint8Array {
  op(OP.transactions, tx === undefined ? 0 : 1);
  if (tx !== undefined) text(tx, "tx");
  return out.take();
}

/** True for an operation that sends a class, which needs no transaction: it goes by its content. */
export function isPutClass(operation: Uint8Array): boolean {
  // A list of two (0x82), and the number, which is small.
  return operation[0] === ((ARRAY << 5) | 2) && operation[1] === OP.putClass;
}

/** An open transaction. */
export interface RawTransaction {
  readonly id: Uint8Array;
  readonly name: string | undefined;
  readonly began: number;
  readonly expires: number;
  readonly operations: number;
  readonly bytes: number;
}

export function readTransaction(reader: ByteReader): RawTransaction {
  return record(reader, (has) => {
    need(has(0), "id");
    return {
      id: reader.bytes(),
      name: has(1) ? reader.text() : undefined,
      began: has(2) ? reader.int() : 0,
      expires: has(3) ? reader.int() : 0,
      operations: has(4) ? reader.uint() : 0,
      bytes: has(5) ? reader.uint() : 0,
    };
  });
}

export function readTransactions(reader: ByteReader): RawTransaction[] {
  const open = [];
  for (let left = reader.array(); left > 0; left -= 1) open.push(readTransaction(reader));
  return open;
}

/** When a transaction was committed, in microseconds since 1970; `undefined` when it was rolled back. */
export function readEnded(reader: ByteReader): number | undefined {
  return record(reader, (has) => (has(0) ? reader.int() : undefined));
}
