import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import { EmergeError, FileSystem } from "../src/index.js";
import { InventoryItem } from "./classes.js";
import { MemoryTransport } from "./memory.js";

async function made(): Promise<{ node: MemoryTransport; proxy: Record<string, (...args: unknown[]) => Promise<unknown>> }> {
  const node = new MemoryTransport();
  const fs = new FileSystem(node);
  await fs.store("/a", new InventoryItem());
  node.names();
  return { node, proxy: fs.proxy("/a") };
}

test("a property of a proxy is a method that runs on the node", async () => {
  const { node, proxy } = await made();
  assert.deepEqual(await proxy["sell"]?.(2, "x"), [2, "x"]);
  assert.deepEqual(node.names(), ["call"]);
  assert.equal(proxy["sell"], proxy["sell"]);
});

test("a proxy may be awaited and returned by async functions: it is not a promise", async () => {
  const { node, proxy } = await made();
  const same = await (async () => Promise.resolve(proxy))();
  assert.equal(same, proxy);
  assert.equal((proxy as { then?: unknown }).then, undefined);
  assert.equal("then" in proxy, false);
  assert.deepEqual(node.asked, []);
});

test("names by which JavaScript reaches into objects are errors that name them", async () => {
  const { node, proxy } = await made();
  for (const name of ["constructor", "__proto__", "prototype", "__defineGetter__", "__lookupSetter__"]) {
    assert.throws(() => proxy[name], (error) => {
      assert.ok(error instanceof EmergeError);
      assert.equal(error.code, "bad_argument");
      assert.equal(error.path, "/a");
      assert.equal(error.field, name);
      assert.match(error.message, new RegExp(name));
      return true;
    });
    assert.equal(name in proxy, false);
  }
  assert.deepEqual(node.asked, []);
});

test("a proxy cannot be written to, nor given a prototype", async () => {
  const { proxy } = await made();
  const free = proxy as Record<string, unknown>;
  assert.throws(() => (free["x"] = 1), { code: "bad_argument", field: "x" });
  assert.throws(() => (free["__proto__"] = {}), { code: "bad_argument" });
  assert.throws(() => Reflect.deleteProperty(free, "x"), { code: "bad_argument" });
  assert.throws(() => Object.defineProperty(free, "x", { value: 1 }), { code: "bad_argument" });
  assert.throws(() => Object.setPrototypeOf(free, {}), { code: "bad_argument" });
});

test("symbols are not asked of the node: a console and a template can show a proxy or refuse it", async () => {
  const { node, proxy } = await made();
  assert.equal(typeof inspect(proxy), "string");
  assert.equal((proxy as unknown as Record<symbol, unknown>)[Symbol.iterator], undefined);
  assert.equal((proxy as unknown as Record<symbol, unknown>)[Symbol.toPrimitive], undefined);
  assert.deepEqual(Object.keys(proxy), []);
  assert.deepEqual(node.asked, []);
});

test("a proxy is no value: storing it is an error", async () => {
  const node = new MemoryTransport();
  const fs = new FileSystem(node);
  const proxy = fs.proxy("/a");
  await assert.rejects(fs.call("/a", "m", proxy), { name: "UnmappableValueError" });
  await assert.rejects(fs.store("/b", proxy as never), { name: "UnmappableValueError" });
});
