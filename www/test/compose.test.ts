// Calling with names and on several, queries, mixins and migrations, against a real node.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, type Connection, EmergeObject, float, int, Ref, Table, text } from "../src/index.js";
import { TestNode } from "../e2e/node.js";
import { InventoryItem } from "./classes.js";
import { fails } from "./fails.js";

const wasm = new URL(`file://${process.env["WWW"] ?? "."}/pkg/emerge_wasm_bg.wasm`);
let node: TestNode;
let fs: Connection;

before(async () => {
  node = await TestNode.start();
  fs = await connect(node.url, { token: node.token, wasm });
}, { timeout: 240_000 });

after(async () => {
  await fs.close();
  await node[Symbol.asyncDispose]();
});

class Slow extends EmergeObject {
  forever(): never {
    for (;;);
  }
}

test("arguments by name, and a deadline of its own", async () => {
  await fs.store("/named/a", new InventoryItem({ unitPrice: 2, quantityOnHand: 3 }));
  assert.equal((await fs.invoke("/named/a", "totalCost", [], { kwargs: { discount: 0.5 } })).result, 3);
  const refused = await fails("bad_argument", /totalCost\(discount = 0\)/, fs.invoke("/named/a", "totalCost", [], { kwargs: { discont: 1 } }));
  assert.equal(refused.field, "discont");
  await fails("bad_argument", /given twice/, fs.invoke("/named/a", "totalCost", [0.5], { kwargs: { discount: 1 } }));
  await fs.store("/named/slow", new Slow());
  await fails("deadline_exceeded", /200 ms/, fs.invoke("/named/slow", "forever", [], { deadline: 200 }));
  assert.equal((await fails("bad_argument", /deadline/, fs.invoke("/named/slow", "forever", [], { deadline: 0 }))).field, "deadline");
  for (const timeout of [0, -1, NaN]) {
    const refused = await fails("bad_argument", /timeout/, fs.stat("/named/a", { timeout }));
    assert.equal(refused.field, "timeout");
    await fails("bad_argument", /timeout/, fs.stat("/named/a", { timeout, signal: new AbortController().signal }));
    assert.equal((await fails("bad_argument", /timeout/, connect(node.url, { token: node.token, wasm, timeout }))).field, "timeout");
  }
  assert.equal((await fs.stat("/named/a", { timeout: Infinity })).name, "a");
});

test("calls on several objects, each by itself or all at once", async () => {
  for (const [name, quantityOnHand] of [["a", 3], ["b", 1], ["c", 5]] as const) {
    await fs.store(`/several/${name}`, new InventoryItem({ unitPrice: 2, quantityOnHand }));
  }
  const seen: unknown[] = [];
  const each = await fs.callEach("/several", "sell", [2], { onProgress: (progress) => seen.push(progress) }).toArray();
  assert.deepEqual(each.map(({ name, result, version }) => [name, result, version]), [["a", 1, 2], ["b", undefined, undefined], ["c", 3, 2]]);
  assert.match(each[1]?.error?.message ?? "", /only 1 left/);
  assert.deepEqual(seen.at(-1), { done: 3, failed: 1, total: 0, path: "/several/c" });
  const named = await fs.callEach([...(await fs.list("/several").toArray()), new Ref("/several/a")], "totalCost").toArray();
  assert.deepEqual(named.map(({ path, result }) => [path, result]), [["/several/a", 2], ["/several/b", 2], ["/several/c", 6]]);
  assert.equal((await fs.callEach(fs.list("/several"), "totalCost").toArray()).length, 3);
  await fails("method_failed", /a: .*only 1 left/, fs.callEach("/several", "sell", [2], { atomic: true }).toArray());
  assert.equal(await fs.get("/several/c#quantityOnHand"), 3);
  const sold = await fs.callEach("/several", "sell", [1], { atomic: true }).toArray();
  assert.deepEqual(sold.map(({ result }) => result), [0, 0, 2]);
});

