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
//   embedded object           what the hooks make of it; else EmbeddedObject
//
// `undefined` is null at the top (what a function without a result returns) and is dropped from the end of a list; anywhere else it is refused,
// as is everything that has no mapping, with the path of the field.

import { errorOf, type EmergeError } from "./error.js";
import { LIMITS } from "./generated.js";

/** The typed arrays that have an element type in Emerge. */
export type TypedArray =
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** Fields by name, in their order. */
export type Fields = Record<string, unknown>;

/** How the instances of classes travel. */
export interface CodecHooks {
  /** The class version (16 bytes) and the fields of an instance; nothing when it is not an object that can be stored. */
  objectToCbor?(instance: object): { hash: Uint8Array; fields: Fields } | undefined;
  /** The instance for an embedded object. */
  cborToObject?(hash: Uint8Array, fields: Fields): unknown;
}

const NO_HOOKS: CodecHooks = {};

/** A number that is written as a float also when it is whole. */
export class Float64 {
  constructor(readonly value: number) {}
  valueOf(): number {
    return this.value;
  }
}

/** A reference to another object, by path. */
export class Ref {
  constructor(readonly path: string) {}
  toString(): string {
    return this.path;
  }
}

/** A UUID: a string that knows what it is. */
export class Uuid extends String {
  constructor(text: string) {
    const hex = text.toLowerCase().replaceAll("-", "");
    if (!/^[0-9a-f]{32}$/.test(hex)) throw errorOf("bad_argument", `${JSON.stringify(text)} is not a UUID`);
    super(hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"));
  }
}

/** A decimal number, `mantissa * 10 ** exponent`; both are kept, so `1.50` stays `1.50`. */
export class Decimal {
  constructor(
    readonly mantissa: bigint,
    readonly exponent: number = 0,
  ) {
    if (!Number.isSafeInteger(exponent)) throw errorOf("bad_argument", "the exponent of a decimal must be a safe integer");
  }

  /** Reads `-1.50` and `15E3`. */
  static parse(text: string): Decimal {
    const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
    if (!match) throw errorOf("bad_argument", `${JSON.stringify(text)} is not a decimal number`);
    const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
    return new Decimal(BigInt(whole + fraction) * (sign ? -1n : 1n), Number(exponent) - fraction.length);
  }

  toString(): string {
    const sign = this.mantissa < 0n ? "-" : "";
    const digits = String(this.mantissa < 0n ? -this.mantissa : this.mantissa);
    if (this.exponent === 0) return sign + digits;
    if (this.exponent > 0 || this.exponent < -30) return `${sign}${digits}E${this.exponent}`;
    const padded = digits.padStart(1 - this.exponent, "0");
    return `${sign}${padded.slice(0, this.exponent)}.${padded.slice(this.exponent)}`;
  }
}

/** A length of time, to the microsecond. */
export class Duration {
  readonly micros: bigint;
  constructor(micros: bigint | number) {
    this.micros = BigInt(micros);
    if (BigInt.asIntN(64, this.micros) !== this.micros) throw errorOf("bad_argument", "a duration is past 64 bits of microseconds");
  }
  /** The length in seconds, as near as a number comes. */
  get seconds(): number {
    return Number(this.micros) / 1e6;
  }
  /** ISO 8601: `PT90.5S`. */
  toString(): string {
    const size = this.micros < 0n ? -this.micros : this.micros;
    const fraction = String(size % 1000000n).padStart(6, "0").replace(/0+$/, "");
    return `${this.micros < 0n ? "-" : ""}PT${size / 1000000n}${fraction && "."}${fraction}S`;
  }
}

/** A day of the calendar, from year 0000 to year 9999. */
export class CalendarDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** Reads `2024-02-29`. */
  constructor(private readonly text: string) {
    const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
    [this.year, this.month, this.day] = match ? [Number(match[1]), Number(match[2]), Number(match[3])] : [0, 0, 0];
    if (Number.isNaN(moment(this.year, this.month, this.day))) throw errorOf("bad_argument", `${JSON.stringify(text)} is not a date`);
  }
  toString(): string {
    return this.text;
  }
  toJSON(): string {
    return this.text;
  }
}

/** An n-dimensional typed array, row-major. */
export class NdArray {
  constructor(
    readonly shape: readonly number[],
    readonly data: TypedArray,
  ) {
    if (shape.reduce((product, length) => product * length, 1) !== data.length) {
      throw errorOf("bad_argument", `an array of shape [${shape.join(", ")}] does not have ${data.length} elements`);
    }
  }
}

