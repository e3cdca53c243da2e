// What the encoder and the decoder share.

import { type EmergeError, errorOf } from "../error.js";
import { LIMITS } from "../generated.js";
import type { CodecHooks, TypedArray } from "./types.js";

export const NO_HOOKS: CodecHooks = {};

/** The moments of RFC 3339, in milliseconds. */
export const FIRST_MOMENT = -62167219200000;
export const LAST_MOMENT = 253402300799999;


export type ArrayMaker = { new (buffer: ArrayBuffer): TypedArray; readonly BYTES_PER_ELEMENT: number; readonly prototype: TypedArray };
/** Element types by their little-endian tag, and the tag of the same elements in big-endian order. */
export const ARRAYS = new Map<number, ArrayMaker>([
  [64, Uint8Array],
  [68, Uint8ClampedArray],
  [69, Uint16Array],
  [70, Uint32Array],
  [71, BigUint64Array],
  [72, Int8Array],
  [77, Int16Array],
  [78, Int32Array],
  [79, BigInt64Array],
  [85, Float32Array],
  [86, Float64Array],
]);
export const BIG_ENDIAN_HOST = new Uint8Array(new Uint16Array([1]).buffer)[0] === 0;

/** The bytes of a typed array, little-endian on any host. */
export function littleEndian(bytes: Uint8Array, size: number, bigEndian: boolean): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  if (bigEndian && size > 1) for (let at = 0; at < copy.length; at += size) copy.subarray(at, at + size).reverse();
  return copy;
}

export type Step = string | number;

export function pathOf(steps: readonly Step[]): string {
  let path = "";
  for (const step of steps) {
    if (typeof step === "number") path += `[${step}]`;
    else if (/^[\p{L}\p{N}_$]+$/u.test(step)) path += path ? `.${step}` : step;
    else path += `[${JSON.stringify(step)}]`;
  }
  return path;
}

export function tooDeep(field: string): EmergeError {
  const limit = LIMITS.MAX_DEPTH;
  return errorOf("too_deep", `the value nests deeper than ${limit} levels`, { limit, field: field || undefined });
}

export function tooLarge(size: number, field: string): EmergeError {
  const limit = LIMITS.MAX_INTEGER;
  return errorOf("too_large", `an integer has ${size} bytes; the limit is ${limit}`, { limit, field: field || undefined });
}
