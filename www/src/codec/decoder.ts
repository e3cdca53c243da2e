// Reading values from CBOR.

import { type EmergeError, errorOf } from "../error.js";
import { LIMITS } from "../generated.js";
import { ARRAYS, BIG_ENDIAN_HOST, FIRST_MOMENT, LAST_MOMENT, littleEndian, NO_HOOKS, pathOf, type Step, tooDeep, tooLarge } from "./shared.js";
import { CalendarDate, type CodecHooks, Decimal, Duration, EmbeddedObject, type Fields, moment, NdArray, Ref, Table, type TypedArray, Uuid } from "./types.js";

// Strings are short more often than not, and then calling out costs more, most of all in a page that was idle; the sandbox has no TextDecoder at all.
const SHORT = 128;
interface Utf8 {
  TextDecoder?: new (label: string, options: object) => { decode(bytes: Uint8Array): string };
}
const { TextDecoder: Utf8Decoder } = globalThis as Utf8;
const utf8Decoder = Utf8Decoder && new Utf8Decoder("utf-8", { fatal: true, ignoreBOM: true });

// The keys of maps come again and again: each is made once. The table has one place for each hash.
const KEYS = 1024;
const LONGEST_KEY = 32;
const keyBytes: (Uint8Array | undefined)[] = Array.from({ length: KEYS });
const keyTexts: string[] = [];
/** The place of the key that came after this one last time: objects of a class have the same keys in the same order. */
const keyAfter = new Uint16Array(KEYS + 1);

/** Floats are turned around here: the wire has them big-endian. */
const floatBytes = new Uint8Array(8);
const float64 = new Float64Array(floatBytes.buffer);

/** An assignment to this key would change the prototype. */
const PROTO: ReadonlySet<string> = new Set(["__proto__"]);

/** Whether the key at this place is the one that these bytes spell. */
function isKey(place: number, bytes: Uint8Array, at: number, length: number): boolean {
  const known = keyBytes[place];
  if (known?.length !== length) return false;
  for (let i = 0; i < length; i += 1) if (known[i] !== bytes[at + i]) return false;
  return true;
}

/** Reads values, one after the other. */
export class Decoder {
  readonly #bytes: Uint8Array;
  #lateView: DataView | undefined;
  readonly #end: number;
  readonly #hooks: CodecHooks;
  readonly #steps: Step[] = [];
  #at: number;
  #depth = 0;
  /** The place of the last key. */
  #keyed = KEYS;
  /** The argument of the last head; -1 when its length is indefinite. */
  #argument = 0;