/** An embedded object whose class nobody here knows; it can be written again. */
export class EmbeddedObject {
  constructor(
    readonly hash: Uint8Array,
    readonly fields: Fields,
  ) {}
}

/** Milliseconds since 1970 of midnight UTC; NaN when there is no such day. */
function moment(year: number, month: number, day: number): number {
  // `Date.UTC` takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0);
  const time = date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? time : NaN;
}

const FIRST_MOMENT = -62167219200000;
const LAST_MOMENT = 253402300799999;

type ArrayMaker = { new (buffer: ArrayBuffer): TypedArray; readonly BYTES_PER_ELEMENT: number; readonly prototype: TypedArray };
/** Element types by their little-endian tag, and the tag of the same elements in big-endian order. */
const ARRAYS = new Map<number, ArrayMaker>([
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
const BIG_ENDIAN_HOST = new Uint8Array(new Uint16Array([1]).buffer)[0] === 0;

/** The bytes of a typed array, little-endian on any host. */
function littleEndian(bytes: Uint8Array, size: number, bigEndian: boolean): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  if (bigEndian && size > 1) for (let at = 0; at < copy.length; at += size) copy.subarray(at, at + size).reverse();
  return copy;
}

/** Whether a prototype is that of plain objects, of whichever realm. */
function isPlain(prototype: unknown): boolean {
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, "hasOwnProperty");
}

type Step = string | number;

function pathOf(steps: readonly Step[]): string {
  let path = "";
  for (const step of steps) {
    if (typeof step === "number") path += `[${step}]`;
    else if (/^[\p{L}\p{N}_$]+$/u.test(step)) path += path ? `.${step}` : step;
    else path += `[${JSON.stringify(step)}]`;
  }
  return path;
}

// The types of hosts differ (the sandbox has neither), and strings are short more often than not.
const SHORT = 40;
interface Transcoders {
  TextEncoder?: new () => { encode(text: string): Uint8Array };
  TextDecoder?: new (label: string, options: object) => { decode(bytes: Uint8Array): string };
}
const { TextEncoder: Utf8Encoder, TextDecoder: Utf8Decoder } = globalThis as Transcoders;
const utf8Encoder = Utf8Encoder && new Utf8Encoder();
const utf8Decoder = Utf8Decoder && new Utf8Decoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writes values, one after the other. */
export class Encoder {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  #hooks: CodecHooks;
  /** The containers around the value that is being written, and the way to it. */
  readonly #around: object[] = [];
  readonly #steps: Step[] = [];

  constructor(hooks: CodecHooks = NO_HOOKS) {
    this.#hooks = hooks;
  }

  /** A copy of what was written; then begins anew. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#at);
    this.#at = 0;
    return taken;
  }

  /** The encoding of one value, with hooks of its own. */
  encode(value: unknown, hooks: CodecHooks): Uint8Array {
    this.#hooks = hooks;
    this.value(value);
    const taken = this.take();
    // A large value does not keep its room for ever.
    if (this.#bytes.length > 1 << 20) {
      this.#bytes = new Uint8Array(256);
      this.#view = new DataView(this.#bytes.buffer);
    }
    return taken;
  }

  /** Makes room for `count` bytes and gives the place of the first. */
  #room(count: number): number {
    const at = this.#at;
    this.#at = at + count;
    if (this.#at > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#at, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }

  /** The head of an item. */
  head(major: number, argument: number): void {
    const top = major << 5;
    if (argument < 24) {
      const at = this.#room(1);
      this.#bytes[at] = top | argument;
    } else if (argument < 0x100) {
      const at = this.#room(2);
      this.#bytes[at] = top | 24;
      this.#bytes[at + 1] = argument;
    } else if (argument < 0x10000) {
      const at = this.#room(3);
      this.#bytes[at] = top | 25;
      this.#view.setUint16(at + 1, argument);
    } else if (argument < 0x100000000) {
      const at = this.#room(5);
      this.#bytes[at] = top | 26;
      this.#view.setUint32(at + 1, argument);
    } else {
      const at = this.#room(9);
      this.#bytes[at] = top | 27;
      this.#view.setUint32(at + 1, argument / 0x100000000);
      this.#view.setUint32(at + 5, argument >>> 0);
    }
  }

  /** Bytes that are encoded already. */
  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  bytes(bytes: Uint8Array): void {
    this.head(2, bytes.length);
    this.raw(bytes);
  }

  text(text: string): void {
    const length = text.length;
    if (length > SHORT) {
      this.#longText(text);
      return;
    }
    // Nearly always ASCII; the first other character begins anew.
    const from = this.#room(length + 2);
    const bytes = this.#bytes;
    let at = from;
    if (length < 24) bytes[at++] = 0x60 | length;
    else {
      bytes[at++] = 0x78;
      bytes[at++] = length;
    }
    for (let i = 0; i < length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) {
        this.#at = from;
        this.#longText(text);
        return;
      }
      bytes[at++] = unit;
    }
    this.#at = at;
  }

