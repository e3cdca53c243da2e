import assert from "node:assert/strict";
import { test } from "node:test";
import {
  any, array, bool, bytes, CalendarDate, date, datetime, Decimal, decimal, Duration, duration, EmergeError, EmergeObject,
  type ErrorCode, float, int, list, map, NdArray, object, Ref, ref, set, text, Uuid, uuid,
} from "../src/index.js";
import { classSource, recordOf } from "../src/class.js";
import { decode } from "../src/codec.js";
import { bare, classOf, declarationOf, type EmergeClass } from "../src/object.js";
import { changes, encodeObject } from "../src/state.js";
import { decodeState, decodeValue } from "../src/values.js";
import { InventoryItem, Perishable } from "./classes.js";

const item = InventoryItem as unknown as EmergeClass;

/** What an object becomes on its way to a node and back. */
function travelled<T extends EmergeObject>(from: T): Record<string, unknown> {
  const cls = classOf(from);
  const to = bare(cls);
  decodeState(to, encodeObject(from, cls, new Set()), () => undefined, []);
  return to as unknown as Record<string, unknown>;
}

function fails(code: ErrorCode, names: RegExp, run: () => unknown): EmergeError {
  let error: unknown;
  assert.throws(run, (thrown) => ((error = thrown), true));
  assert.ok(error instanceof EmergeError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, names);
  return error;
}

test("a new object has what was given, and the defaults of its class and those above it", () => {
  const apple = new Perishable({ unitPrice: 2, note: "red" });
  assert.deepEqual({ ...apple }, { unitPrice: 2, quantityOnHand: 0, days: 7, tags: [], note: "red" });
  assert.ok(apple instanceof InventoryItem);
  assert.equal(apple.meta, undefined);
  assert.deepEqual(Object.keys(apple).includes("meta"), false);
});

test("objects share no default", () => {
  const [one, other] = [new Perishable(), new Perishable()];
  one.tags.push("ripe");
  assert.deepEqual(other.tags, []);
});

test("an unknown field is an error that names it and those that there are", () => {
  const error = fails("bad_argument", /no field "price".*unitPrice, quantityOnHand/, () => new InventoryItem({ price: 3 }));
  assert.equal(error.field, "price");
  assert.equal(error.name, "BadArgumentError");
});

test("a class without declared fields takes any", () => {
  class Free extends EmergeObject {}
  assert.deepEqual({ ...new Free({ a: 1, type: "x", name: "y" }) }, { a: 1, type: "x", name: "y" });
});

test("field names that mean something to JavaScript are fields all the same", () => {
  class Free extends EmergeObject {}
  const fields = JSON.parse('{"__proto__": 1, "toString": 2, "hasOwnProperty": 3, "constructor": 4}') as Record<string, unknown>;
  const made = new Free(fields);
  assert.ok(made instanceof Free);
  assert.deepEqual(Object.entries(travelled(made)), Object.entries(fields));
});

test("a float field stays a float, whatever the number", () => {
  const state = encodeObject(new InventoryItem({ unitPrice: 3, quantityOnHand: 3 }), item, new Set());
  // {"unitPrice": 3.0, "quantityOnHand": 3}
  const expected = "a269756e69745072696365fb40080000000000006e7175616e746974794f6e48616e6403";
  assert.equal(Buffer.from(state).toString("hex"), expected);
});

test("a value of another type than declared is an error that names the field and both types", () => {
  const wrong = new InventoryItem({ quantityOnHand: 1.5 });
  const error = fails("bad_argument", /"quantityOnHand" is declared int and was given float/, () =>
    encodeObject(wrong, item, new Set()),
  );
  assert.equal(error.field, "quantityOnHand");
  fails("bad_argument", /"unitPrice" is declared float and was given text/, () =>
    encodeObject(new InventoryItem({ unitPrice: "3" }), item, new Set()),
  );
});

