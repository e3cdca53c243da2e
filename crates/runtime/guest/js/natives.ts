// What the guest's Rust side gives (`src/natives.rs`).

/** The functions of the guest's Rust side. */
export interface Natives {
  /** Runs an operation on the node: a 0 and the reply, or a 1 and an error. */
  request(op: Uint8Array): Uint8Array;
  /** The parts that a class is made of (`load` in `classes.ts`), by the operation that gives its record: a 0 and these, or a 1 and an error. */
  classParts(op: Uint8Array): Uint8Array;
  /** Adds a line to the call's log. */
  log(line: string): void;
  /** Evaluates a script in strict mode; errors name `file`. */
  evaluate(source: string, file: string): unknown;
  /** Parses a module and does not run it. */
  parse(source: string, file: string): void;
  /** Evaluates a module that may import `emerge-client`. */
  module(source: string, file: string): { namespace: Record<string, unknown>; done: Promise<unknown> };
  /** UTF-8 of a well-formed text. */
  encodeText(text: string): Uint8Array;
  /** The text of UTF-8; with `fatal` a `TypeError` when it is none. */
  decodeText(bytes: Uint8Array, fatal: boolean): string;
  /** The value of some bytes; `undefined` when it is not of the plain kinds (`src/values.rs`). */
  decode(bytes: Uint8Array): unknown;
  /** Gives an object without fields those of an encoded map, and gives their values; `undefined` when one is not plain. */
  decodeFields(object: object, state: Uint8Array): unknown[] | undefined;
  /** The encoding of a value; `undefined` when it is not plain. */
  encode(value: unknown): Uint8Array | undefined;
  /**
   * An object's fields as an encoded map, none when they are those from before; `undefined` when one is not plain. Fields that did not change keep their
   * bytes. `kinds` are the declared types by name.
   */
  encodeFields(object: object, before: Uint8Array, values: unknown[], kinds: object): Uint8Array | undefined;
  /** A number in [0, 1) from the call's seed. */
  random(): number;
}

/** Set once, before anything else runs. */
export let natives: Natives;

export function setNatives(given: Natives): void {
  natives = given;
}