  #longText(text: string): void {
    const length = text.length;
    if (length > SHORT && utf8Encoder) {
      if (/\p{Surrogate}/u.test(text)) this.#loneSurrogate();
      const bytes = utf8Encoder.encode(text);
      this.head(3, bytes.length);
      this.raw(bytes);
      return;
    }
    let size = 0;
    for (let i = 0; i < length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit < 0x80) size += 1;
      else if (unit < 0x800) size += 2;
      else if (unit < 0xd800 || unit > 0xdfff) size += 3;
      else {
        const next = text.charCodeAt(i + 1);
        if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) this.#loneSurrogate();
        size += 4;
        i += 1;
      }
    }
    this.head(3, size);
    let at = this.#room(size);
    const bytes = this.#bytes;
    for (const char of text) {
      const point = char.codePointAt(0) as number;
      if (point < 0x80) bytes[at++] = point;
      else {
        if (point < 0x800) bytes[at++] = 0xc0 | (point >> 6);
        else {
          if (point < 0x10000) bytes[at++] = 0xe0 | (point >> 12);
          else {
            bytes[at++] = 0xf0 | (point >> 18);
            bytes[at++] = 0x80 | ((point >> 12) & 63);
          }
          bytes[at++] = 0x80 | ((point >> 6) & 63);
        }
        bytes[at++] = 0x80 | (point & 63);
      }
    }
  }

  #loneSurrogate(): never {
    throw this.#unmappable("a text with a lone surrogate, which has no UTF-8 form");
  }

  float(value: number): void {
    const at = this.#room(9);
    this.#bytes[at] = 0xfb;
    this.#view.setFloat64(at + 1, value);
  }

  /** A number: an integer when it is whole, safe and not -0, else a float. */
  number(value: number): void {
    if (Number.isSafeInteger(value) && (value !== 0 || 1 / value > 0)) {
      if (value < 0) this.head(1, -1 - value);
      else this.head(0, value);
    } else {
      this.float(value);
    }
  }

  bigint(value: bigint): void {
    const magnitude = value < 0n ? ~value : value;
    const major = value < 0n ? 1 : 0;
    if (magnitude <= 0xffffffffn) {
      this.head(major, Number(magnitude));
    } else if (magnitude <= 0xffffffffffffffffn) {
      const at = this.#room(9);
      this.#bytes[at] = (major << 5) | 27;
      this.#view.setBigUint64(at + 1, magnitude);
    } else {
      let hex = magnitude.toString(16);
      if (hex.length % 2) hex = `0${hex}`;
      const size = hex.length / 2;
      if (size > LIMITS.MAX_INTEGER) throw tooLarge(size, pathOf(this.#steps));
      this.head(6, major + 2);
      this.head(2, size);
      const at = this.#room(size);
      for (let i = 0; i < size; i += 1) this.#bytes[at + i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
    }
  }

  /** A list; `undefined` at its end is dropped. */
  list(items: readonly unknown[]): void {
    let length = items.length;
    while (length > 0 && items[length - 1] === undefined) length -= 1;
    this.#enter(items);
    this.head(4, length);
    for (let i = 0; i < length; i += 1) this.#inside(i, items[i]);
    this.#leave();
  }

  /** A map of an object's own fields. */
  fields(fields: Fields): void {
    this.#enter(fields);
    this.#entries(fields);
    this.#leave();
  }

  #entries(fields: Fields): void {
    const keys = Object.keys(fields);
    this.head(5, keys.length);
    for (const key of keys) {
      this.text(key);
      this.#inside(key, fields[key]);
    }
  }

  /** Any value that has a mapping. */
  value(value: unknown): void {
    if (typeof value === "string") this.text(value);
    else if (typeof value === "number") this.number(value);
    else if (typeof value === "boolean") this.head(7, value ? 21 : 20);
    else if (value === null) this.head(7, 22);
    else if (typeof value === "object") this.#object(value);
    else if (typeof value === "bigint") this.bigint(value);
    else if (value === undefined && this.#steps.length === 0) this.head(7, 22);
    else if (typeof value === "function") throw this.#unmappable(`a function (${value.name || "without a name"})`);
    else throw this.#unmappable(value === undefined ? "undefined" : `a ${typeof value}`);
  }

  #object(value: object): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (Array.isArray(value)) this.list(value);
    else if (isPlain(prototype)) {
      this.fields(value as Fields);
    } else if (!this.#embedded(value) && !this.#builtIn(value) && !this.#own(value)) {
      const kind = (value.constructor as { name?: string } | undefined)?.name;
      throw this.#unmappable(`an instance of ${kind || "a class without a name"}, which is not a class whose objects can be stored`);
    }
  }

  #embedded(value: object): boolean {
    const object = value instanceof EmbeddedObject ? value : this.#hooks.objectToCbor?.(value);
    if (!object) return false;
    // The instance itself marks a cycle: its fields may be a new object each time.
    this.#enter(value);
    this.head(6, 27);
    this.head(4, 3);
    this.text("emerge/object");
    this.bytes(object.hash);
    this.#entries(object.fields);
    this.#leave();
    return true;
  }

  /** Instances of the language's own classes. */
  #builtIn(value: object): boolean {
    if (value instanceof Date) this.#date(value);
    else if (value instanceof Uint8Array) this.bytes(value);
    else if (value instanceof ArrayBuffer) this.bytes(new Uint8Array(value));
    else if (value instanceof Map) this.#map(value);
    else if (value instanceof Set) this.#set(value);
    else if (ArrayBuffer.isView(value) && !(value instanceof DataView)) this.#array(value as TypedArray);
    else return false;
    return true;
  }

  /** Instances of the classes above. */
  #own(value: object): boolean {
    if (value instanceof Float64) {
      this.float(value.value);
    } else if (value instanceof Uuid) {
      const hex = value.replaceAll("-", "");
      this.head(6, 37);
      this.bytes(Uint8Array.from({ length: 16 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16)));
    } else if (value instanceof Ref) {
      this.head(6, 27);
      this.head(4, 2);
      this.text("emerge/ref");
      this.text(value.path);
    } else if (value instanceof CalendarDate) {
      this.head(6, 1004);
      this.text(value.toString());
    } else if (value instanceof Decimal) {
      this.head(6, 4);
      this.head(4, 2);
      this.number(value.exponent);
      this.bigint(value.mantissa);
    } else if (value instanceof Duration) {
      const micros = ((value.micros % 1000000n) + 1000000n) % 1000000n;
      this.head(6, 1002);
      this.head(5, micros ? 2 : 1);
      this.head(0, 1);
      this.bigint((value.micros - micros) / 1000000n);
      if (micros) {
        this.head(1, 5);
        this.bigint(micros);
      }
    } else if (value instanceof NdArray) {
      if (value.shape.length !== 1) {
        this.head(6, 40);
        this.head(4, 2);
        this.head(4, value.shape.length);
        for (const length of value.shape) this.head(0, length);
      }
      this.#array(value.data);
    } else {
      return false;
    }
    return true;
  }

  #set(set: Set<unknown>): void {
    this.head(6, 258);
    this.#enter(set);
    this.head(4, set.size);
    let at = 0;
    for (const member of set) this.#inside(at++, member);
    this.#leave();
  }

  #date(date: Date): void {
    const time = date.getTime();
    if (!(time >= FIRST_MOMENT && time <= LAST_MOMENT)) {
      throw this.#unmappable(Number.isNaN(time) ? "an invalid Date" : "a Date outside the years 0000 to 9999");
    }
    this.head(6, 0);
    this.text(date.toISOString().replace(".000Z", "Z"));
  }

  #map(map: Map<unknown, unknown>): void {
    this.#enter(map);
    this.head(5, map.size);
    for (const [key, value] of map) {
      if (typeof key !== "string") throw this.#unmappable(`a Map with a key that is not a text but a ${typeof key}`);
      this.text(key);
      this.#inside(key, value);
    }
    this.#leave();
  }

  #array(array: TypedArray): void {
    for (const [tag, kind] of ARRAYS) {
      if (!(array instanceof kind)) continue;
      this.head(6, tag);
      const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      this.bytes(BIG_ENDIAN_HOST ? littleEndian(bytes, kind.BYTES_PER_ELEMENT, true) : bytes);
      return;
    }
    throw this.#unmappable(`an array of a type without a mapping (${(array as object).constructor.name})`);
  }

  #enter(container: object): void {
    if (this.#around.includes(container)) throw this.#unmappable("a cycle: an object inside itself");
    if (this.#around.length === LIMITS.MAX_DEPTH) throw tooDeep(pathOf(this.#steps));
    this.#around.push(container);
  }

  #leave(): void {
    this.#around.pop();
  }

  #inside(step: Step, value: unknown): void {
    this.#steps.push(step);
    this.value(value);
    this.#steps.pop();
  }

  #unmappable(what: string): EmergeError {
    const field = pathOf(this.#steps);
    return errorOf("unmappable_value", `${field ? `${field} is` : "there is"} ${what}; it has no mapping`, { field: field || undefined });
  }
}

