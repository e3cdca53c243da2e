// The JavaScript mapping of Emerge's values to CBOR (RFC 8949); `PROTOCOL.md` in the proto crate has the form of each. It runs in browsers,
// in Node and in the sandbox on the node (QuickJS), so it uses nothing but the language itself, and TextDecoder where there is one.
//
//   null, boolean             themselves
//   integer                   number when safe, else bigint; a whole number other than -0 is written as an integer: wrap it in Float64 for a float
//   float                     number
//   text                      string; one with a lone surrogate is refused
//   bytes                     Uint8Array (an ArrayBuffer is accepted)
//   list                      Array
//   map                       plain object; a Map with text keys is accepted
//   set                       Set
//   datetime                  Date, to the millisecond
//   date, duration, decimal   CalendarDate, Duration, Decimal
//   UUID                      Uuid, a String that knows what it is: `==`, templates, JSON and all methods work as with a string, and it comes
//                             back as a UUID; compare with `==` or its `.toString()`, since it is an object to `===`
//   typed array               the matching TypedArray; NdArray when it has other than one dimension, and for one of uint8, since
//                             a Uint8Array means bytes
//   reference                 Ref
//   table                     Table
//   embedded object           what the hooks make of it; else EmbeddedObject
//
// `undefined` is null at the top (what a function without a result returns) and is dropped from the end of a list; anywhere else it is refused,
// as is everything that has no mapping, with the path of the field.

import { Decoder } from "./codec/decoder.js";
import { Encoder } from "./codec/encoder.js";
import { NO_HOOKS } from "./codec/shared.js";
import type { CodecHooks } from "./codec/types.js";

export { Decoder } from "./codec/decoder.js";
export { Encoder } from "./codec/encoder.js";
export {
  CalendarDate,
  type CodecHooks,
  Decimal,
  Duration,
  EmbeddedObject,
  type Fields,
  Float64,
  NdArray,
  Ref,
  Table,
  type TypedArray,
  Uuid,
} from "./codec/types.js";

// Buffers are dear to make, so one is kept. A hook may encode while it is in use, and what failed half-way is not used again.
let spare: Encoder | undefined;

/** The CBOR encoding of a value. */
export function encode(value: unknown, hooks: CodecHooks = NO_HOOKS): Uint8Array {
  const encoder = spare ?? new Encoder();
  spare = undefined;
  const bytes = encoder.encode(value, hooks);
  spare = encoder;
  return bytes;
}

/** The value of exactly these bytes. */
export function decode(bytes: Uint8Array, hooks?: CodecHooks, offset?: number, length?: number): unknown {
  const decoder = new Decoder(bytes, hooks, offset, length);
  const value = decoder.value();
  decoder.finish();
  return value;
}
