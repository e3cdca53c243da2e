import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { decode, encode } from "../src/codec.js";
import { type EmergeError, EmergeObject, errorOf, FileSystem, float, type Meta, Ref } from "../src/index.js";
import { StoreMode } from "../src/generated.js";
import { InventoryItem, Perishable } from "./classes.js";
import { fails } from "./fails.js";
import { MemoryTransport } from "./memory.js";
import { uuidText } from "../src/sha256.js";

let node: MemoryTransport;
let fs: FileSystem;

beforeEach(() => {
  node = new MemoryTransport();
  fs = new FileSystem(node);
});

test("an object is stored with its class, and comes back as an instance of it", async () => {
  const apple = await fs.store("/shelf/apple", new InventoryItem({ unitPrice: 3, quantityOnHand: 10 }));
  assert.deepEqual(node.names(), ["putClass", "store"]);
  assert.equal(apple.meta.path, "/shelf/apple");
  assert.equal(apple.meta.version, 1);
  assert.equal(apple.meta.class, "InventoryItem");
  const fetched = await fs.get<InventoryItem>("/shelf/apple");
  assert.ok(fetched instanceof InventoryItem);
  assert.notEqual(fetched, apple);
  assert.equal(fetched.totalCost(), 30);
  assert.deepEqual({ ...fetched }, { unitPrice: 3, quantityOnHand: 10 });
  assert.deepEqual(node.names(), ["get"]);
});

test("an object of another language's class of that name runs nothing of this program's class, unless it says so", async () => {
  await fs.store("/shelf/apple", new InventoryItem({ unitPrice: 3, quantityOnHand: 10 }));
  const apple = node.objects.get("/shelf/apple");
  assert.ok(apple);
  // Another version of the class in JavaScript, and one in Python.
  for (const [at, language] of [["/shelf/js", 0], ["/shelf/py", 1]] as const) {
    const hash = new Uint8Array(16).fill(1 + language);
    node.classes.set(Buffer.from(hash).toString("hex"), ["InventoryItem", language, "", [], []]);
    node.objects.set(at, { ...apple, hash });
  }
  assert.ok((await fs.get("/shelf/js")) instanceof InventoryItem);
  const python = await fs.get("/shelf/py");
  assert.ok(!(python instanceof InventoryItem));
  assert.deepEqual({ ...python }, { unitPrice: 3, quantityOnHand: 10 });
  fs.define(InventoryItem);
  assert.ok((await fs.get("/shelf/py")) instanceof InventoryItem);
});

test("of what was stored only that is known which the node tells, or told before", async () => {
  const stored = await fs.store("/shelf/pear/", new InventoryItem({ unitPrice: 3 }));
  const { path, name, class: cls, version, created, modified, size, owner, group, perms, node: at, classVersion } = stored.meta;
  assert.deepEqual([path, name, cls, version], ["/shelf/pear", "pear", "InventoryItem", 1]);
  assert.deepEqual([created, size], [modified, (await fs.stat("/shelf/pear")).size]);
  assert.deepEqual([owner, group, perms, at, classVersion], [undefined, undefined, undefined, undefined, null]);
  assert.ok(!JSON.stringify(stored.meta).includes("perms"));
  stored.unitPrice = 4;
  assert.equal((await fs.store("/shelf/pear/", stored)).meta.version, 2);
  assert.equal(stored.meta.created?.getTime(), created?.getTime());
  // Another's object, of which the node tells neither when it was made.
  assert.equal((await fs.store("/shelf/pear", new InventoryItem())).meta.created, undefined);
  const fetched = await fs.get<InventoryItem>("/shelf/pear");
  const known = await fs.stat("/shelf/pear");
  fetched.unitPrice = 5;
  const { meta } = await fs.store("/shelf/pear", fetched);
  assert.deepEqual([meta.owner, meta.group, meta.perms, meta.node], [known.owner, known.group, known.perms, known.node]);
  assert.equal(meta.created?.getTime(), known.created.getTime());
});

test("a class version is sent once, also by stores of the same turn, and bases before it", async () => {
  const objects = [new Perishable(), new InventoryItem(), new Perishable({ days: 1 })];
  await Promise.all(objects.map((object, i) => fs.store(`/a/${String(i)}`, object)));
  const sent = node.asked.filter(([name]) => name === "putClass").map(([, source]) => (source as unknown[])[0]);
  assert.deepEqual(sent, ["InventoryItem", "Perishable"]);
});

