// The whole of the client against a real node, from Node.js.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  any, connect, type Connection, type CopyProgress, Directory, EmergeObject, float, int, LIMITS, list,
  type MemberResult, object, Ref, text,
} from "../src/index.js";
import { TestNode } from "../e2e/node.js";
import { InventoryItem, Perishable } from "./classes.js";
import { fails } from "./fails.js";

// The client's wasm lies beside the module that is published, not beside the compiled tests.
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

test("an object is stored, fetched, called there and called here", async () => {
  const stored = await fs.store("/inventory/widget", new InventoryItem({ unitPrice: 3, quantityOnHand: 10 }));
  assert.equal(stored.meta.version, 1);
  assert.equal(await fs.call("/inventory/widget", "totalCost"), 30);
  assert.equal(await fs.call("/inventory/widget", "totalCost", 0.5), 15);
  const fetched = await fs.get<InventoryItem>("/inventory/widget");
  assert.ok(fetched instanceof InventoryItem);
  assert.equal(fetched.totalCost(), 30);
  assert.equal(await fs.proxy<InventoryItem>("/inventory/widget").sell(3), 7);
  const again = await fs.get<InventoryItem>("/inventory/widget");
  assert.equal(again.quantityOnHand, 7);
  assert.equal(again.meta.version, 2);
});