test("every declared type travels and comes back", () => {
  class All extends EmergeObject {
    static override fields = {
      any: any(), bool: bool(), int: int(), float: float(), text: text(), bytes: bytes(), list: list(), map: map(), set: set(),
      datetime: datetime(), date: date(), uuid: uuid(), decimal: decimal(), duration: duration(), array: array(), ref: ref(),
      object: object(),
    };
  }
  const id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
  const full = travelled(
    new All({
      any: "x", bool: true, int: 2n ** 70n, float: 2, text: "é", bytes: new Uint8Array([1, 2]), list: [1, [2]],
      map: { b: 1, a: 2 }, set: new Set([1, "a"]), datetime: new Date("2024-02-29T12:00:00.123Z"), date: "2024-02-29", uuid: id,
      decimal: "1.50", duration: new Duration(90_500_000), array: new Float32Array([1, 2]), ref: "/a/b",
      object: new InventoryItem({ unitPrice: 1 }),
    }),
  );
  assert.equal(full["int"], 2n ** 70n);
  assert.equal(full["float"], 2);
  assert.deepEqual(full["bytes"], new Uint8Array([1, 2]));
  assert.deepEqual(Object.keys(full["map"] as object), ["b", "a"]);
  assert.deepEqual(full["set"], new Set([1, "a"]));
  assert.equal((full["datetime"] as Date).toISOString(), "2024-02-29T12:00:00.123Z");
  assert.ok(full["date"] instanceof CalendarDate);
  assert.ok(full["uuid"] instanceof Uuid);
  assert.equal(String(full["uuid"]), id);
  assert.ok(full["decimal"] instanceof Decimal);
  assert.equal(String(full["decimal"]), "1.50");
  assert.ok(full["duration"] instanceof Duration);
  assert.deepEqual(full["array"], new Float32Array([1, 2]));
  assert.ok(full["ref"] instanceof Ref);
  assert.equal(full["ref"].path, "/a/b");
  const empty = travelled(new All());
  for (const name of ["any", "bytes", "datetime", "date", "uuid", "decimal", "duration", "array", "ref", "object"]) {
    assert.equal(empty[name], null, name);
  }
});

test("a Uint8Array in an array field is an array of bytes, not a byte string", () => {
  class Image extends EmergeObject {
    static override fields = { pixels: array() };
  }
  const pixels = travelled(new Image({ pixels: new Uint8Array([1, 2, 3]) }))["pixels"];
  assert.ok(pixels instanceof NdArray);
  assert.deepEqual(pixels.shape, [3]);
});

test("what has no mapping is an error that names the field's path", () => {
  class Free extends EmergeObject {}
  const cycle: unknown[] = [];
  cycle.push({ again: cycle });
  const element = new (class HTMLDivElement {
    readonly nodeType = 1;
  })();
  const free = Free as unknown as EmergeClass;
  for (const [value, names] of [
    [() => 1, /call.*function/],
    [Symbol("s"), /call.*symbol/i],
    [cycle, /call.*(cycle|itself)/],
    [element, /call.*HTMLDivElement/],
    [new WeakMap(), /call.*WeakMap/],
    [Promise.resolve(), /call.*Promise/],
    [{ deep: [{ f: () => 1 }] }, /call\.deep\[0\]\.f/],
    ["\ud800", /call/],
  ] as const) {
    fails("unmappable_value", names, () => encodeObject(new Free({ call: value }), free, new Set()));
  }
});

test("a field of undefined is refused, and names the field", () => {
  class Free extends EmergeObject {}
  fails("unmappable_value", /gone/, () => encodeObject(new Free({ gone: undefined }), Free, new Set()));
});