function tooDeep(field: string): EmergeError {
  const limit = LIMITS.MAX_DEPTH;
  return errorOf("too_deep", `the value nests deeper than ${limit} levels`, { limit, field: field || undefined });
}

function tooLarge(size: number, field: string): EmergeError {
  const limit = LIMITS.MAX_INTEGER;
  return errorOf("too_large", `an integer has ${size} bytes; the limit is ${limit}`, { limit, field: field || undefined });
}

// The keys of maps come again and again: each is made once. The table has one place for each hash.
const KEYS = 1024;
const LONGEST_KEY = 32;
const keyBytes: (Uint8Array | undefined)[] = Array.from({ length: KEYS });
const keyTexts: string[] = [];

/** Reads values, one after the other. */
export class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  readonly #hooks: CodecHooks;
  readonly #steps: Step[] = [];
  #at: number;
  #depth = 0;
  /** The argument of the last head; -1 when its length is indefinite. */
  #argument = 0;

  constructor(bytes: Uint8Array, hooks: CodecHooks = {}, offset = 0, length = bytes.length - offset) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#hooks = hooks;
    this.#at = offset;
    this.#end = offset + length;
    if (!(offset >= 0 && length >= 0 && this.#end <= bytes.length)) throw this.#bad("the offset or the length lies outside the bytes");
  }

  /** Where the next value begins. */
  get position(): number {
    return this.#at;
  }

  /** True when nothing is left. */
  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** Fails when something is left. */
  finish(): void {
    if (!this.done) throw this.#bad(`${this.#end - this.#at} bytes follow the value`);
  }

  #bad(why: string): EmergeError {
    const field = pathOf(this.#steps);
    return errorOf("bad_frame", field ? `${why} at ${field}` : why, { field: field || undefined });
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw this.#bad("the value is cut short");
    this.#at = at + count;
    return at;
  }

  /** Takes a head; gives its first byte, and its argument in `#argument` (past 2^53 it is rounded). */
  #head(): number {
    const at = this.#take(1);
    const first = this.#bytes[at] as number;
    const info = first & 31;
    if (info < 24) this.#argument = info;
    else if (info === 24) this.#argument = this.#bytes[this.#take(1)] as number;
    else if (info === 25) this.#argument = this.#view.getUint16(this.#take(2));
    else if (info === 26) this.#argument = this.#view.getUint32(this.#take(4));
    else if (info === 27) {
      const wide = this.#take(8);
      this.#argument = this.#view.getUint32(wide) * 0x100000000 + this.#view.getUint32(wide + 4);
    } else if (info === 31 && first >= 0x40 && first < 0xc0) this.#argument = -1;
    else throw this.#bad(`the byte 0x${first.toString(16)} cannot begin a value`);
    return first;
  }

  #atBreak(): boolean {
    const at = this.#take(1);
    if (this.#bytes[at] === 0xff) return true;
    this.#at = at;
    return false;
  }

  /** The first byte of a head of this major type. */
  #expect(major: number, what: string): void {
    if (this.#head() >> 5 !== major) throw this.#bad(what);
  }

  /** The bytes of a string whose head was taken; a view when they lie in one piece. */
  #string(major: number): Uint8Array {
    if (this.#argument >= 0) {
      const at = this.#take(this.#argument);
      return this.#bytes.subarray(at, this.#at);
    }
    const chunks: Uint8Array[] = [];
    while (!this.#atBreak()) {
      this.#expect(major, "a string of indefinite length has a chunk of another kind");
      if (this.#argument < 0) throw this.#bad("a string of indefinite length has a chunk of another kind");
      const chunk = this.#bytes.subarray(this.#take(this.#argument), this.#at);
      // Each chunk of a text is a text of its own.
      if (major === 3) this.#utf8(chunk, 0, chunk.length);
      chunks.push(chunk);
    }
    const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  /** A text whose head was taken. */
  #text(): string {
    const length = this.#argument;
    if (length < 0) {
      const bytes = this.#string(3);
      return this.#utf8(bytes, 0, bytes.length);
    }
    const at = this.#take(length);
    return this.#utf8(this.#bytes, at, at + length);
  }

  #utf8(bytes: Uint8Array, at: number, end: number): string {
    if (end - at > SHORT && utf8Decoder) {
      try {
        return utf8Decoder.decode(bytes.subarray(at, end));
      } catch {
        throw this.#bad("a text is not UTF-8");
      }
    }
    let text = "";
    while (at < end) {
      const first = bytes[at++] as number;
      if (first < 0x80) {
        text += String.fromCharCode(first);
        continue;
      }
      const more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
      let point = first & (0x3f >> more);
      let good = first >= 0xc2 && first <= 0xf4 && at + more <= end;
      for (let i = 0; good && i < more; i += 1) {
        const next = bytes[at++] as number;
        good = next >> 6 === 2;
        point = (point << 6) | (next & 0x3f);
      }
      // Each point in its shortest form, and neither a surrogate nor past the last one.
      if (!good || point < (more === 1 ? 0x80 : more === 2 ? 0x800 : 0x10000) || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        throw this.#bad("a text is not UTF-8");
      }
      text += String.fromCodePoint(point);
    }
    return text;
  }

  /** A key of a map. */
  #key(): string {
    this.#expect(3, "a key of a map is not a text");
    const length = this.#argument;
    if (length < 0 || length > LONGEST_KEY) return this.#text();
    const bytes = this.#bytes;
    const at = this.#take(length);
    let hash = length;
    for (let i = 0; i < length; i += 1) hash = (Math.imul(hash, 31) + (bytes[at + i] as number)) | 0;
    const slot = hash & (KEYS - 1);
    const known = keyBytes[slot];
    if (known?.length === length) {
      let i = 0;
      while (i < length && known[i] === bytes[at + i]) i += 1;
      if (i === length) return keyTexts[slot] as string;
    }
    const text = this.#utf8(bytes, at, at + length);
    keyBytes[slot] = bytes.slice(at, at + length);
    keyTexts[slot] = text;
    return text;
  }

  /** Whether a container with `count` elements read so far is at its end. */
  #ended(length: number, count: number): boolean {
    return length < 0 ? this.#atBreak() : count === length;
  }

  /** The length of a container whose head was taken; it opens a level. */
  #open(): number {
    if (this.#depth === LIMITS.MAX_DEPTH) throw tooDeep(pathOf(this.#steps));
    this.#depth += 1;
    // Each element takes a byte at least.
    if (this.#argument > this.#end - this.#at) throw this.#bad("the value is cut short");
    return this.#argument;
  }

  #list(): unknown[] {
    const length = this.#open();
    const items: unknown[] = [];
    const steps = this.#steps;
    while (!this.#ended(length, items.length)) {
      steps.push(items.length);
      items.push(this.value());
      steps.pop();
    }
    this.#depth -= 1;
    return items;
  }

  #fields(): Fields {
    const length = this.#open();
    const fields: Fields = {};
    const steps = this.#steps;
    for (let count = 0; !this.#ended(length, count); count += 1) {
      const key = this.#key();
      steps.push(key);
      if (Object.hasOwn(fields, key)) throw this.#bad("a key stands twice in a map");
      const value = this.value();
      // An assignment to this key would change the prototype.
      if (key === "__proto__") Object.defineProperty(fields, key, { value, enumerable: true, configurable: true, writable: true });
      else fields[key] = value;
      steps.pop();
    }
    this.#depth -= 1;
    return fields;
  }

  /** The next value. */
  value(): unknown {
    const first = this.#head();
    switch (first >> 5) {
      case 0:
      case 1:
        return this.#integer(first);
      case 2:
        return this.#string(2).slice();
      case 3:
        return this.#text();
      case 4:
        return this.#list();
      case 5:
        return this.#fields();
      case 6:
        return this.#tagged(this.#argument);
      default:
        return this.#simple(first);
    }
  }

  #integer(first: number): number | bigint {
    const argument = this.#argument;
    if (argument < Number.MAX_SAFE_INTEGER) return first < 0x20 ? argument : -1 - argument;
    const wide = this.#view.getBigUint64(this.#at - 8);
    if (first >= 0x20) return ~wide;
    return argument === Number.MAX_SAFE_INTEGER ? argument : wide;
  }

  #simple(first: number): unknown {
    switch (first) {
      case 0xf4:
        return false;
      case 0xf5:
        return true;
      case 0xf6:
        return null;
      case 0xf9: {
        const bits = this.#argument;
        const exponent = (bits >> 10) & 31;
        const mantissa = bits & 1023;
        const size = exponent === 31 ? (mantissa ? NaN : Infinity) : exponent ? (mantissa + 1024) * 2 ** (exponent - 25) : mantissa * 2 ** -24;
        return bits & 0x8000 ? -size : size;
      }
      case 0xfa:
        return this.#view.getFloat32(this.#at - 4);
      case 0xfb:
        return this.#view.getFloat64(this.#at - 8);
      default:
        throw this.#bad(`the simple value ${this.#argument} is unknown`);
    }
  }

  #tagged(tag: number): unknown {
    switch (tag) {
      case 0:
        return this.#moment();
      case 1:
        return this.#epoch();
      case 2:
      case 3:
        return this.#big(tag);
      case 4:
        return this.#decimal();
      case 27:
        return this.#named();
      case 37: {
        this.#expect(2, "a UUID (tag 37) must hold bytes");
        const bytes = this.#string(2);
        if (bytes.length !== 16) throw this.#bad(`a UUID has 16 bytes, not ${bytes.length}`);
        let hex = "";
        for (const byte of bytes) hex += (byte + 256).toString(16).slice(1);
        return new Uuid(hex);
      }
      case 40:
        return this.#shaped();
      case 258: {
        this.#expect(4, "a set (tag 258) must hold an array");
        return new Set(this.#list());
      }
      case 1002:
        return this.#duration();
      case 1004: {
        this.#expect(3, "a date (tag 1004) must hold a text");
        const text = this.#text();
        try {
          return new CalendarDate(text);
        } catch {
          throw this.#bad(`${JSON.stringify(text.slice(0, 40))} is not an RFC 3339 date`);
        }
      }
      default: {
        const data = this.#elements(tag);
        return tag === 64 ? new NdArray([data.length], data) : data;
      }
    }
  }

  #moment(): Date {
    this.#expect(3, "a date and time (tag 0) must hold a text");
    const text = this.#text();
    const match = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/.exec(text);
    let time = NaN;
    if (match) {
      const part = (index: number): number => Number(match[index] ?? 0);
      const [hour, minute, second, hours, minutes] = [part(4), part(5), part(6), part(9), part(10)];
      if (hour < 24 && minute < 60 && second < 60 && hours < 24 && minutes < 60) {
        const offset = (hours * 60 + minutes) * (match[8] === "-" ? -1 : 1);
        const millis = Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
        time = moment(part(1), part(2), part(3)) + ((hour * 60 + minute - offset) * 60 + second) * 1000 + millis;
      }
    }
    if (!(time >= FIRST_MOMENT && time <= LAST_MOMENT)) throw this.#bad(`${JSON.stringify(text.slice(0, 40))} is not an RFC 3339 date and time`);
    return new Date(time);
  }

  #epoch(): Date {
    const first = this.#head();
    const seconds = first < 0x40 ? this.#integer(first) : first >= 0xe0 ? this.#simple(first) : NaN;
    const time = typeof seconds === "number" ? Math.floor(Math.round(seconds * 1e6) / 1e3) : NaN;
    if (!(time >= FIRST_MOMENT && time <= LAST_MOMENT)) {
      throw this.#bad("a time (tag 1) must be a number of seconds from year 0000 to year 9999");
    }
    return new Date(time);
  }

  #big(tag: number): number | bigint {
    this.#expect(2, "an integer (tag 2 or 3) must hold bytes");
    const bytes = this.#string(2);
    let from = 0;
    while (bytes[from] === 0) from += 1;
    const size = bytes.length - from;
    if (size > LIMITS.MAX_INTEGER) throw tooLarge(size, pathOf(this.#steps));
    let hex = "0x0";
    for (let i = from; i < bytes.length; i += 1) hex += ((bytes[i] as number) + 256).toString(16).slice(1);
    const magnitude = BigInt(hex);
    const integer = tag === 3 ? ~magnitude : magnitude;
    return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
  }

  #int(what: string): number | bigint {
    const first = this.#head();
    if (first >= 0x40) throw this.#bad(`${what} must be an integer`);
    return this.#integer(first);
  }

  /** Runs `read` inside an array of `count` elements. */
  #tuple<T>(count: number, what: string, read: () => T): T {
    this.#expect(4, `${what} must hold an array`);
    const length = this.#argument;
    if (length >= 0 && length !== count) throw this.#bad(`${what} must hold an array of ${count}`);
    const result = read();
    if (length < 0 && !this.#atBreak()) throw this.#bad(`${what} holds too many elements`);
    return result;
  }

  #decimal(): Decimal {
    return this.#tuple(2, "a decimal (tag 4)", () => {
      const exponent = this.#int("the exponent of a decimal");
      if (typeof exponent !== "number") throw this.#bad("the exponent of a decimal is past 2^53");
      const first = this.#head();
      const tag = this.#argument;
      if (first < 0x40) return new Decimal(BigInt(this.#integer(first)), exponent);
      if (first >> 5 !== 6 || (tag !== 2 && tag !== 3)) throw this.#bad("the mantissa of a decimal must be an integer");
      return new Decimal(BigInt(this.#big(tag)), exponent);
    });
  }

  #duration(): Duration {
    const wrong = "a duration (tag 1002) must be {1: seconds} or {1: seconds, -6: microseconds}";
    this.#expect(5, wrong);
    const length = this.#argument;
    const parts = new Map<number | bigint, bigint>();
    for (let count = 0; !this.#ended(length, count); count += 1) {
      const key = this.#int("a key of a duration");
      if ((key !== 1 && key !== -6) || parts.has(key)) throw this.#bad(wrong);
      parts.set(key, BigInt(this.#int("a part of a duration")));
    }
    const seconds = parts.get(1);
    const micros = parts.get(-6) ?? 0n;
    if (seconds === undefined) throw this.#bad(wrong);
    if (micros < 0n || micros > 999999n) throw this.#bad("the microseconds of a duration must be from 0 to 999999");
    const total = seconds * 1000000n + micros;
    if (BigInt.asIntN(64, total) !== total) throw this.#bad("a duration is past 64 bits of microseconds");
    return new Duration(total);
  }

  /** A typed array whose tag was taken. */
  #elements(tag: number): TypedArray {
    // In big-endian order the tags lie four lower, and there is none for single bytes.
    const bigEndian = (tag >= 65 && tag <= 67) || (tag >= 73 && tag <= 75) || tag === 81 || tag === 82;
    const kind = ARRAYS.get(bigEndian ? tag + 4 : tag);
    if (!kind) throw this.#bad(`the tag ${tag} is unknown`);
    this.#expect(2, "a typed array must hold bytes");
    const bytes = this.#string(2);
    const size = kind.BYTES_PER_ELEMENT;
    if (bytes.length % size !== 0) throw this.#bad(`the ${bytes.length} bytes of a typed array are not a multiple of ${size}`);
    return new kind(littleEndian(bytes, size, bigEndian !== BIG_ENDIAN_HOST).buffer);
  }

  #shaped(): TypedArray | NdArray {
    return this.#tuple(2, "an n-dimensional array (tag 40)", () => {
      this.#expect(4, "the shape of an array must hold an array");
      const length = this.#argument;
      const shape: number[] = [];
      while (!this.#ended(length, shape.length)) {
        this.#expect(0, "the length of a dimension must be a whole number");
        if (shape.length === LIMITS.MAX_DEPTH) throw this.#bad(`an array has more than ${LIMITS.MAX_DEPTH} dimensions`);
        shape.push(this.#argument);
      }
      this.#expect(6, "the elements of an n-dimensional array must be a typed array");
      const tag = this.#argument;
      const data = this.#elements(tag);
      if (shape.reduce((product, length) => product * length, 1) !== data.length) {
        throw this.#bad(`an array of shape [${shape.join(", ")}] does not have ${data.length} elements`);
      }
      return shape.length === 1 && tag !== 64 ? data : new NdArray(shape, data);
    });
  }

  /** Tag 27: what Emerge adds, by name. */
  #named(): unknown {
    const wrong = "a named value (tag 27)";
    this.#expect(4, `${wrong} must hold an array`);
    const length = this.#argument;
    this.#expect(3, `the name of ${wrong} must be a text`);
    const name = this.#text();
    const needs = name === "emerge/ref" ? 2 : name === "emerge/object" ? 3 : 0;
    if (!needs) throw this.#bad(`the name ${JSON.stringify(name.slice(0, 40))} of ${wrong} is unknown`);
    if (length >= 0 && length !== needs) throw this.#bad(`${name} must have ${needs} elements`);
    let result: unknown;
    if (needs === 2) {
      this.#expect(3, "a reference must be a text");
      result = new Ref(this.#text());
    } else {
      this.#expect(2, "the class of an object must be bytes");
      const hash = this.#string(2).slice();
      if (hash.length !== 16) throw this.#bad(`the class of an object has 16 bytes, not ${hash.length}`);
      this.#expect(5, "the fields of an object must be a map");
      const fields = this.#fields();
      result = this.#hooks.cborToObject ? this.#hooks.cborToObject(hash, fields) : new EmbeddedObject(hash, fields);
    }
    if (length < 0 && !this.#atBreak()) throw this.#bad(`${wrong} holds too many elements`);
    return result;
  }
}

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