test("the properties of an object and of a directory", async () => {
  await fs.store("/props/a", new InventoryItem({ unitPrice: 3 }));
  const meta = await fs.stat("/props/a");
  assert.deepEqual([meta.path, meta.name, meta.type, meta.class, meta.classVersion, meta.version], ["/props/a", "a", "object", "InventoryItem", 1, 1]);
  assert.match(meta.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.match(meta.perms, /^rwx/);
  assert.ok(Math.abs(meta.created.getTime() - Date.now()) < 600_000);
  assert.equal((await fs.get("/props/a")).meta.id, meta.id);
  assert.equal((await fs.stat("/props")).type, "directory");
  assert.equal(await fs.exists("/props/a"), true);
  assert.equal(await fs.exists("/props/b"), false);
  assert.deepEqual(await Promise.all(["unitPrice", "none"].map((part) => fs.exists(`/props/a#${part}`))), [true, false]);
});

test("bases travel, and every kind of value comes back as it was", async () => {
  await fs.store("/food/milk", new Perishable({ days: 2, tags: ["cold"], unitPrice: 1, quantityOnHand: 2 }));
  assert.equal(await fs.call("/food/milk", "keeps"), false);
  assert.equal(await fs.call("/food/milk", "totalCost"), 2);
  class Free extends EmergeObject {}
  const fields = {
    none: null, yes: true, whole: 42, big: 2n ** 80n, part: 1.5, nan: NaN, text: "žluťoučký 🐎", bytes: new Uint8Array([0, 255]),
    list: [1, ["two", { three: 3 }]], map: { z: 1, a: 2 }, set: new Set(["x", 1]), when: new Date("2020-02-29T01:02:03.004Z"),
    floats: new Float64Array([1, 2.5]), ref: new Ref("/food/milk"), inside: new InventoryItem({ unitPrice: 2, quantityOnHand: 3 }),
    name: "a field", type: "another", "with space": 1,
  };
  await fs.store("/values", new Free(fields));
  const back = await fs.get("/values");
  assert.deepEqual({ ...back }, fields);
  assert.equal((back["inside"] as InventoryItem).totalCost(), 6);
});

test("listing goes through all pages", async () => {
  const entries = Array.from({ length: 2500 }, (_, i) => [`/many/${String(i).padStart(4, "0")}`, new InventoryItem({ quantityOnHand: i })] as const);
  const told: number[] = [];
  assert.equal(await fs.storeAll(entries, { onProgress: ({ done }) => told.push(done) }), 2500);
  assert.equal(told.at(-1), 2500);
  const names = (await fs.list("/many").toArray()).map((meta) => meta.name);
  assert.equal(names.length, 2500);
  assert.deepEqual(names, [...names].sort());
  const page = await fs.page("/many", { after: "0009", pageSize: 5 });
  assert.deepEqual(page.members.map((meta) => meta.name), ["0010", "0011", "0012", "0013", "0014"]);
  assert.equal(page.next, "0014");
  for await (const meta of fs.list("/many", { pageSize: 10 })) if (meta.name === "0025") break;
  // What was left is given up, and its end comes.
  for (let turns = 0; fs.pending > 0 && turns < 1000; turns += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(fs.pending, 0);
  const each: MemberResult[] = await fs.callEach("/many", "totalCost").toArray();
  assert.equal(each.length, 2500);
  assert.ok(each.every((member) => member.error === undefined && member.result === 0));
});

test("mkdir, mv, cp and rm", async () => {
  await fs.mkdir("/tree/deep");
  await fails("already_exists", /tree/, fs.mkdir("/tree/deep"));
  await fs.mkdir("/tree/deep", { existOk: true });
  await fs.store("/tree/deep/a", new InventoryItem({ unitPrice: 1 }));
  const { id } = await fs.stat("/tree/deep/a");
  await fs.mv("/tree/deep/a", "/tree/b");
  assert.equal((await fs.stat("/tree/b")).id, id);
  await fails("not_found", /\/tree\/deep\/a/, fs.get("/tree/deep/a"));
  await fs.cp("/tree", "/copy", { recursive: true });
  assert.notEqual((await fs.stat("/copy/b")).id, id);
  assert.deepEqual((await fs.list("/copy").toArray()).map((meta) => meta.name), ["b", "deep"]);
  await fails("directory_not_empty", /\/tree/, fs.rm("/tree"));
  await fs.rm("/tree", { recursive: true });
  await fs.rm("/copy/b");
  assert.equal(await fs.exists("/tree"), false);
  await fails("not_a_directory", /inventory/, fs.list("/inventory/widget/x").toArray());
  const directory = await fs.get<Directory>("/copy");
  assert.ok(directory instanceof Directory);
  assert.deepEqual([directory.meta.type, directory.members.map((meta) => meta.path), directory.next], ["directory", ["/copy/deep"], null]);
  await fails("unmappable_value", /directory/, fs.store("/copy", directory));
});

test("only what changed is stored; conflicts; earlier versions", async () => {
  await fs.store("/c", new InventoryItem({ unitPrice: 1, quantityOnHand: 1 }));
  const [mine, theirs] = await Promise.all([fs.get<InventoryItem>("/c"), fs.get<InventoryItem>("/c")]);
  theirs.unitPrice = 2;
  await fs.store("/c", theirs);
  mine.quantityOnHand = 9;
  await fails("conflict", /\/c/, fs.store("/c", mine));
  await fs.store("/c", mine, { overwrite: true });
  assert.deepEqual({ ...(await fs.get("/c")) }, { unitPrice: 2, quantityOnHand: 9 });
  await fails("already_exists", /\/c/, fs.store("/c", new InventoryItem(), { create: true }));
  const versions = await fs.history("/c");
  assert.deepEqual(versions.map((info) => info.version), [3, 2, 1]);
  assert.deepEqual({ ...(await fs.get("/c", { version: 1 })) }, { unitPrice: 1, quantityOnHand: 1 });
  await fails("not_found", /version/, fs.get("/c", { version: 9 }));

  const diff = await fs.diff("/c", 1);
  assert.deepEqual([diff.from.version, diff.to.version, diff.oldClass, diff.newClass], [1, 3, null, null]);
  assert.deepEqual(diff.fields, [
    { field: "unitPrice", kind: "changed", old: 1, new: 2 },
    { field: "quantityOnHand", kind: "changed", old: 1, new: 9 },
  ]);
  assert.deepEqual((await fs.diff("/c", 3, new Date("2100-01-01"))).fields, []);
  await fails("conflict", /version 3/, fs.restore("/c", 1, { base: 2 }));
  assert.equal(await fs.restore("/c", 1, { base: 3 }), 4);
  assert.deepEqual({ ...(await fs.get("/c")) }, { unitPrice: 1, quantityOnHand: 1 });
  assert.deepEqual((await fs.history("/c")).map((info) => info.restored), [1, null, null, null]);
  assert.equal((await fs.get("/c", { version: new Date() })).meta.version, 4);
  await fails("not_found", /was not there at that moment/, fs.get("/c", { version: new Date("2001-01-01") }));
  await fails("bad_argument", /version must be .* moment, not an invalid Date/, fs.get("/c", { version: new Date("never") }));
});

test("the time of a version means that version", async () => {
  const item = await fs.store("/moments", new InventoryItem());
  for (const price of [1, 2]) {
    // So that no two versions are of one millisecond.
    await new Promise((done) => setTimeout(done, 5));
    item.unitPrice = price;
    await fs.store("/moments", item);
  }
  for (const { version, modified } of await fs.history("/moments")) {
    assert.equal((await fs.get("/moments", { version: modified })).meta.version, version);
  }
});

class Farm extends EmergeObject {
  static override fields = { name: text(), acres: float(1) };
  declare name: string;
  declare acres: number;
  grow(by: number): number {
    this.acres += by;
    return this.acres;
  }
}

class Customer extends EmergeObject {
  static override fields = { name: text(), farms: list<Ref>(), best: object<Farm>(), address: any() };
  declare name: string;
  declare farms: Ref[];
  declare best: Farm;
}

test("paths into objects, and children", async () => {
  const address = { city: "Ulm", "odd name": [1, 2] };
  await fs.store("/customers/c0", new Customer({ name: "Ada", best: new Farm({ name: "Best" }), address }));
  const hill = await fs.store("/farms/hill", new Farm({ name: "Hill", acres: 3 }));
  await fs.store("/farms/moor", new Farm({ name: "Moor" }));
  assert.equal(await fs.add("/customers/c0", "farms", [hill, "/farms/moor"]), 2);
  assert.equal(await fs.add("/customers/c0", "farms", { "/farms/dale": new Farm({ name: "Dale" }) }), 3);
  const customer = await fs.get<Customer>("/customers/c0");
  assert.deepEqual(customer.farms.map(String), ["/farms/hill", "/farms/moor", "/farms/dale"]);
  const [first] = customer.farms;
  assert.ok(first instanceof Ref);
  assert.equal((await fs.get<Farm>(first)).acres, 3);
  assert.equal(await fs.get("/customers/c0#farms[2].name"), "Dale");
  assert.equal(await fs.get('/customers/c0#address["odd name"][1]'), 2);
  const farm = await fs.get<Farm>("/customers/c0#farms[0]");
  assert.ok(farm instanceof Farm && farm.meta?.path === "/farms/hill");
  farm.acres = 5;
  await fs.store("/farms/hill", farm);
  const best = await fs.get<Farm>("/customers/c0#best");
  assert.ok(best instanceof Farm && best.meta === undefined && best.name === "Best");

  assert.equal(await fs.call("/customers/c0#farms[0]", "grow", 2), 7);
  assert.equal(await fs.call("/customers/c0#best", "grow", 2), 3);
  assert.equal(await fs.get("/customers/c0#best.acres"), 3);
  assert.equal(await fs.set("/customers/c0#farms[1].acres", 8), 2);
  assert.equal(await fs.get("/farms/moor#acres"), 8);
  assert.equal(await fs.set("/customers/c0#address.city", "Bonn", { base: 4 }), 5);
  await fails("conflict", /version 5/, fs.set("/customers/c0#address.city", "Ulm", { base: 4 }));
  await fails("bad_argument", /"acres" is declared float/, fs.set("/farms/moor#acres", "many"));

  await fs.rm("/farms/moor");
  const children = await fs.children<Farm>("/customers/c0", "farms");
  assert.deepEqual(children.map((child) => child?.name ?? null), ["Hill", null, "Dale"]);
  assert.equal(children[2]?.meta.path, "/farms/dale");
  const gone = await fails("not_found", /refers to \/farms\/moor/, fs.get("/customers/c0#farms[1]"));
  assert.deepEqual([gone.path, gone.field], ["/farms/moor", "farms[1]"]);
  await fails("not_found", /it has name, farms/, fs.get("/customers/c0#frams"));
  await fails("bad_path", /at character 6/, fs.get("/customers/c0#farms.[0]"));
  await fails("already_exists", /\/farms\/dale is in/, fs.add("/customers/c0", "farms", "/farms/dale"));
  await fails("bad_argument", /needs a path/, fs.add("/customers/c0", "farms", new Farm()));
});

test("methods, code, help and describe", async () => {
  await fs.store("/d", new Perishable());
  const methods = await fs.methods("/d");
  assert.deepEqual(methods.map((method) => method.name).sort(), ["keeps", "sell", "totalCost"]);
  const about = await fs.describe("/d");
  assert.deepEqual(about.bases, ["InventoryItem"]);
  assert.equal(about.fields.find((field) => field.name === "unitPrice")?.doc, "What one costs.");
  assert.match(await fs.code("/d"), /class Perishable extends InventoryItem/);
  assert.match(await fs.help("/d"), /totalCost\(discount = 0\)/);
});

test("another program sees the fields, and runs methods there", async () => {
  await fs.store("/e", new InventoryItem({ unitPrice: 3, quantityOnHand: 2 }));
  await using other = await connect(node.url, { token: node.token, agent: "another" });
  const seen = await other.get("/e");
  assert.deepEqual({ ...seen }, { unitPrice: 3, quantityOnHand: 2 });
  assert.throws(() => (seen["totalCost"] as () => void)(), /fs\.call\("\/e", "totalCost"\)/);
  assert.equal(await other.call("/e", "totalCost"), 6);
  other.define(InventoryItem);
  assert.equal((await other.get<InventoryItem>("/e")).totalCost(), 6);
});

test("a method reaches other objects, and what it logs comes back", async () => {
  class Shop extends EmergeObject {
    static override fields = { names: list<string>([]) };
    declare names: string[];
    async total(): Promise<number> {
      let sum = 0;
      for (const name of this.names) {
        // @ts-expect-error inside a method `fs` is the node's own
        // eslint-disable-next-line
        sum += await fs.call(name, "totalCost");
      }
      console.log(`sum of ${String(this.names.length)}`);
      return sum;
    }
  }
  await fs.store("/s/1", new InventoryItem({ unitPrice: 1, quantityOnHand: 1 }));
  await fs.store("/s/2", new InventoryItem({ unitPrice: 2, quantityOnHand: 2 }));
  await fs.store("/shop", new Shop({ names: ["/s/1", "/s/2"] }));
  const called = await fs.invoke("/shop", "total", [], { log: true });
  assert.equal(called.result, 5);
  assert.match(called.log ?? "", /sum of 2/);
  assert.equal(called.version, null);
});

test("bad paths are errors that name them", async () => {
  for (const path of ["", "relative", "/a/../b", "/a//b", "/./a", "/a\u0000b", "/a\nb", `/${"x".repeat(256)}`, `/${"é".repeat(128)}`, "/a".repeat(2100)]) {
    const error = await fails("bad_path", /./, fs.get(path));
    assert.equal(error.name, "BadPathError", path);
    await fails("bad_path", /./, fs.store(path, new InventoryItem()));
    await fails("bad_path", /./, fs.mkdir(path));
  }
});

test("what is missing is named", async () => {
  assert.equal((await fails("not_found", /\/nothing/, fs.get("/nothing"))).path, "/nothing");
  await fails("not_found", /\/nothing/, fs.call("/nothing", "m"));
  await fails("not_found", /\/nothing/, fs.rm("/nothing"));
  await fs.store("/f", new InventoryItem());
  await fails("method_not_found", /fly/, fs.call("/f", "fly"));
  await fails("method_not_found", /./, fs.call("/f", "constructor"));
});

test("a method that fails, never ends or takes all memory is stopped, and changes nothing", async () => {
  class Bad extends EmergeObject {
    static override fields = { x: int(0) };
    declare x: number;
    fail(): void {
      this.x = 1;
      console.log("about to fail");
      throw new TypeError("this is wrong");
    }
    spin(): void {
      this.x = 2;
      for (;;) this.x += 1;
    }
    eat(): void {
      const all: unknown[] = [];
      for (;;) all.push(new Array(1_000_000).fill(this.x));
    }
    odd(): unknown {
      return () => 1;
    }
  }
  await fs.store("/bad", new Bad());
  const failed = await fails("method_failed", /this is wrong/, fs.call("/bad", "fail"));
  assert.match(failed.trace ?? "", /fail/);
  const logged = await fails("method_failed", /this is wrong/, fs.invoke("/bad", "fail", [], { log: true }));
  assert.deepEqual([failed.log, logged.log], [undefined, "about to fail\n"]);
  await fails("unmappable_value", /function/, fs.call("/bad", "odd"));
  await fails("out_of_memory", /./, fs.call("/bad", "eat"));
  const begun = Date.now();
  await fails("deadline_exceeded", /./, fs.call("/bad", "spin"));
  assert.ok(Date.now() - begun < 30_000);
  const now = await fs.get<Bad>("/bad");
  assert.deepEqual([now.x, now.meta.version], [0, 1]);
});

test("a free name is refused by its name when the class is stored", async () => {
  const outside = Math.random();
  class Closure extends EmergeObject {
    m(): number {
      return outside;
    }
  }
  await fails("class_invalid", /outside/, fs.store("/closure", new Closure()));
  assert.equal(await fs.exists("/closure"), false);
});

test("too much is refused by its limit", async () => {
  class Free extends EmergeObject {}
  await fails("too_large", /./, fs.store("/large", new Free({ bytes: new Uint8Array(LIMITS.MAX_STATE + 1) })));
  let deep: unknown = 1;
  for (let i = 0; i <= LIMITS.MAX_DEPTH; i += 1) deep = [deep];
  await fails("too_deep", /deep/, fs.store("/deep", new Free({ deep })));
  assert.equal(await fs.exists("/large"), false);
});

test("aborts and timeouts", async () => {
  const stop = new AbortController();
  const reading = fs.get("/inventory/widget", { signal: stop.signal });
  stop.abort();
  await fails("cancelled", /./, reading);
  await fails("cancelled", /./, fs.get("/inventory/widget", { signal: stop.signal }));
  class Slow extends EmergeObject {
    spin(): void {
      for (;;);
    }
  }
  await fs.store("/slow", new Slow());
  await fails("deadline_exceeded", /./, fs.invoke("/slow", "spin", [], { timeout: 200 }));
  assert.equal(fs.pending, 0);
});

test("a wrong or missing token, and a URL that is none", { timeout: 60_000 }, async () => {
  await fails("unauthenticated", /token/, connect(node.url, { token: "wrong" }));
  await fails("unauthenticated", /token/, connect(node.url));
  await fails("bad_argument", /not the URL/, connect("http://[bad"));
  await fails("bad_argument", /ftp/, connect("ftp://localhost"));
  const nobody = connect("ws://127.0.0.1:9", { token: "t", timeout: 300 });
  await fails("disconnected", /127\.0\.0\.1:9/, nobody);
});

test("what was asked for while the node was killed happens once, when it is back", { timeout: 300_000 }, async () => {
  const states: string[] = [];
  const stop = fs.onState((state) => states.push(state));
  class Counter extends EmergeObject {
    static override fields = { count: int(0), rate: float(1) };
    declare count: number;
    add(): number {
      this.count += 1;
      return this.count;
    }
  }
  await fs.store("/counter", new Counter());
  const calls = Array.from({ length: 200 }, () => fs.call("/counter", "add"));
  await Promise.race(calls);
  await node.kill();
  calls.push(...Array.from({ length: 50 }, () => fs.call("/counter", "add")));
  await node.start();
  const results = (await Promise.all(calls)) as number[];
  assert.deepEqual(results.sort((a, b) => a - b), Array.from({ length: 250 }, (_, i) => i + 1));
  const counter = await fs.get<Counter>("/counter");
  assert.deepEqual([counter.count, counter.meta.version], [250, 251]);
  assert.ok(states.includes("offline") || states.includes("resuming"), states.join());
  assert.equal(states.at(-1), "open");
  stop();
});

test("a closed connection says so, and closing twice is no error", async () => {
  const other = await connect(node.url, { token: node.token });
  const last = other.stat("/inventory/widget");
  await other.close();
  await other.close();
  assert.equal(other.state, "closed");
  assert.equal((await last).name, "widget");
  await fails("disconnected", /closed/, other.get("/inventory/widget"));
});

test("permissions, owners and groups", async () => {
  await fs.store("/rights/a", new InventoryItem());
  assert.equal(await fs.chmod("/rights/a", "o+r,g-x"), 2);
  assert.equal((await fs.stat("/rights/a")).perms, "rwxr--r--");
  assert.equal(await fs.chmod("/rights/a", 0o640), 3);
  assert.equal(await fs.chmod("/rights", "rwxrwxrwt", { recursive: true }), 2);
  assert.deepEqual([(await fs.stat("/rights")).perms, (await fs.stat("/rights/a")).perms], ["rwxrwxrwt", "rwxrwxrwt"]);
  await fs.chmod("/rights", "o-x");
  assert.equal((await fs.stat("/rights")).perms, "rwxrwxrwT");
  assert.equal(await fs.chown("/rights/a", { owner: "admin", group: "admin" }), 4);
  const history = await fs.history("/rights/a");
  assert.deepEqual(history.map((info) => [info.operation, info.author]).slice(0, 2), [["chmod", "admin"], ["chmod", "admin"]]);
  assert.equal((await fs.get("/rights/a", { version: 3 })).meta.perms, "rw-r-----");
  await fails("bad_argument", /u\+z/, fs.chmod("/rights/a", "u+z"));
  await fails("bad_argument", /owner or a group/, fs.chown("/rights/a", {}));
  await fails("not_found", /nothing/, fs.chmod("/rights/nothing", "777"));
});

test("rules of directories, pages of history, and purging", async () => {
  await fs.mkdir("/ruled/below");
  assert.equal(await fs.setRules("/ruled", { keep: "3 versions", mask: 0o007 }), 2);
  assert.deepEqual((await fs.stat("/ruled/below")).rules, {
    keep: "3 versions", mask: "007", keepFrom: "/ruled", maskFrom: "/ruled",
  });
  for (let unitPrice = 1; unitPrice <= 5; unitPrice += 1) await fs.store("/ruled/below/a", new InventoryItem({ unitPrice }));
  assert.equal((await fs.stat("/ruled/below/a")).perms, "rwxrwx---");
  assert.equal((await fs.stat("/ruled/below/a")).rules, null);
  const numbers = async (options?: { before?: number; limit?: number }): Promise<number[]> =>
    (await fs.history("/ruled/below/a", options)).map((info) => info.version);
  assert.deepEqual(await numbers(), [5, 4, 3]);
  assert.deepEqual([await numbers({ limit: 1 }), await numbers({ before: 5, limit: 1 })], [[5], [4]]);
  await fs.setRules("/ruled", { keep: "inherit", mask: "inherit" });
  assert.deepEqual((await fs.stat("/ruled")).rules, { keep: "default", mask: "027", keepFrom: null, maskFrom: null });
  await fails("bad_argument", /some versions/, fs.setRules("/ruled", { keep: "some versions" }));
  await fails("directory_not_empty", /ruled/, fs.purge("/ruled"));
  await fs.purge("/ruled/below/a");
  await fs.purge("/ruled", { recursive: true });
  assert.equal(await fs.exists("/ruled"), false);
});

test("users and groups that the node knows", async () => {
  const { accounts } = fs;
  await accounts.addGroup("js-staff");
  const token = await accounts.addUser("js-ada", { groups: ["js-staff"] });
  assert.match(token, /^[0-9a-f]{64}$/);
  assert.deepEqual((await accounts.groups()).find((group) => group.name === "js-staff"), { name: "js-staff", members: ["js-ada"] });
  assert.deepEqual((await accounts.users()).find((user) => user.name === "js-ada")?.groups, ["js-staff"]);
  const hers = await connect(node.url, { token, wasm });
  await fs.store("/private/secret", new InventoryItem());
  await fails("not_found", /private/, hers.get("/private/secret"));
  await fs.chown("/private", { group: "js-staff" });
  await fails("not_found", /secret/, hers.get("/private/secret"));
  assert.deepEqual(await hers.list("/private").toArray(), []);
  await fs.chown("/private/secret", { group: "js-staff" });
  assert.equal((await hers.get("/private/secret")).meta.group, "js-staff");
  await fails("permission_denied", /administrator/, hers.accounts.users());
  await accounts.leave("js-staff", "js-ada");
  await fails("not_found", /private/, hers.get("/private/secret"));
  await accounts.join("js-staff", "js-ada");
  await hers.get("/private/secret");
  await accounts.newToken("js-ada");
  await fails("unauthenticated", /js-ada/, hers.stat("/"));
  await hers.close();
  await accounts.removeUser("js-ada");
  await accounts.removeGroup("js-staff");
  await fails("not_found", /js-ada/, accounts.newToken("js-ada"));
});

test("listings by pattern and order, and directories as values", async () => {
  for (const [at, name] of ["b.txt", "a.txt", "c.md"].entries()) {
    await fs.store(`/sorted/${name}`, new InventoryItem({ unitPrice: at }));
  }
  const names = async (options: Parameters<typeof fs.list>[1]): Promise<string[]> =>
    (await fs.list("/sorted", options).toArray()).map((meta) => meta.name);
  assert.deepEqual(await names({ glob: "*.txt" }), ["a.txt", "b.txt"]);
  assert.deepEqual(await names({ sort: "created" }), ["b.txt", "a.txt", "c.md"]);
  assert.deepEqual(await names({ sort: "created", descending: true, pageSize: 1 }), ["c.md", "a.txt", "b.txt"]);
  assert.deepEqual(await names({ descending: true, glob: "{a,c}.*" }), ["c.md", "a.txt"]);
  const page = await fs.page("/sorted", { sort: "size", pageSize: 1 });
  assert.ok(page.next !== null);
  await fails("bad_argument", /cursor/, fs.page("/sorted", { sort: "name", descending: true, after: page.next }));
  await fails("bad_argument", /pattern/, fs.page("/sorted", { glob: "[" }));
  await fails("bad_argument", /sort must be one of name, /, fs.page("/sorted", { sort: "weight" as never }));
  const directory = await fs.get<Directory>("/sorted");
  assert.deepEqual((await directory.toArray()).map((meta) => meta.name), ["a.txt", "b.txt", "c.md"]);
  assert.equal(directory.meta.rules?.keep, "default");
  const parts: CopyProgress[] = [];
  await fs.cp("/sorted", "/sorted-copy", { recursive: true, onProgress: (part) => parts.push(part) });
  assert.deepEqual(parts, [{ copied: 4, path: "/sorted" }]);
  assert.equal((await fs.list("/sorted-copy").toArray()).length, 3);
  await fails("already_exists", /sorted-copy/, fs.cp("/sorted/a.txt", "/sorted-copy/c.md"));
});

test("what the node itself tells", async () => {
  await fs.store("/told/a", new InventoryItem({ unitPrice: 2, quantityOnHand: 3 }));
  const { id } = await fs.stat("/told/a");
  await fs.mv("/told/a", "/told/b");
  const found = await fs.get<InventoryItem>(`/registry/${id}`);
  assert.deepEqual([found.meta.path, found.meta.name, found.totalCost()], ["/told/b", "b", 6]);
  assert.equal(await fs.call(`/registry/${id}`, "totalCost"), 6);
  assert.ok((await fs.list("/registry").toArray()).some((meta) => meta.path === "/told/b" && meta.name === id));
  const told = await fs.get("/classes/InventoryItem");
  assert.match(told["source"] as string, /class InventoryItem/);
  const [only] = (await fs.get<Directory>("/nodes")).members;
  assert.equal(only?.type, "node");
  assert.equal((await fs.get(`/nodes/${only.name}`))["name"], only.name);
  await fails("permission_denied", /cannot be changed/, fs.store("/nodes/mine", new InventoryItem()));
  await fails("permission_denied", /cannot be changed/, fs.rm(`/registry/${id}`));
  assert.equal((await fs.list("/").toArray()).some((meta) => ["registry", "classes", "nodes"].includes(meta.name)), false);
});

test("a transaction commits as one, and its objects know it", async () => {
  const item = new InventoryItem({ unitPrice: 1, quantityOnHand: 5 });
  const seen = await fs.transaction(async (tx) => {
    await tx.store("/tx/a", item);
    assert.equal(await tx.proxy<InventoryItem>("/tx/a").sell(2), 3);
    assert.equal(await fs.exists("/tx/a"), false);
    const names = await tx.list("/tx").toArray();
    return names.map((meta) => meta.name);
  });
  assert.deepEqual(seen, ["a"]);
  const meta = await fs.stat("/tx/a");
  assert.equal(meta.version, 1);
  assert.equal(item.meta?.version, 1);
  assert.equal(item.meta.modified.getTime(), meta.modified.getTime());
  const fetched = await fs.get<InventoryItem>("/tx/a");
  assert.equal(fetched.quantityOnHand, 3);
  // A block that throws leaves nothing, and the objects as they were.
  const fresh = new InventoryItem({ unitPrice: 2 });
  await assert.rejects(fs.transaction(async (tx) => {
    await tx.store("/tx/b", fresh);
    fetched.unitPrice = 9;
    await tx.store("/tx/a", fetched);
    throw new TypeError("no");
  }), TypeError);
  assert.equal(fresh.meta, undefined);
  assert.equal(fetched.meta.version, 1);
  await fs.store("/tx/b", fresh);
  await fs.store("/tx/a", fetched);
  assert.equal((await fs.get<InventoryItem>("/tx/a")).unitPrice, 9);
});

test("a block runs again after a conflict, and says in the end what it was", async () => {
  await fs.store("/tx-again/a", new InventoryItem({ quantityOnHand: 100 }));
  let runs = 0;
  const sold = await fs.transaction(async (tx) => {
    runs += 1;
    const before = (await tx.get<InventoryItem>("/tx-again/a")).quantityOnHand;
    if (runs < 3) await fs.call("/tx-again/a", "sell", 1);
    return [before, await tx.call("/tx-again/a", "sell", 1)];
  });
  assert.deepEqual([runs, sold], [3, [98, 97]]);
  const error = await fails("conflict", /\/tx-again\/a/, fs.transaction(async (tx) => {
    await tx.call("/tx-again/a", "sell", 1);
    await fs.call("/tx-again/a", "sell", 1);
  }, { retries: 1 }));
  assert.equal(error.path, "/tx-again/a");
  assert.equal((await fs.get<InventoryItem>("/tx-again/a")).quantityOnHand, 95);
});

test("many stores of a transaction, not waited for one by one, are one commit", async () => {
  const items = Array.from({ length: 300 }, (_, i) => [`/tx-many/i${i}`, new InventoryItem({ quantityOnHand: i })] as const);
  await fs.transaction(async (tx) => {
    assert.equal(await tx.storeAll(items), 300);
  });
  const times = new Set((await fs.list("/tx-many").toArray()).map((meta) => meta.modified.getTime()));
  assert.equal(times.size, 1);
});

test("a named transaction is opened by one client and added to by another", async () => {
  const other = await connect(node.url, { token: node.token, wasm });
  const tx = await fs.begin({ name: "month end", lifetime: 60_000 });
  await tx.store("/tx-named/a", new InventoryItem({ quantityOnHand: 1 }));
  const found = await other.open("month end");
  assert.equal(found.id, tx.id);
  await found.store("/tx-named/b", new InventoryItem({ quantityOnHand: 2 }));
  assert.deepEqual((await other.transactions()).map(({ name, operations }) => [name, operations]), [["month end", 2]]);
  await fails("already_exists", /month end/, other.begin({ name: "month end" }));
  await found.commit();
  assert.deepEqual((await fs.list("/tx-named").toArray()).map((meta) => meta.name), ["a", "b"]);
  await fails("transaction_expired", /month end/, tx.rollback());
  await fails("not_found", /never/, fs.open("never"));
  await fails("limit_exceeded", /3600000/, fs.begin({ lifetime: 3_600_001 }));
  const short = await fs.begin({ lifetime: 1 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  await fails("transaction_expired", new RegExp(short.id), short.commit());
  await other.close();
});

test("changes are watched, in order, and from a token on", async () => {
  const seen = [];
  const watched = fs.watch("/watched/**");
  const item = await fs.store("/watched/a", new InventoryItem({ quantityOnHand: 1 }));
  await fs.call("/watched/a", "sell", 1);
  await fs.mv("/watched", "/watched-moved");
  await fs.store("/elsewhere/x", new InventoryItem());
  for await (const change of watched) {
    seen.push(change);
    if (change.kind === "moved") break;
  }
  assert.deepEqual(seen.map(({ kind, path, from, version }) => [kind, path, from, version]), [
    ["created", "/watched", null, 1],
    ["created", "/watched/a", null, 1],
    ["changed", "/watched/a", null, 2],
    ["moved", "/watched-moved", "/watched", 1],
  ]);
  assert.equal(seen[1]?.id, item.meta.id);
  assert.deepEqual([seen[3]?.directory, seen[1]?.directory, seen[2]?.author], [true, false, "admin"]);
  const again = [];
  for await (const change of fs.watch("/watched/**", { from: seen[1]?.token })) {
    again.push(change.kind);
    if (again.length === 2) break;
  }
  assert.deepEqual(again, ["changed", "moved"]);
  await fails("bad_argument", /pattern/, fs.watch("no path").toArray());
  await fails("bad_argument", /token/, fs.watch("/**", { from: "nothing" }).toArray());
  // A watch that is given up ends with that, as any stream does.
  await fails("cancelled", /./, fs.watch("/**", { signal: AbortSignal.timeout(20) }).toArray());
});

test("a search finds what a function wants, and tells on what it failed", async () => {
  for (let at = 0; at < 5; at += 1) await fs.store(`/found/i${at}`, new InventoryItem({ unitPrice: at, quantityOnHand: 10 - at }));
  class Free extends EmergeObject {}
  await fs.store("/found/odd", new Free({ unitPrice: null, inside: new InventoryItem({ unitPrice: 1 }) }));
  const paths = (items: { meta: { path: string } }[]): string[] => items.map((item) => item.meta.path);
  const directory = "/found";

  const cheap = fs.search<InventoryItem, { max: number }>((o: InventoryItem, p) => o.unitPrice < p.max, { max: 2 }, { directory, class: InventoryItem, order: "unitPrice" });
  const found = await cheap.toArray();
  assert.deepEqual(paths(found), ["/found/i0", "/found/i1"]);
  assert.ok(found[1] instanceof InventoryItem);
  assert.equal(found[1].totalCost(), 9);
  found[1].quantityOnHand = 1;
  assert.equal((await fs.store("/found/i1", found[1])).meta.version, 2);

  const failing = fs.search((o: { unitPrice: number }) => o.unitPrice.toFixed(0) === "3", null, { directory });
  assert.deepEqual(paths(await failing.toArray()), ["/found/i3"]);
  assert.deepEqual(failing.failures.map(({ path, error }) => [path, error.code]), [["/found/odd", "method_failed"]]);
  assert.match(String(failing.failures[0]?.error.message), /^TypeError: /);

  const ordered = { directory, class: "InventoryItem", order: "unitPrice", descending: true, pageSize: 2, limit: 3 };
  assert.deepEqual(paths(await fs.search(null, null, ordered).toArray()), ["/found/i4", "/found/i3", "/found/i2"]);
  const first = await fs.search(null, null, ordered).page();
  assert.deepEqual(paths(first.items), ["/found/i4", "/found/i3"]);
  assert.deepEqual(paths((await fs.search(null, null, ordered).page(String(first.next))).items), ["/found/i2"]);
  await fails("bad_argument", /cursor/, fs.search(null, null, { directory }).page(String(first.next)));

  assert.equal(await fs.search("o => o.unitPrice >= 3", null, { directory }).count(), 2);
  assert.equal(await fs.search("o => o.unitPrice >= 3", null, { directory, order: "unitPrice", limit: 1, fields: ["unitPrice"] }).count(), 1);
  const groups = await fs.search(null, null, { directory }).groupBy("unitPrice", { most: { max: "quantityOnHand" } });
  assert.deepEqual(groups[0], { key: null, count: 1, most: null });
  assert.deepEqual(groups[1], { key: 0, count: 1, most: 10 });
  const [some] = await fs.search((o: { unitPrice: unknown }) => o.unitPrice === 4, null, { directory, fields: ["unitPrice"] }).toArray();
  assert.deepEqual({ ...some }, { unitPrice: 4 });
  const plan = await fs.search((o: { unitPrice: unknown }) => o.unitPrice === 4, null, { directory }).explain();
  assert.deepEqual([plan.access, plan.sandbox, plan.seen, plan.sandboxed, plan.found], ["tree", null, 6, 0, 1]);

  const outside = 3;
  const free = await fails("bad_argument", /outside/, fs.search((o: { unitPrice: number }) => o.unitPrice < outside).count());
  assert.equal(free.field, "outside");
  await fails("not_found", /nowhere/, fs.search(null, null, { directory: "/nowhere" }).toArray());
  await fails("bad_argument", /total/, fs.search().groupBy("x", { total: { middle: "y" } as never }));
});

test("a method searches in its transaction", async () => {
  class Finder extends EmergeObject {
    declare names: string[];
    static override fields = { names: list() };
    async find(max: number): Promise<string[]> {
      const names: string[] = [];
      // On the node this is the file system of the method's transaction.
      for await (const item of fs.search((o: { unitPrice: number }, p: { max: number }) => o.unitPrice < p.max, { max }, { directory: "/sought", order: "unitPrice" })) {
        names.push(item.meta.name);
      }
      this.names = names;
      return names;
    }
  }
  for (let at = 0; at < 3; at += 1) await fs.store(`/sought/i${at}`, new InventoryItem({ unitPrice: at }));
  await fs.store("/finder", new Finder());
  assert.deepEqual(await fs.call("/finder", "find", 1.5), ["i0", "i1"]);
});

test("an index finds the same, and keeps values unique", async () => {
  class Stamp extends EmergeObject {
    declare serial: number;
    static override fields = { serial: int(0) };
  }
  await fs.store("/stamps/a", new Stamp({ serial: 1 }));
  const made = await fs.createIndex(Stamp, "serial", { unique: true });
  assert.deepEqual([made.class, made.field, made.unique], ["Stamp", "serial", true]);
  for (let tries = 0; tries < 200 && !(await fs.indexes()).every((index) => index.ready); tries += 1) await new Promise((done) => setTimeout(done, 50));
  const search = fs.search((o: Stamp) => o.serial === 1, null, { class: Stamp });
  assert.deepEqual((await search.toArray()).map((stamp) => stamp.meta.path), ["/stamps/a"]);
  const plan = await search.explain();
  assert.deepEqual([plan.access, plan.index, plan.ranges, plan.seen], ["index", "Stamp serial", ["serial === 1"], 1]);
  const error = await fails("not_unique", /serial/, fs.store("/stamps/b", new Stamp({ serial: 1 })));
  assert.deepEqual([error.field, error.path], ["serial", "/stamps/a"]);
  await fails("already_exists", /unique/, fs.createIndex("Stamp", "serial"));
  assert.equal(await fs.dropIndex(Stamp, "serial"), true);
  assert.equal(await fs.dropIndex(Stamp, "serial"), false);
});
