// What operations may be given: the kinds of their arguments and options. An operation's arguments are declared with their kinds where they
// are written (`operation.ts`), its options where they are listed (`options.ts`); nothing that was not checked gets to the wire.

import { type EmergeError, errorOf } from "./error.js";

/** A kind of argument. */
export interface Kind<T> {
  /** What it is, for the error. */
  readonly what: string;
  readonly fits: (value: unknown) => value is T;
}

function kind<T>(what: string, fits: (value: unknown) => boolean): Kind<T> {
  return { what, fits: fits as (value: unknown) => value is T };
}

function isNoMoment(value: object): boolean {
  return value instanceof Date && !Number.isFinite(value.getTime());
}

/** A value in few words; asks nothing of the value itself, which may refuse to be a text. */
function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length > 40 ? "a long text" : JSON.stringify(value);
    case "object":
      return value === null ? "null" : Array.isArray(value) ? "an array" : isNoMoment(value) ? "an invalid Date" : "an object";
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    default:
      return String(value);
  }
}

/** The error of an argument that is not what it must be. */
export function wrong(name: string, what: string, value: unknown): EmergeError {
  return errorOf("bad_argument", `the ${name} must be ${what}, not ${shown(value)}`, { field: name });
}

/** An error when an argument is not of its kind. */
export function check<T>(kind: Kind<T>, value: unknown, name: string): asserts value is T {
  if (!kind.fits(value)) throw wrong(name, kind.what, value);
}

function isWhole(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export const ANY = kind<unknown>("anything", () => true);
export const TEXT = kind<string>("a text", (value) => typeof value === "string");
export const FLAG = kind<boolean>("true or false", (value) => typeof value === "boolean");
export const WHOLE = kind<number>("a whole number", isWhole);
/** How many at most; all of them is a number too. */
export const AT_MOST = kind<number>("a whole number or Infinity", (value) => isWhole(value) || value === Infinity);
export const LIST = kind<readonly unknown[]>("an array", Array.isArray);
export const TEXTS = kind<readonly string[]>("an array of texts", (value) => {
  if (!Array.isArray(value)) return false;
  // Not by `every`, which passes over holes.
  for (const each of value) if (typeof each !== "string") return false;
  return true;
});
/** Permissions as text, or a number as `0o750` writes it. */
export const PERMS = kind<string | number>("a text or a whole number", (value) => typeof value === "string" || isWhole(value));
/**
 * Which version of an object: its number, or a moment at which it was current. A `Date` knows no microseconds, as the times of versions
 * do: it means the end of its millisecond, so that the time of a version means that version.
 */
export type Which = number | Date;
export const WHICH = kind<Which>(
  "a version's number or a moment",
  (value) => (value instanceof Date ? Number.isSafeInteger(value.getTime() * 1000) : isWhole(value)),
);
export const MOMENT = kind<Date>("a moment", (value) => value instanceof Date && Number.isSafeInteger(value.getTime() * 1000));
/** A plain object, as of options, of aggregates or of arguments by name. */
export const RECORD = kind<Record<string, unknown>>("an object", (value) => typeof value === "object" && value !== null && !Array.isArray(value));
// What it takes is the business of who calls it.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export const FUNCTION = kind<(...args: any[]) => unknown>("a function", (value) => typeof value === "function");
export const CLASS = kind<abstract new (...args: never[]) => unknown>("a class", (value) => typeof value === "function");
export const CLASS_OR_NAME = kind<(abstract new (...args: never[]) => unknown) | string>(
  "a class or its name",
  (value) => typeof value === "function" || typeof value === "string",
);
/** A page's `location` is one too. */
export const URL_OR_TEXT = kind<string | URL>(
  "a URL or a text",
  (value) => typeof value === "string" || (typeof value === "object" && value !== null && "href" in value),
);
/** Told by what is done with it: the sandbox has no AbortSignal, and there may be several. */
export const SIGNAL = kind<AbortSignal>(
  "an AbortSignal",
  (value) =>
    typeof value === "object" && value !== null && "aborted" in value &&
    typeof (value as Partial<AbortSignal>).addEventListener === "function" &&
    typeof (value as Partial<AbortSignal>).removeEventListener === "function",
);
export const TIMEOUT = kind<number>("a number of milliseconds that is more than 0", (value) => typeof value === "number" && value > 0);

/** One of some names. */
export function oneOf<T extends string>(names: readonly T[]): Kind<T> {
  return kind(`one of ${names.join(", ")}`, (value) => names.some((name) => name === value));
}