test("a fetched object is held against the class of now with all its fields", async () => {
  const before = class Sheet extends EmergeObject {
    static override fields = { code: int(1), size: int(1) };
  };
  await fs.store("/sheets/a", new before());
  const now = class Sheet extends EmergeObject {
    static override fields = { code: text(""), size: int(1) };
    declare code: unknown;
    declare size: number;
  };
  // Its class is that which was stored last under this name.
  await fs.store("/sheets/b", new now());
  const sheet = await fs.get("/sheets/a");
  assert.ok(sheet instanceof now);
  for (const size of [1, 2]) {
    sheet.size = size;
    assert.equal((await fails("bad_argument", /declared text and was given int/, fs.store("/sheets/a", sheet))).field, "code");
  }
  sheet.code = "one";
  await fs.store("/sheets/a", sheet);
  assert.equal(await fs.get("/sheets/a#code"), "one");
});

class Cheap extends EmergeObject {
  static override fields = { below: float(0) };
  declare below: number;
  async query(fs: Connection): Promise<unknown> {
    const found = [];
    for await (const meta of fs.list("/query/shelf")) if ((await fs.get<InventoryItem>(meta.path)).unitPrice < this.below) found.push(meta);
    return found;
  }
}

class Costs extends EmergeObject {
  async query(fs: Connection): Promise<unknown> {
    const rows: unknown[][] = [];
    for await (const { name, result } of fs.callEach("/query/shelf", "totalCost")) rows.push([name, result]);
    return new Table(["name", "cost"], rows);
  }
}

test("a query object keeps its results", async () => {
  await fs.store("/query/shelf/a", new InventoryItem({ unitPrice: 1, quantityOnHand: 3 }));
  await fs.store("/query/shelf/b", new InventoryItem({ unitPrice: 7, quantityOnHand: 1 }));
  await fs.store("/query/cheap", new Cheap({ below: 5 }));
  assert.deepEqual(await fs.query("/query/cheap"), [new Ref("/query/shelf/a")]);
  await fs.set("/query/shelf/b#unitPrice", 2);
  assert.deepEqual(await fs.get("/query/cheap#results"), [new Ref("/query/shelf/a")]);
  const [first] = await fs.children<InventoryItem>("/query/cheap", "results");
  assert.equal(first?.quantityOnHand, 3);
  assert.equal(((await fs.query("/query/cheap")) as unknown[]).length, 2);
  const kept = await fs.get("/query/cheap");
  assert.equal(kept["results_by"], kept.meta.owner);
  assert.ok(kept["results_at"] instanceof Date);

  await fs.store("/query/costs", new Costs());
  const table = await fs.query("/query/costs");
  assert.ok(table instanceof Table);
  assert.deepEqual(table.records(), [{ name: "a", cost: 3 }, { name: "b", cost: 2 }]);
  assert.deepEqual(table.column("cost"), [3, 2]);
  assert.equal(await fs.get("/query/costs#results.rows[1][0]"), "b");
  await fails("method_not_found", /query/, fs.query("/query/shelf/a"));
});

class Named extends EmergeObject {
  static override fields = { name: text(), unitPrice: float(9) };
  declare name: string;
  greet(): string {
    return `I am ${this.name}`;
  }
  totalCost(): number {
    return -1;
  }
}

class Loud extends Named {
  override greet(): string {
    return super.greet().toUpperCase();
  }
}

