// Writing values as CBOR.

import { type EmergeError, errorOf } from "../error.js";
import { LIMITS } from "../generated.js";
import { ARRAYS, BIG_ENDIAN_HOST, FIRST_MOMENT, LAST_MOMENT, littleEndian, NO_HOOKS, pathOf, type Step, tooDeep, tooLarge } from "./shared.js";
import {
  CalendarDate, type CodecHooks, Decimal, Duration, EmbeddedObject, type Fields, Float64, NdArray, Ref, Table, type TypedArray, Uuid,
} from "./types.js";

// Strings are short more often than not, and then calling out costs more; the sandbox has no TextEncoder at all.
const SHORT = 40;
const { TextEncoder: Utf8Encoder } = globalThis as { TextEncoder?: new () => { encode(text: string): Uint8Array } };
const utf8Encoder = Utf8Encoder && new Utf8Encoder();

/** Whether a prototype is that of plain objects, of whichever realm. */
function isPlain(prototype: unknown): boolean {
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, "hasOwnProperty");
}

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
      // Not the value's own `constructor`, which may be a field or do anything.
      const kind = (prototype as { constructor?: { name?: string } }).constructor?.name;
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
    } else if (value instanceof Table) {
      this.#table(value);
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

  #table({ columns, rows }: Table): void {
    this.head(6, 27);
    this.head(4, 3);
    this.text("emerge/table");
    this.head(4, columns.length);
    for (const column of columns) this.text(column);
    this.#inside("rows", rows);
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
