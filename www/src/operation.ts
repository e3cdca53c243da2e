// Operations as they lie on the wire: `[number, [argument, …]]`. Each is declared with its parameters, which check what they are given as
// they write it.

import { check, FLAG, type Kind, oneOf, PERMS, TEXT, TEXTS, WHICH, type Which, WHOLE } from "./arguments.js";
import { Encoder } from "./codec.js";

// One encoder serves all operations: nothing here is re-entrant, and `take` copies.
const out = new Encoder();

const UNSIGNED = 0, ARRAY = 4;

/** A parameter. An argument that is `undefined` is absent: at the end it is left out, elsewhere it is null. */
export interface Param<T> {
  /** Writes an argument, or throws `bad_argument`. */
  readonly write: (value: T) => void;
  readonly isOptional: boolean;
}

/** The parameters for arguments of some types. */
type Params<A extends unknown[]> = { readonly [K in keyof A]: Param<A[K]> };

function param<T>(kind: Kind<T>, name: string, write: (value: T) => void): Param<T> {
  return {
    write: (value) => {
      check(kind, value, name);
      write(value);
    },
    isOptional: false,
  };
}

/** A parameter that may be absent. */
export function optional<T>({ write }: Param<T>): Param<T | undefined> {
  return {
    write: (value) => {
      if (value === undefined) out.value(null);
      else write(value);
    },
    isOptional: true,
  };
}

export function text(name: string): Param<string> {
  return param(TEXT, name, (value) => out.text(value));
}

/** Also -0, which as a value is a float. */
function writeWhole(value: number): void {
  out.head(UNSIGNED, value);
}

export function whole(name: string): Param<number> {
  return param(WHOLE, name, writeWhole);
}

/** Is false when it is absent. */
export function flag(name: string): Param<boolean | undefined> {
  return {
    write: (value = false) => {
      check(FLAG, value, name);
      out.value(value);
    },
    isOptional: false,
  };
}

export function texts(name: string): Param<readonly string[]> {
  return param(TEXTS, name, (values) => {
    out.head(ARRAY, values.length);
    for (const value of values) out.text(value);
  });
}

export function which(name: string): Param<Which> {
  return param(WHICH, name, (version) => {
    if (typeof version === "number") {
      writeWhole(version);
      return;
    }
    out.head(ARRAY, 1);
    out.number(version.getTime() * 1000 + 999);
  });
}

export function perms(name: string): Param<string | number> {
  return param(PERMS, name, (perms) => out.text(typeof perms === "number" ? perms.toString(8).padStart(3, "0") : perms));
}

/** One of some names, which stand for numbers. */
export function named<N extends Readonly<Record<string, number>>>(name: string, numbers: N): Param<keyof N & string> {
  return param(oneOf(Object.keys(numbers) as (keyof N & string)[]), name, (value) => out.number(numbers[value] ?? 0));
}

/** A parameter whose argument is checked already, or made here. */
function made<T>(write: (value: T) => void): Param<T> {
  return { write, isOptional: false };
}

/** Bytes, such as an encoded value. */
export const BYTES = made<Uint8Array>((bytes) => out.bytes(bytes));
/** An encoded item, which stands for itself. */
export const ITEM = made<Uint8Array>((item) => out.raw(item));
/** A number of the protocol's. */
export const NUMBER = made<number>((number) => out.number(number));
/** What this client never gives. */
export const NEVER = optional<never>(made(() => undefined));

/** A list. */
export function listOf<T>({ write }: Param<T>): Param<readonly T[]> {
  return made((values) => {
    out.head(ARRAY, values.length);
    for (const value of values) write(value);
  });
}

/** A record, its members by position. */
export function members<A extends unknown[]>(...params: Params<A>): Param<Readonly<A>> {
  const all = params as readonly Param<unknown>[];
  return made((values) => {
    let count = all.length;
    while (count > 0 && all[count - 1]?.isOptional === true && values[count - 1] === undefined) count -= 1;
    out.head(ARRAY, count);
    for (let i = 0; i < count; i += 1) all[i]?.write(values[i]);
  });
}

/** The encoding of one item. */
export function encoded<T>({ write }: Param<T>): (value: T) => Uint8Array {
  return (value) => {
    // What an operation that failed half-way left behind is dropped.
    out.take();
    write(value);
    return out.take();
  };
}

/** An operation. */
export function operation<A extends unknown[]>(number: number, ...params: Params<A>): (...values: A) => Uint8Array {
  const { write } = members(...params);
  return (...values) => {
    out.take();
    out.head(ARRAY, 2);
    out.number(number);
    write(values);
    return out.take();
  };
}