  constructor(bytes: Uint8Array, hooks: CodecHooks = NO_HOOKS, offset = 0, length = bytes.length - offset) {
    this.#bytes = bytes;
    this.#hooks = hooks;
    this.#at = offset;
    this.#end = offset + length;
    if (!(offset >= 0 && length >= 0 && this.#end <= bytes.length)) throw this.#bad("the offset or the length lies outside the bytes");
  }

  /** Most values are read without it. */
  get #view(): DataView {
    return (this.#lateView ??= new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength));
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
    else if (info === 25) {
      const two = this.#take(2);
      this.#argument = ((this.#bytes[two] as number) << 8) | (this.#bytes[two + 1] as number);
    } else if (info === 26) this.#argument = this.#view.getUint32(this.#take(4));
    // The bytes of a float are no argument.
    else if (first === 0xfb) this.#take(8);
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
    // Plain texts by eights and fours: each concatenation costs more than its letters.
    for (; end - at >= 8; at += 8) {
      const [a, b, c, d] = [bytes[at] as number, bytes[at + 1] as number, bytes[at + 2] as number, bytes[at + 3] as number];
      const [e, f, g, h] = [bytes[at + 4] as number, bytes[at + 5] as number, bytes[at + 6] as number, bytes[at + 7] as number];
      if ((a | b | c | d | e | f | g | h) > 0x7f) break;
      text += String.fromCharCode(a, b, c, d, e, f, g, h);
    }
    for (; end - at >= 4; at += 4) {
      const [a, b, c, d] = [bytes[at] as number, bytes[at + 1] as number, bytes[at + 2] as number, bytes[at + 3] as number];
      if ((a | b | c | d) > 0x7f) break;
      text += String.fromCharCode(a, b, c, d);
    }
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
    const expected = keyAfter[this.#keyed] as number;
    if (isKey(expected, bytes, at, length)) {
      this.#keyed = expected;
      return keyTexts[expected] as string;
    }
    let hash = length;
    for (let i = 0; i < length; i += 1) hash = (Math.imul(hash, 31) + (bytes[at + i] as number)) | 0;
    const place = hash & (KEYS - 1);
    keyAfter[this.#keyed] = place;
    this.#keyed = place;
    if (isKey(place, bytes, at, length)) return keyTexts[place] as string;
    const text = this.#utf8(bytes, at, at + length);
    keyBytes[place] = bytes.slice(at, at + length);
    keyTexts[place] = text;
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

  #fields(fields: Fields = {}, special: ReadonlySet<string> = PROTO): Fields {
    const length = this.#open();
    const steps = this.#steps;
    for (let count = 0; !this.#ended(length, count); count += 1) {
      const key = this.#key();
      steps.push(key);
      if (Object.hasOwn(fields, key)) throw this.#bad("a key stands twice in a map");
      const value = this.value();
      if (special.has(key)) Object.defineProperty(fields, key, { value, enumerable: true, configurable: true, writable: true });
      else fields[key] = value;
      steps.pop();
    }
    this.#depth -= 1;
    return fields;
  }

  /** The next value, which must be a map: its fields become those of `target`. Those in `special` are not assigned but defined. */
  into(target: object, special: ReadonlySet<string>): void {
    this.#expect(5, "a map is needed");
    this.#fields(target as Fields, special);
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
      case 0xfb: {
        const at = this.#at - 8;
        for (let i = 0; i < 8; i += 1) floatBytes[BIG_ENDIAN_HOST ? i : 7 - i] = this.#bytes[at + i] as number;
        return float64[0];
      }
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

  #table(): Table {
    this.#expect(4, "the columns of a table must be a list");
    const length = this.#argument;
    const columns: string[] = [];
    while (!this.#ended(length, columns.length)) {
      this.#expect(3, "the name of a column must be a text");
      columns.push(this.#text());
    }
    if (new Set(columns).size !== columns.length) throw this.#bad("a column stands twice in a table");
    const at = this.#at;
    this.#expect(4, "the rows of a table must be a list");
    this.#at = at;
    const rows = this.value() as unknown[];
    for (const row of rows) {
      if (!Array.isArray(row)) throw this.#bad("a row of a table must be a list");
      if (row.length !== columns.length) throw this.#bad(`a row has ${row.length} values, and the table ${columns.length} columns`);
    }
    return new Table(columns, rows as unknown[][]);
  }

  /** Tag 27: what Emerge adds, by name. */
  #named(): unknown {
    const wrong = "a named value (tag 27)";
    this.#expect(4, `${wrong} must hold an array`);
    const length = this.#argument;
    this.#expect(3, `the name of ${wrong} must be a text`);
    const name = this.#text();
    const needs = name === "emerge/ref" ? 2 : name === "emerge/object" || name === "emerge/table" ? 3 : 0;
    if (!needs) throw this.#bad(`the name ${JSON.stringify(name.slice(0, 40))} of ${wrong} is unknown`);
    if (length >= 0 && length !== needs) throw this.#bad(`${name} must have ${needs} elements`);
    let result: unknown;
    if (needs === 2) {
      this.#expect(3, "a reference must be a text");
      result = new Ref(this.#text());
    } else if (name === "emerge/table") {
      result = this.#table();
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