test("a class that the node refused is sent again with the next object", async () => {
  node.fault = (name) => (name === "putClass" ? errorOf("class_invalid", "it does not compile") : undefined);
  await fails("class_invalid", /compile/, fs.store("/a", new InventoryItem()));
  assert.deepEqual(node.names(), ["putClass"]);
  node.fault = () => undefined;
  await fs.store("/a", new InventoryItem());
  assert.deepEqual(node.names(), ["putClass", "store"]);
});

test("a copy that does not end says what it was told to have copied, and one whose callback throws is ended", async () => {
  const part = (copied: number): Uint8Array => encode([copied, `/a/${copied}`]);
  let ended: boolean;
  const failure = (message: string) => errorOf("deadline_exceeded", message);
  const copying = (failed?: EmergeError): FileSystem =>
    new FileSystem({
      request: () => Promise.reject(new Error("nothing is asked")),
      async *stream() {
        await Promise.resolve();
        try {
          yield part(1000);
          yield part(2000);
          if (failed) throw failed;
        } finally {
          ended = true;
        }
      },
    });
  const options = { recursive: true };
  const late = await fails("deadline_exceeded", /late; at least 2000 objects .* were copied, the last of them \/a\/2000$/, copying(failure("late")).cp("/a", "/b", options));
  assert.equal(late.effect, "unknown");
  const told = "no; 2000 objects and directories were copied, the last of them /a/2000";
  assert.equal((await fails("deadline_exceeded", /./, copying(failure(told)).cp("/a", "/b", options))).message, told);
  ended = false;
  const seen: number[] = [];
  const stop = ({ copied }: { copied: number }): never => {
    seen.push(copied);
    throw new RangeError("enough");
  };
  await assert.rejects(copying().cp("/a", "/b", { ...options, onProgress: stop }), RangeError);
  assert.deepEqual([seen, ended], [[1000], true]);
});

test("storing what was fetched sends the changed fields with the version that they were fetched at", async () => {
  await fs.store("/a", new InventoryItem({ unitPrice: 3, quantityOnHand: 10 }));
  const fetched = await fs.get<InventoryItem>("/a");
  fetched.quantityOnHand = 9;
  node.names();
  await fs.store("/a", fetched);
  const [name, , , fields, mode, base, removed, id] = node.asked[0] ?? [];
  assert.deepEqual([name, mode, base, removed], ["store", StoreMode.patch, 1, null]);
  assert.equal(uuidText(id as Uint8Array), (await fs.stat("/a")).id, "the object that was fetched");
  assert.deepEqual(decode(fields as Uint8Array), { quantityOnHand: 9 });
  assert.equal(fetched.meta.version, 2);
  fetched.quantityOnHand = 8;
  await fs.store("/a", fetched);
  assert.equal((await fs.stat("/a")).version, 3);
});

test("it is a conflict when the object has moved on, unless overwrite is asked for", async () => {
  await fs.store("/a", new InventoryItem({ unitPrice: 1, quantityOnHand: 1 }));
  const [mine, theirs] = await Promise.all([fs.get<InventoryItem>("/a"), fs.get<InventoryItem>("/a")]);
  theirs.unitPrice = 2;
  await fs.store("/a", theirs);
  mine.quantityOnHand = 5;
  await fails("conflict", /\/a/, fs.store("/a", mine));
  await fs.store("/a", mine, { overwrite: true });
  assert.deepEqual({ ...(await fs.get("/a")) }, { unitPrice: 2, quantityOnHand: 5 });
});

test("a removed field is gone from the node too", async () => {
  class Free extends EmergeObject {}
  await fs.store("/a", new Free({ keep: 1, drop: 2 }));
  const free = await fs.get("/a");
  delete free["drop"];
  await fs.store("/a", free);
  assert.deepEqual({ ...(await fs.get("/a")) }, { keep: 1 });
});

test("stored elsewhere, a fetched object is a new one; create refuses to replace", async () => {
  await fs.store("/a", new InventoryItem({ unitPrice: 3 }));
  const fetched = await fs.get<InventoryItem>("/a");
  await fs.store("/b", fetched);
  assert.equal(fetched.meta.path, "/b");
  assert.deepEqual({ ...(await fs.get("/b")) }, { unitPrice: 3, quantityOnHand: 0 });
  await fails("already_exists", /\/a/, fs.store("/a", new InventoryItem(), { create: true }));
});

