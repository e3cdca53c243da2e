// Declared types of fields. The declared type decides where JavaScript cannot: `3` in a `float` field is a float.

import type { CalendarDate, Decimal, Duration, NdArray, Ref, TypedArray, Uuid } from "./codec.js";
import { errorOf } from "./error.js";
import { FIELD_TYPE_NAMES } from "./generated.js";

/** The declared types, in the order of their numbers on the wire. */
export const FIELD_KINDS = FIELD_TYPE_NAMES;

/** The name of a declared type. */
export type FieldKind = (typeof FIELD_KINDS)[number];

/** A field's declared type, its default and one sentence on what it means; made by {@link float}, {@link text} … */
export class Field<T = unknown> {
  readonly kind: FieldKind;
  readonly default: T;
  readonly doc: string | undefined;

  constructor(kind: FieldKind, value: T, doc?: string) {
    this.kind = kind;
    this.default = value;
    this.doc = doc;
  }
}

/** What a class declares as its `static fields`. */
export type Fields = Readonly<Record<string, Field>>;

/** The types of the fields that a class declares: `interface Point extends FieldsOf<typeof Point.fields> {}`. */
export type FieldsOf<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : unknown };

/** A field of any type. */
export function any(value: unknown = null, doc?: string): Field {
  return new Field("any", value, doc);
}

/** A field that is true or false. */
export function bool(value: boolean | null = false, doc?: string): Field<boolean> {
  return new Field("bool", value as boolean, doc);
}

/** A whole number of any size: a `number` when safe, else a `bigint`. */
export function int(value: number | bigint | null = 0, doc?: string): Field<number> {
  return new Field("int", value as number, doc);
}

/** A floating-point number of 64 bits; stays one when it is whole. */
export function float(value: number | null = 0, doc?: string): Field<number> {
  return new Field("float", value as number, doc);
}

/** A text. */
export function text(value: string | null = "", doc?: string): Field<string> {
  return new Field("text", value as string, doc);
}

/** Bytes, as a `Uint8Array`. */
export function bytes(value: Uint8Array | null = null, doc?: string): Field<Uint8Array> {
  return new Field("bytes", value as Uint8Array, doc);
}

/** A list; each object gets a copy of the default. */
export function list<T = unknown>(value: T[] | null = [], doc?: string): Field<T[]> {
  return new Field("list", value as T[], doc);
}

/** A map with text keys, as a plain object or a `Map`; each object gets a copy of the default. */
export function map<T = unknown>(value: Record<string, T> | null = {}, doc?: string): Field<Record<string, T>> {
  return new Field("map", value as Record<string, T>, doc);
}

/** A `Set`; each object gets a copy of the default. */
export function set<T = unknown>(value: Set<T> | readonly T[] | null = [], doc?: string): Field<Set<T>> {
  return new Field("set", (Array.isArray(value) ? new Set<T>(value) : value) as Set<T>, doc);
}

/** A moment, as a `Date`. */
export function datetime(value: Date | null = null, doc?: string): Field<Date> {
  return new Field("datetime", value as Date, doc);
}

/** A day of the calendar; a text such as `2024-02-29` is taken too. */
export function date(value: CalendarDate | string | null = null, doc?: string): Field<CalendarDate> {
  return new Field("date", value as CalendarDate, doc);
}

/** A UUID; a text is taken too. */
export function uuid(value: Uuid | string | null = null, doc?: string): Field<Uuid> {
  return new Field("uuid", value as Uuid, doc);
}

/** A decimal number; a text such as `1.50` is taken too. */
export function decimal(value: Decimal | string | null = null, doc?: string): Field<Decimal> {
  return new Field("decimal", value as Decimal, doc);
}

/** A length of time. */
export function duration(value: Duration | null = null, doc?: string): Field<Duration> {
  return new Field("duration", value as Duration, doc);
}

/** A typed array of one or more dimensions. */
export function array<T extends TypedArray | NdArray = TypedArray | NdArray>(value: T | null = null, doc?: string): Field<T> {
  return new Field("array", value as T, doc);
}

/** A reference to another object; its path as a text is taken too. */
export function ref(value: Ref | string | null = null, doc?: string): Field<Ref> {
  return new Field("ref", value as Ref, doc);
}

/** An object inside this one. */
export function object<T = unknown>(value: T | null = null, doc?: string): Field<T> {
  return new Field("object", value as T, doc);
}

/** The number of a declared type on the wire. */
export function kindNumber(kind: FieldKind): number {
  return FIELD_KINDS.indexOf(kind);
}

/** The declared type with a number of the wire; one that this client does not know yet is `any`. */
export function kindOf(number: number): FieldKind {
  return FIELD_KINDS[number] ?? "any";
}

/** The type of an encoded value, by its first bytes. `null` has none: it fits every field. */
export function kindOfEncoded(value: Uint8Array): FieldKind | null {
  const first = value[0] ?? 0xf6;
  switch (first >> 5) {
    case 0:
    case 1:
      return "int";
    case 2:
      return "bytes";
    case 3:
      return "text";
    case 4:
      return "list";
    case 5:
      return "map";
    case 6:
      return kindOfTag(value);
    default:
      return first === 0xf6 ? null : first < 0xf6 ? "bool" : "float";
  }
}

function kindOfTag(value: Uint8Array): FieldKind {
  const [first = 0, second = 0, third = 0] = value;
  const short = first & 31;
  const tag = short < 24 ? short : short === 24 ? second : (second << 8) | third;
  switch (tag) {
    case 0:
    case 1:
      return "datetime";
    case 2:
    case 3:
      return "int";
    case 4:
      return "decimal";
    case 37:
      return "uuid";
    case 258:
      return "set";
    case 1002:
      return "duration";
    case 1004:
      return "date";
    case 27: {
      // `27(["emerge/ref", …])` or `27(["emerge/object", …])`: the first letter that differs. A table has no type of its own.
      const letter = value[2 + 1 + 1 + "emerge/".length];
      return letter === "r".charCodeAt(0) ? "ref" : letter === "t".charCodeAt(0) ? "any" : "object";
    }
    default:
      return tag === 40 || (tag >= 64 && tag <= 87) ? "array" : "any";
  }
}

/** An error when an encoded value is not of its field's declared type. */
export function checkKind(kind: FieldKind, value: Uint8Array, field: string): void {
  const actual = kindOfEncoded(value);
  if (kind === "any" || actual === null || actual === kind) return;
  // What a reference leads to is what the field's reader gets.
  if (kind === "object" && actual === "ref") return;
  throw errorOf("bad_argument", `the field ${JSON.stringify(field)} is declared ${kind} and was given ${actual}`, {
    field,
  });
}
