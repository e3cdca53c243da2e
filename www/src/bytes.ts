// Reading heads, texts and byte strings of CBOR (RFC 8949): what records are made of. Values are read by `codec.ts`.

import { errorOf } from "./error.js";

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Texts up to this length are read here: calling out costs more. */
const SHORT = 48;

/** The text that some bytes are, if all are ASCII. Eight at a time: each call makes a string. */
export function ascii(bytes: Uint8Array, at: number, end: number): string | undefined {
  let text = "";
  for (; at + 8 <= end; at += 8) {
    const a = bytes[at] as number, b = bytes[at + 1] as number, c = bytes[at + 2] as number, d = bytes[at + 3] as number;
    const e = bytes[at + 4] as number, f = bytes[at + 5] as number, g = bytes[at + 6] as number, h = bytes[at + 7] as number;
    if ((a | b | c | d | e | f | g | h) > 0x7f) return undefined;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  if (at + 4 <= end) {
    const a = bytes[at] as number, b = bytes[at + 1] as number, c = bytes[at + 2] as number, d = bytes[at + 3] as number;
    if ((a | b | c | d) > 0x7f) return undefined;
    text += String.fromCharCode(a, b, c, d);
    at += 4;
  }
  for (; at < end; at += 1) {
    const a = bytes[at] as number;
    if (a > 0x7f) return undefined;
    text += String.fromCharCode(a);
  }
  return text;
}

const UINT = 0, NEGATIVE = 1, BYTES = 2, TEXT = 3, ARRAY = 4, MAP = 5, TAG = 6, SIMPLE = 7;
const FALSE = 0xf4, TRUE = 0xf5, NULL = 0xf6;

/** Reads records; what is not well-formed is `bad_frame`. */
export class ByteReader {
  #bytes: Uint8Array;
  #at: number;
  /** The bytes, to be compared four at a time. */
  #words: DataView | undefined;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Where it stands. */
  get position(): number {
    return this.#at;
  }

  /** True when nothing is left. */
  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  #bad(why: string): never {
    throw errorOf("bad_frame", `the bytes could not be read: ${why} at byte ${this.#at}`);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) this.#bad("they are cut short");
    this.#at += 1;
    return byte;
  }

  #number(count: number): number {
    let value = 0;
    const bytes = this.#bytes;
    const start = this.#at;
    if (count === 8 && start + 8 <= bytes.length) {
      // Times are such numbers, and a listing has many.
      this.#at = start + 8;
      return this.#word(start) * 0x1_0000_0000 + this.#word(start + 4);
    }
    for (let i = 0; i < count; i += 1) value = value * 256 + this.#byte();
    return value;
  }

  #word(at: number): number {
    const bytes = this.#bytes;
    return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
  }

  #argument(short: number): number {
    if (short < 24) return short;
    if (short > 27) this.#bad("a length is missing");
    const value = this.#number(1 << (short - 24));
    if (value > Number.MAX_SAFE_INTEGER) this.#bad("a number is too large");
    return value;
  }

  #expect(major: number, what: string): number {
    const head = this.#byte();
    if (head >> 5 !== major) {
      this.#at -= 1;
      this.#bad(`${what} is needed`);
    }
    return this.#argument(head & 31);
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) this.#bad("they are cut short");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  uint(): number {
    return this.#expect(UINT, "a whole number");
  }

  int(): number {
    const head = this.#byte();
    const major = head >> 5;
    if (major !== UINT && major !== NEGATIVE) this.#bad("a whole number is needed");
    const value = this.#argument(head & 31);
    return major === UINT ? value : -1 - value;
  }

  bool(): boolean {
    const byte = this.#byte();
    if (byte !== TRUE && byte !== FALSE) this.#bad("true or false is needed");
    return byte === TRUE;
  }

  /** Takes a null if there is one, and says whether there was. */
  takeNull(): boolean {
    if (this.#bytes[this.#at] !== NULL) return false;
    this.#at += 1;
    return true;
  }

  array(): number {
    return this.#expect(ARRAY, "an array");
  }

  map(): number {
    return this.#expect(MAP, "a map");
  }

  text(): string {
    const length = this.#expect(TEXT, "a text");
    const bytes = this.#bytes;
    const start = this.#at;
    const end = start + length;
    if (end > bytes.length) this.#bad("they are cut short");
    this.#at = end;
    if (length <= SHORT) {
      const text = ascii(bytes, start, end);
      if (text !== undefined) return text;
    }
    try {
      return decoder.decode(bytes.subarray(start, end));
    } catch {
      this.#bad("a text is not UTF-8");
    }
  }

  /** All bytes, to be compared four at a time. */
  get words(): DataView {
    return (this.#words ??= new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength));
  }

  /** Goes to another place. */
  goTo(place: number): void {
    this.#at = place;
  }

  /** All bytes, those that were read included. */
  get all(): Uint8Array {
    return this.#bytes;
  }

  /** Another reader of the same bytes, at another place. */
  at(place: number): ByteReader {
    return new ByteReader(this.#bytes, place);
  }

  /** A view of the bytes, not a copy. */
  bytes(): Uint8Array {
    return this.#take(this.#expect(BYTES, "a byte string"));
  }

  /** Steps over a byte string if it is this one, and says whether it was. */
  takeBytes(expected: Uint8Array): boolean {
    const start = this.#at;
    const length = this.#expect(BYTES, "a byte string");
    let equal = length === expected.length;
    for (let i = 0; equal && i < length; i += 1) equal = this.#bytes[this.#at + i] === expected[i];
    this.#at = equal ? this.#at + length : start;
    return equal;
  }

  /** Steps over `count` items, whatever they are. */
  skip(count = 1): void {
    const bytes = this.#bytes;
    let at = this.#at;
    // Counted, not recursive: what nests deeply must not exhaust the stack.
    for (let left = count; left > 0; left -= 1) {
      this.#at = at;
      const head = this.#byte();
      const major = head >> 5;
      const short = head & 31;
      at += 1;
      if (major === SIMPLE || major === UINT || major === NEGATIVE) {
        // The bytes of a float, or of an integer past 2^53, are no length to be checked.
        if (short >= 28) this.#bad("a value is not one that this client knows");
        if (short >= 24) at += 1 << (short - 24);
        continue;
      }
      let argument = short;
      if (short >= 24) {
        argument = this.#argument(short);
        at = this.#at;
      }
      if (major === BYTES || major === TEXT) at += argument;
      else if (major === ARRAY) left += argument;
      else if (major === MAP) left += 2 * argument;
      else if (major === TAG) left += 1;
    }
    this.#at = at;
    if (at > bytes.length) this.#bad("they are cut short");
  }

  /** The bytes of one item, whatever it is: a view, not a copy. */
  item(): Uint8Array {
    const start = this.#at;
    this.skip();
    return this.#bytes.subarray(start, this.#at);
  }
}