test("an earlier version is not stored over the newest by mistake", async () => {
  await fs.store("/a", new InventoryItem());
  const old = await fs.get("/a", { version: 1 });
  await fails("conflict", /version 1 of \/a/, fs.store("/a", old));
  await fs.store("/a", old, { overwrite: true });
  assert.equal((node.asked.at(-1) ?? [])[4], StoreMode.put);
});

test("without the class, the fields are there and a method says where it runs", async () => {
  await fs.store("/a", new InventoryItem({ unitPrice: 3 }));
  const other = new FileSystem(node);
  const fetched = await other.get("/a");
  assert.equal(fetched.constructor.name, "InventoryItem");
  assert.ok(!(fetched instanceof InventoryItem));
  assert.equal(fetched["unitPrice"], 3);
  assert.throws(() => (fetched["total"] as () => void)(), /class InventoryItem is not defined here.*fs\.call\("\/a", "total"\)/s);
  assert.throws(() => fetched["size"] as unknown, { code: "class_not_found" });
  fetched["unitPrice"] = 4;
  await other.store("/a", fetched);
  assert.equal((await fs.get<InventoryItem>("/a")).unitPrice, 4);
  assert.equal(typeof (await fs.get<InventoryItem>("/a")).unitPrice, "number");
});

test("define makes a class known without storing anything", async () => {
  await fs.store("/a", new InventoryItem({ unitPrice: 3, quantityOnHand: 2 }));
  const other = new FileSystem(node).define(InventoryItem);
  assert.equal((await other.get<InventoryItem>("/a")).totalCost(), 6);
});

test("getting an object runs nothing of its class", async () => {
  let runs = 0;
  class Watched extends EmergeObject {
    static override fields = { x: float(0) };
    constructor(fields?: Record<string, unknown>) {
      super(fields);
      runs += 1;
    }
    get total(): number {
      runs += 1;
      return 1;
    }
    set price(_: number) {
      runs += 1;
    }
  }
  class Free extends EmergeObject {
    static override className = "Watched";
  }
  // What an earlier version of the class may have stored.
  const fields = { x: 1, total: 2, price: 3, constructor: 4, toString: 5 };
  await new FileSystem(node).store("/a", new Free(fields));
  const fetched = await fs.define(Watched).get("/a");
  assert.ok(fetched instanceof Watched);
  assert.deepEqual(Object.entries(fetched), Object.entries(fields));
  assert.equal(runs, 0);
});

test("objects inside objects travel with their classes", async () => {
  class Box extends EmergeObject {}
  await fs.store("/box", new Box({ inside: [new InventoryItem({ unitPrice: 2, quantityOnHand: 2 })], other: new Ref("/a") }));
  assert.deepEqual(node.names(), ["putClass", "putClass", "store"]);
  const box = await fs.get("/box");
  const [inner] = box["inside"] as InventoryItem[];
  assert.equal(inner?.totalCost(), 4);
  const elsewhere = await new FileSystem(node).get("/box");
  const [stranger] = elsewhere["inside"] as EmergeObject[];
  assert.equal(stranger?.constructor.name, "InventoryItem");
  assert.equal((stranger as unknown as { unitPrice: number }).unitPrice, 2);
});

test("only objects are stored", async () => {
  const store = fs.store.bind(fs) as unknown as (path: string, object: unknown) => Promise<unknown>;
  for (const value of [{ a: 1 }, null, 3, "text", InventoryItem]) {
    await fails("unmappable_value", /\/a/, store("/a", value));
  }
  assert.deepEqual(node.asked, []);
});

test("a value with no mapping stops the store before anything is sent", async () => {
  class Free extends EmergeObject {}
  const error = await fails("unmappable_value", /listeners\[0\]/, fs.store("/a", new Free({ listeners: [() => 1] })));
  assert.equal(error.name, "UnmappableValueError");
  assert.deepEqual(node.asked, []);
});

test("arguments with no mapping name their place", async () => {
  await fails("unmappable_value", /args\[1\]\.f/, fs.call("/a", "m", 1, { f: () => 1 }));
  assert.deepEqual(node.asked, []);
});

test("a path that is not a text is an error", async () => {
  await fails("bad_argument", /path must be a text/, fs.get(3 as unknown as string));
  await fails("bad_argument", /path must be a text/, fs.store(null as unknown as string, new InventoryItem()));
});

