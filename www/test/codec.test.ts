// The JavaScript codec against the vectors that every implementation reads.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  CalendarDate, type CodecHooks, decode, Decimal, Duration, EmbeddedObject, encode, Encoder, Float64, NdArray, Ref, Table, type TypedArray, Uuid,
} from "../src/codec.js";
import { EmergeError } from "../src/error.js";
import { LIMITS, OP, STAT, type Stat } from "../src/generated.js";

interface Case {
  name: string;
  hex: string;
  json: unknown;
  code: string;
  field?: string;
  /** Another encoder's form: read, but not what is written. */
  read_only?: boolean;
  /** What JavaScript cannot hold exactly. */
  js?: "lossy";
  record?: string;
}

const folder = join(process.env["WWW"] ?? ".", "../crates/proto/vectors");
const load = (name: string): Case[] => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Case[];
const unhex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const base64 = (view: ArrayBufferView): string => Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString("base64");

const DTYPES: [string, abstract new (...args: never[]) => TypedArray][] = [
  ["uint8", Uint8Array], ["uint8c", Uint8ClampedArray], ["uint16", Uint16Array], ["uint32", Uint32Array], ["uint64", BigUint64Array],
  ["int8", Int8Array], ["int16", Int16Array], ["int32", Int32Array], ["int64", BigInt64Array], ["float32", Float32Array], ["float64", Float64Array],
];

function array(shape: readonly number[], data: TypedArray): unknown {
  const dtype = DTYPES.find(([, kind]) => data instanceof kind)?.[0];
  return { $array: { dtype, shape, data: base64(data) } };
}

function entries(fields: object): Record<string, unknown> {
  const out = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(fields)) out[key] = json(value);
  return out;
}

/** The JSON form of a decoded value, as the table of the protocol has it. */
function json(value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) return { $float: String(value) };
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) return value;
  if (typeof value === "bigint") return { $int: String(value) };
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(json);
  if (value instanceof NdArray) return array(value.shape, value.data);
  if (value instanceof Uint8Array) return { $bytes: base64(value) };
  if (ArrayBuffer.isView(value)) return array([(value as TypedArray).length], value as TypedArray);
  if (value instanceof Set) return { $set: [...value].map(json) };
  if (value instanceof Date) return { $datetime: value.toISOString().replace(".000Z", "Z") };
  if (value instanceof CalendarDate) return { $date: String(value) };
  if (value instanceof Uuid) return { $uuid: value.toString() };
  if (value instanceof Decimal) return { $decimal: String(value) };
  if (value instanceof Duration) return { $duration: String(value) };
  if (value instanceof Ref) return { $ref: value.path };
  if (value instanceof Table) return { $table: { columns: value.columns, rows: value.rows.map(json) } };
  if (value instanceof EmbeddedObject) return { $object: { class: hex(value.hash), fields: entries(value.fields) } };
  const map = entries(value);
  return Object.keys(map).some((key) => key.startsWith("$")) ? { $map: map } : map;
}