test("a class travels as its source with its fields, its doc and its bases", () => {
  const source = classSource(Perishable);
  assert.equal(source.name, "Perishable");
  assert.equal(source.language, 0);
  assert.match(source.source, /^class Perishable extends InventoryItem \{/);
  assert.match(source.source, /keeps\(\) \{/);
  assert.deepEqual(source.fields.map((field) => field.name), ["days", "tags", "note"]);
  assert.deepEqual(source.bases.map((base) => base.name), ["InventoryItem"]);
  assert.deepEqual(source.bases[0]?.hash, recordOf(item).hash);
  const base = classSource(item);
  assert.equal(base.doc, "Something on a shelf.");
  assert.equal(base.fields[0]?.doc, "What one costs.");
  assert.equal(decode(base.fields[0]?.default ?? new Uint8Array()), 0);
  assert.equal(recordOf(item).hash.length, 16);
});

test("the registered name counts, not the one that a minifier left", () => {
  class a extends EmergeObject {
    static override className = "Customer";
  }
  assert.equal(classSource(a as unknown as EmergeClass).name, "Customer");
});

test("names of imports that a bundler changed become their own again", () => {
  const fields = { price: float(0), note: text("") };
  const make = new Function(
    "EmergeObject2", "float3", "text",
    "return class Item extends EmergeObject2 { static fields = { price: float3(0), note: text('') }; f() { return float3; } }",
  ) as (...names: unknown[]) => EmergeClass;
  const source = classSource(make(EmergeObject, () => fields.price, () => fields.note)).source;
  assert.match(source, /^class Item extends EmergeObject \{ static fields = \{ price: float\(0\), note: text\(''\) \};/);
  // What a method names is left alone: a free name is the node's to refuse.
  assert.match(source, /return float3;/);
});

test("what is not a class of objects is refused by name", () => {
  class Alien {}
  fails("class_invalid", /Alien does not extend EmergeObject/, () => classSource(Alien as unknown as EmergeClass));
  fails("class_invalid", /EmergeObject/, () => classSource(EmergeObject));
  const bases = { Base: EmergeObject };
  fails("class_invalid", /base must be named/, () =>
    classSource(class Odd extends (bases["Base"]) {}),
  );
  class Wrong extends EmergeObject {
    static override fields = { price: 0 } as never;
  }
  fails("class_invalid", /"price" of class Wrong/, () => new Wrong());
  class Reserved extends EmergeObject {
    static override fields = { meta: int(0) };
  }
  fails("class_invalid", /"meta"/, () => new Reserved());
});

test("only what changed is sent", () => {
  class Free extends EmergeObject {}
  const cls = Free as unknown as EmergeClass;
  const was = encodeObject(new Free({ a: 1, b: [1, 2], c: "x" }), cls, new Set());
  const now = encodeObject(new Free({ a: 1, b: [1, 3], d: null }), cls, new Set());
  const { changed, removed } = changes(was, now, cls);
  assert.deepEqual(decodeValue(changed), { b: [1, 3], d: null });
  assert.deepEqual(removed, ["c"]);
});

test("what JavaScript cannot hold exactly does not drift", () => {
  class Free extends EmergeObject {}
  const cls = Free as unknown as EmergeClass;
  // {"list": [1.0], "when": 0("2024-02-29T12:00:00.123456Z")}, as Python wrote it.
  const when = Buffer.from("2024-02-29T12:00:00.123456Z");
  const was = Buffer.concat([
    Buffer.from("a2646c69737481fb3ff0000000000000647768656ec0", "hex"), Buffer.from([0x78, when.length]), when,
  ]);
  const fetched = bare(cls);
  decodeState(fetched, was, () => undefined, []);
  const { changed, removed } = changes(was, encodeObject(fetched, cls, new Set()), cls);
  assert.deepEqual(decodeValue(changed), {});
  assert.deepEqual(removed, []);
});

test("the declared fields of a class are read once, and its base's come first", () => {
  const declared = declarationOf(Perishable);
  assert.deepEqual([...declared.keys()], ["unitPrice", "quantityOnHand", "days", "tags", "note"]);
  assert.equal(declarationOf(Perishable as unknown as EmergeClass), declared);
});