test("a listing is a stream of the members' properties, with their paths", async () => {
  for (const name of ["a", "b", "c", "d", "e"]) await fs.store(`/dir/${name}`, new InventoryItem());
  const seen: Meta[] = [];
  for await (const meta of fs.list("/dir/")) seen.push(meta);
  assert.deepEqual(seen.map((meta) => meta.path), ["a", "b", "c", "d", "e"].map((name) => `/dir/${name}`));
  const [first] = seen;
  assert.equal(first?.type, "object");
  assert.equal(first?.perms, "rwxr-x---");
  assert.equal(first?.id, "07070707-0707-0707-0707-070707070707");
  assert.deepEqual(first?.modified, new Date(2500));
  assert.equal(first?.size, 36);
  assert.equal(JSON.parse(JSON.stringify(first)).class, "InventoryItem");
  assert.equal((await fs.list("/dir").toArray()).length, 5);
  for await (const meta of fs.list("/dir")) if (meta.name === "b") break;
});

test("a call gives the result; invoke also the version and the log", async () => {
  await fs.store("/a", new InventoryItem());
  assert.deepEqual(await fs.call("/a", "echo", 1, "two"), [1, "two"]);
  const called = await fs.invoke("/a", "echo", [3n], { log: true });
  assert.deepEqual(called, { result: [3], version: 2, log: "a line" });
});

test("a call on a directory gives each member's result or error", async () => {
  for (const name of ["a", "b"]) await fs.store(`/dir/${name}`, new InventoryItem());
  const each = await fs.callEach("/dir", "m").toArray();
  assert.deepEqual(each.map(({ path, result, error }) => [path, result, error?.code]), [
    ["/dir/a", 0, undefined],
    ["/dir/b", undefined, "not_found"],
  ]);
  await fails("not_found", /gone/, fs.call("/dir", "m"));
});

test("describe, methods, code, help and history", async () => {
  await fs.store("/a", new InventoryItem());
  assert.match(await fs.code("/a"), /^class InventoryItem extends EmergeObject \{/);
  assert.deepEqual((await fs.methods("/a")).map((method) => method.signature), ["total(discount = 0, ...rest)", "size"]);
  const help = await fs.help("/a");
  assert.match(help, /^class InventoryItem, version 3\n\nSomething on a shelf\./);
  assert.match(help, /unitPrice: float {2}What one costs\./);
  assert.match(help, /async total\(discount = 0, \.\.\.rest\)\n {6}The total\.\n {6}Of all\./);
  const history = await fs.history("/a");
  assert.deepEqual(history.map(({ version, method }) => [version, method]), [[2, "sell"], [1, null]]);
});

test("storeAll keeps so many on the way, tells of progress, and stops at the first error", async () => {
  const entries = Array.from({ length: 20 }, (_, i) => [`/all/${String(i)}`, new InventoryItem({ quantityOnHand: i })] as const);
  const told: number[] = [];
  const done = await fs.storeAll(entries, { concurrency: 4, onProgress: ({ done, total }) => told.push(done / total) });
  assert.equal(done, 20);
  assert.equal(told.at(-1), 1);
  assert.equal(told.length, 20);
  assert.ok(node.mostRunning <= 4, String(node.mostRunning));
  node.fault = (_, path) => (path === "/more/3" ? errorOf("storage_failed", "the disk is full", { path: "/more/3" }) : undefined);
  let given = 0;
  function* more(): Generator<[string, EmergeObject]> {
    for (let i = 0; i < 1000; i += 1) {
      given += 1;
      yield [`/more/${String(i)}`, new InventoryItem()];
    }
  }
  await fails("storage_failed", /disk/, fs.storeAll(more(), { concurrency: 2 }));
  assert.ok(given < 10, String(given));
});

test("what is no list of pairs, or of objects, is told so", async () => {
  for (const wrong of [5, null, undefined, { "/a": new InventoryItem() }, "/a"]) {
    await fails("bad_argument", /storeAll takes pairs/, fs.storeAll(wrong as never));
  }
  for (const wrong of [5, null, "/a", [new InventoryItem(), "/a"]]) {
    await fails("bad_argument", /is a pair/, fs.storeAll([wrong] as never));
  }
  await fails("bad_argument", /can be iterated/, fs.callEach(5 as never, "sell").toArray());
  assert.deepEqual(node.names(), []);
});

test("an abort ends an operation", async () => {
  const stop = new AbortController();
  stop.abort();
  const { signal } = stop;
  await fails("cancelled", /aborted/, fs.store("/a", new InventoryItem(), { signal }));
  await fails("cancelled", /aborted/, fs.storeAll([["/a", new InventoryItem()]], { signal }));
  await fails("cancelled", /aborted/, fs.get("/a", { signal }));
  assert.equal(node.objects.size, 0);
});