/** As text: keys in their order, -0 and `__proto__` kept. */
function text(value: unknown): string {
  if (Object.is(value, -0)) return "-0";
  if (Array.isArray(value)) return `[${value.map(text).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${text(inner)}`).join()}}`;
}

function failure(run: () => unknown): EmergeError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof EmergeError, `not a typed error: ${String(error)}`);
    return error;
  }
  assert.fail("it did not fail");
}

void describe("the vectors", () => {
  void it("are read and written", (t) => {
    let written = 0;
    const cases = load("values");
    for (const { name, hex: bytes, json: expected, read_only, js } of cases) {
      const value = decode(unhex(bytes));
      if (js !== "lossy" || !name.startsWith("datetime")) assert.equal(text(json(value)), text(expected), name);
      if (read_only || js === "lossy") continue;
      assert.equal(hex(encode(value)), bytes, name);
      written += 1;
    }
    assert.ok(written >= 120);
    t.diagnostic(`${cases.length} values read, ${written} written`);
  });

  void it("are refused wherever they are cut, and when something follows", () => {
    for (const { name, hex: whole } of load("values")) {
      const bytes = unhex(whole);
      for (let end = 0; end < bytes.length; end += 1) {
        assert.equal(failure(() => decode(bytes.subarray(0, end))).code, "bad_frame", `${name} cut at ${end}`);
      }
      assert.match(failure(() => decode(unhex(`${whole}00`))).message, /1 bytes follow/, name);
    }
  });

  void it("that are bad give their code and field", (t) => {
    const cases = load("bad-values");
    for (const { name, hex: bytes, code, field } of cases) {
      const error = failure(() => decode(unhex(bytes)));
      assert.equal(error.code, code, `${name}: ${error.message}`);
      if (field !== undefined) assert.equal(error.field, field, name);
    }
    t.diagnostic(`${cases.length} bad values refused`);
  });

  void it("of frames and records are values too", (t) => {
    const cases = [...load("frames"), ...load("records")];
    for (const { name, hex: bytes, json: expected, read_only } of cases) {
      const value = decode(unhex(bytes));
      assert.equal(text(json(value)), text(expected), name);
      if (!read_only) assert.equal(hex(encode(value)), bytes, name);
    }
    const stat = decode(unhex(cases.find(({ name }) => name === "stat of an object")?.hex ?? "")) as Stat;
    assert.deepEqual([stat[STAT.name], stat[STAT.class], stat[STAT.perms], stat[STAT.node]], ["SFO", "Airport", 0o750, "node-1"]);
    assert.equal((decode(unhex(load("frames").find(({ name }) => name.startsWith("request: get"))?.hex ?? "")) as [1, [[1, 0, [number]]]])[1][0][2][0], OP.get);
    t.diagnostic(`${cases.length} frames and records`);
  });
});

void describe("what JavaScript cannot tell apart", () => {
  void it("a whole number is an integer unless it is wrapped", () => {
    assert.equal(hex(encode(1)), "01");
    assert.equal(hex(encode(new Float64(1))), "fb3ff0000000000000");
    assert.equal(hex(encode(-0)), "fb8000000000000000");
    assert.equal(hex(encode(2 ** 53)), "fb4340000000000000");
    assert.equal(hex(encode(5n)), "05");
  });

  void it("a UUID is a string that comes back as a UUID", () => {
    const uuid = decode(encode(new Uuid("00112233445566778899AABBCCDDEEFF"))) as Uuid;
    assert.equal(uuid.toString(), "00112233-4455-6677-8899-aabbccddeeff");
    assert.ok((uuid as unknown) == "00112233-4455-6677-8899-aabbccddeeff");
    assert.equal(JSON.stringify({ uuid }), '{"uuid":"00112233-4455-6677-8899-aabbccddeeff"}');
    assert.equal(failure(() => new Uuid("x")).code, "bad_argument");
  });

  void it("undefined is null at the top and dropped at the end of a list", () => {
    assert.equal(hex(encode(undefined)), "f6");
    assert.deepEqual(decode(encode([1, undefined, undefined])), [1]);
    assert.equal(failure(() => encode([undefined, 1])).field, "[0]");
    assert.equal(failure(() => encode({ a: undefined })).field, "a");
  });

  void it("a Map and an object of no prototype are maps", () => {
    assert.deepEqual(decode(encode(new Map([["a", 1]]))), { a: 1 });
    assert.deepEqual(decode(encode(Object.assign(Object.create(null), { a: 1 }))), { a: 1 });
  });

  void it("a key __proto__ changes no prototype", () => {
    const value = decode(unhex("a1695f5f70726f746f5f5fa1617801")) as Record<string, unknown>;
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal((value as { x?: number }).x, undefined);
    assert.deepEqual(Object.keys(value), ["__proto__"]);
  });
});

void describe("what has no mapping", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = [cyclic];
  const deep: unknown[] = [];
  let at = deep;
  for (let level = 0; level < LIMITS.MAX_DEPTH; level += 1) at.push((at = []));
  for (const [name, value, field, code] of [
    ["a function", { a: { b: [1, 2, 3, () => 1] } }, "a.b[3]", "unmappable_value"],
    ["a symbol", [Symbol("x")], "[0]", "unmappable_value"],
    ["a cycle", cyclic, "self[0]", "unmappable_value"],
    ["an instance of a class", { d: new (class Foo {})() }, "d", "unmappable_value"],
    ["a promise", { p: Promise.resolve() }, "p", "unmappable_value"],
    ["an error", { e: new Error("x") }, "e", "unmappable_value"],
    ["a regular expression", { r: /x/ }, "r", "unmappable_value"],
    ["a DataView", { v: new DataView(new ArrayBuffer(1)) }, "v", "unmappable_value"],
    ["an invalid Date", { d: new Date(NaN) }, "d", "unmappable_value"],
    ["a Date past year 9999", { d: new Date(8.64e15) }, "d", "unmappable_value"],
    ["a lone surrogate", { s: "\ud800" }, "s", "unmappable_value"],
    ["a lone surrogate in a long text", { s: `${"x".repeat(100)}\udc00` }, "s", "unmappable_value"],
    ["a Map with a key that is no text", { m: new Map([[1, 2]]) }, "m", "unmappable_value"],
    ["a value too deep", deep, undefined, "too_deep"],
    ["an integer too large", { n: 1n << 32768n }, "n", "too_large"],
  ] as const) {
    void it(`${name} is refused`, () => {
      const error = failure(() => encode(value));
      assert.equal(error.code, code);
      if (field !== undefined) assert.equal(error.field, field);
      // What failed half-way leaves nothing behind.
      assert.equal(hex(encode([1, "a"])), "82016161");
    });
  }

  void it("the same object twice is no cycle", () => {
    const twice = { x: 1 };
    assert.deepEqual(decode(encode([twice, twice])), [twice, twice]);
  });
});

void describe("embedded objects", () => {
  class Point {
    constructor(readonly x: number) {}
  }
  const hash = new Uint8Array(16).fill(7);
  const hooks: CodecHooks = {
    objectToCbor: (value) => (value instanceof Point ? { hash, fields: { x: value.x, nested: encode(1) } } : undefined),
    cborToObject: (class_, fields) => (class_[0] === 7 ? new Point(fields["x"] as number) : new EmbeddedObject(class_, fields)),
  };

  void it("go through the hooks, which may encode themselves", () => {
    assert.deepEqual(decode(encode({ p: new Point(3) }, hooks), hooks), { p: new Point(3) });
  });

  void it("are kept when nobody knows their class", () => {
    const bytes = encode([new Point(3)], hooks);
    assert.equal(hex(encode(decode(bytes))), hex(bytes));
  });

  void it("that hold themselves are a cycle", () => {
    class Ring {
      next = this;
    }
    const ring: CodecHooks = { objectToCbor: (value) => (value instanceof Ring ? { hash, fields: { next: value.next } } : undefined) };
    assert.match(failure(() => encode(new Ring(), ring)).message, /cycle/);
  });
});

void describe("the encoder", () => {
  void it("writes one value after another", () => {
    const encoder = new Encoder();
    encoder.value(1);
    encoder.list(["a"]);
    encoder.raw(new Uint8Array([0xf6]));
    assert.equal(hex(encoder.take()), "01816161f6");
    assert.equal(encoder.take().length, 0);
  });

  void it("never fails otherwise than with a typed error, whatever the bytes", () => {
    // A generator of its own, so that a failure can be repeated.
    let state = 12345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return Math.floor((state / 0x80000000) * below);
    };
    const corpus = load("values").map((entry) => unhex(entry.hex));
    for (let round = 0; round < 20000; round += 1) {
      const bytes = Uint8Array.from(corpus[random(corpus.length)] ?? []);
      for (let flips = random(3); flips >= 0; flips -= 1) bytes[random(bytes.length)] = random(256);
      let value: unknown;
      try {
        value = decode(bytes);
      } catch (error) {
        assert.ok(error instanceof EmergeError, `${hex(bytes)}: ${String(error)}`);
        continue;
      }
      const written = encode(value);
      assert.equal(hex(encode(decode(written))), hex(written), hex(bytes));
    }
  });
});
