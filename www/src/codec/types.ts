// The values that JavaScript has no type of its own for.

import { errorOf } from "../error.js";

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

/** Columns and rows, as many values in each row as there are columns: the result of a query, for example. */
export class Table {
  constructor(
    readonly columns: readonly string[],
    readonly rows: readonly (readonly unknown[])[],
  ) {
    if (new Set(columns).size !== columns.length) throw errorOf("bad_argument", "a column stands twice in a table");
    const odd = rows.findIndex((row) => row.length !== columns.length);
    if (odd >= 0) {
      const why = `a table of ${columns.length} columns has ${(rows[odd] ?? []).length} values in row ${odd}`;
      throw errorOf("bad_argument", why, { field: `rows[${odd}]` });
    }
  }
  /** The values of one column. */
  column(name: string): unknown[] {
    const at = this.columns.indexOf(name);
    if (at < 0) throw errorOf("bad_argument", `the table has no column ${JSON.stringify(name)}; it has ${this.columns.join(", ")}`, { field: name });
    return this.rows.map((row) => row[at]);
  }
  /** Each row as an object of its values by the names of their columns. */
  records(): Fields[] {
    return this.rows.map((row) => Object.fromEntries(this.columns.map((name, at) => [name, row[at]])));
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
export function moment(year: number, month: number, day: number): number {
  // `Date.UTC` takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0);
  const time = date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? time : NaN;
}