test("two objects become one", async () => {
  await fs.store("/mix/item", new InventoryItem({ unitPrice: 2, quantityOnHand: 3 }));
  await fs.store("/mix/ada", new Loud({ name: "Ada" }));
  const mixed = await fs.mixin("/mix/item", "/mix/ada", "/mix/both");
  assert.equal(mixed.class.name, "InventoryItemLoud");
  assert.deepEqual(mixed.clashes, [
    { name: "unitPrice", kind: "field", kept: "InventoryItem", hidden: "Loud" },
    { name: "totalCost", kind: "method", kept: "InventoryItem", hidden: "Named" },
  ]);
  assert.equal(await fs.call("/mix/both", "totalCost"), 6);
  assert.equal(await fs.call("/mix/both", "greet"), "I AM ADA");
  assert.equal(await fs.call("/mix/both", "sell", 1), 2);
  assert.equal(await fs.get("/mix/both#name"), "Ada");
  assert.ok((await fs.methods("/mix/both")).some(({ name, from }) => name === "greet" && from === "Loud"));
  await fails("class_invalid", /nothing to mix/, fs.mixin("/mix/item", "/mix/item", "/mix/bad"));
  await fails("class_invalid", /inherit from itself/, fs.mixin("/mix/item", "/mix/ada", "/mix/bad", { name: "Named" }));
  await fails("already_exists", /\/mix\/both/, fs.mixin("/mix/item", "/mix/ada", "/mix/both"));
});

const Before = class Person extends EmergeObject {
  static override className = "Person";
  static override fields = { name: text() };
};
const Now = class Person extends EmergeObject {
  static override className = "Person";
  static override fields = { first: text(), visits: int(1) };
  static fromName(old: { name: string }): object {
    return { first: old.name.split(" ")[0] };
  }
};

test("objects get another class version", async () => {
  await fs.store("/people/a", new Before({ name: "Ada Lovelace" }));
  await fs.store("/people/b", new Before({ name: "Bob" }));
  await fs.store("/people/item", new InventoryItem());
  assert.equal(await fs.migrate("/people/a", Now, "fromName"), 2);
  assert.deepEqual({ ...(await fs.get("/people/a")) }, { first: "Ada", visits: 1 });
  assert.equal(await fs.migrate("/people/a", Now), null);
  assert.equal(await fs.get("/people/a#name", { version: 1 }), "Ada Lovelace");
  const each = await fs.migrateEach("/people", Now, (old) => ({ first: `${String(old["name"])}!` })).toArray();
  assert.deepEqual(each.map(({ name, version }) => [name, version]), [["b", 2]]);
  assert.equal(await fs.get("/people/b#first"), "Bob!");
  await fails("class_invalid", /each is not defined/, fs.migrate("/people/item", Now, () => each));
  assert.equal((await fs.stat("/people/item")).class, "InventoryItem");
});

test("words are found in texts, the best first, and marked", async () => {
  class Label extends EmergeObject {
    declare text: string;
    declare note: string;
    static override fields = { text: text(), note: text() };
  }
  await fs.store("/labels/a", new Label({ text: "A red 🐎 Widget", note: "cheap" }));
  await fs.store("/labels/b", new Label({ text: "many words, and among them red and at the end a widget", note: "red" }));
  const options = { directory: "/labels" };
  const found = await fs.searchText<Label>("red wid*", options).toArray();
  assert.equal(found.length, 2);
  assert.ok((found[0]?.score ?? 0) >= (found[1]?.score ?? 1) && (found[1]?.score ?? 0) > 0);
  const first = found.find(({ object }) => object.meta.name === "a");
  const marked = first?.highlights.map(({ field, text, ranges }) => [field, ranges.map(([begin, end]) => text.slice(begin, end))]);
  assert.deepEqual(marked, [["text", ["red", "Widget"]]]);
  const paths = async (text: string, more: object = {}): Promise<string[]> =>
    (await fs.searchText(text, { ...options, ...more }).toArray()).map(({ object }) => object.meta.path);
  assert.deepEqual(await paths('"a widget"'), ["/labels/b"]);
  assert.deepEqual(await paths("red", { textFields: ["note"] }), ["/labels/b"]);
  assert.deepEqual(await paths("red", { wanted: (o: Label) => o.note === "cheap" }), ["/labels/a"]);
  assert.equal(await fs.search(null, null, { ...options, text: "red" }).count(), 2);
  const page = await fs.searchText("red", { ...options, pageSize: 1 }).page();
  assert.equal(page.items.length, 1);
  assert.equal((await fs.searchText("red", options).page(page.next ?? "")).items.length, 1);
  const error = await fails("bad_argument", /no word/, fs.searchText("...").toArray());
  assert.equal(error.field, "text");
});
