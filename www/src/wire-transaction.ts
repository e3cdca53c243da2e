// Transactions that a node holds open, as they lie on the wire.

import type { ByteReader } from "./bytes.js";
import { OP } from "./generated.js";
import { flag, ITEM, operation, optional, text, whole } from "./operation.js";
import { need, record } from "./wire.js";

export const opBegin: (name?: string, lifetime?: number) => Uint8Array = operation(
  OP.begin, optional(text("name")), optional(whole("lifetime")),
);

/** An encoded operation in a transaction. */
export const opIn: (tx: string, inner: Uint8Array) => Uint8Array = operation(OP.in, text("tx"), ITEM);

export const opEnd: (tx: string, commit: boolean) => Uint8Array = operation(OP.end, text("tx"), flag("commit"));

export const opTransactions: (tx?: string) => Uint8Array = operation(OP.transactions, optional(text("tx")));

/** True for an operation that sends a class, which needs no transaction: it goes by its content. */
export function isPutClass(encoded: Uint8Array): boolean {
  // A list of two, and the number, which is small.
  return encoded[0] === 0x82 && encoded[1] === OP.putClass;
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
