// What is wrong gets a typed error that names it, and leaves the store as it was.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import {
  type Connection, connect, EmergeError, EmergeObject, type ErrorCode, float, int, LIMITS, list,
} from "emerge-client";
import { launch } from "./browser.js";
import { root, TestNode } from "./node.js";

class Counter extends EmergeObject {
  static override readonly fields = { count: int(0), rate: float(1), items: list() };
  declare count: number;
  declare rate: number;
  declare items: unknown[];

  add(by = 1): number {
    this.count += by;
    return this.count;
  }

  fail(): never {
    this.count = 99;
    throw new TypeError("no more of this");
  }

  forever(): void {
    for (;;) this.count += 1;
  }

  hoard(): void {
    const all = [];
    for (;;) all.push(new Array(100_000).fill(this.count));
  }

  odd(): unknown {
    return () => 1;
  }
}

let node: TestNode;
let fs: Connection;

before(async () => {
  node = await TestNode.start();
  fs = await connect(node.url, { token: node.token });
  await fs.store("/c", new Counter({ count: 1 }));
});

after(async () => {
  await fs?.close();
  await node?.[Symbol.asyncDispose]();
});

async function refused(code: ErrorCode, work: () => Promise<unknown>, more: Partial<EmergeError> = {}): Promise<EmergeError> {
  let thrown: unknown;
  try {
    await work();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof EmergeError, `an EmergeError ${code} was expected, not ${String(thrown)}`);
  assert.equal(thrown.code, code, thrown.message);
  for (const [key, value] of Object.entries(more)) assert.deepEqual(thrown[key as keyof EmergeError], value, `${key}: ${thrown.message}`);
  const { version } = await fs.stat("/c");
  assert.equal(version, 1, "the store has changed");
  return thrown;
}

test("a wrong or a missing token", async () => {
  await refused("unauthenticated", () => connect(node.url, { token: "wrong" }));
  await refused("unauthenticated", () => connect(node.url));
});

test("a node that is not there, an address that is none", async () => {
  await refused("disconnected", () => connect("ws://127.0.0.1:1", { timeout: 300 }));
  await refused("bad_argument", () => connect("ftp://localhost"), { field: "url" });
  await refused("bad_argument", () => connect("not a url"), { field: "url" });
});

test("paths with .., empty segments, control characters, long segments", async () => {
  for (const path of ["/a/../b", "/a//b", "/a\u0001b", "relative", "", `/${"x".repeat(256)}`, "/a#b["]) {
    await refused("bad_path", () => fs.get(path));
    await refused("bad_path", () => fs.store(path, new Counter()));
  }
  await refused("bad_path", () => fs.get(`/${"x".repeat(256)}`), { limit: LIMITS.MAX_SEGMENT });
  // A path into an object is read, and nothing is stored there.
  await refused("not_found", () => fs.get("/a#b"), { path: "/a" });
  await refused("bad_path", () => fs.store("/a#b", new Counter()));
  await refused("bad_argument", () => fs.get(undefined as unknown as string), { field: "path" });
});

test("what is not there", async () => {
  await refused("not_found", () => fs.get("/nothing/here"), { path: "/nothing/here" });
  await refused("not_found", () => fs.call("/nothing", "add"));
  await refused("not_found", () => fs.get("/c", { version: 7 }));
  await refused("method_not_found", () => fs.call("/c", "subtract"));
  await refused("not_found", () => fs.rm("/nothing"));
  await refused("not_found", () => fs.list("/nothing").toArray());
});

test("a method that throws shows the user's own line", async () => {
  const error = await refused("method_failed", () => fs.call("/c", "fail"));
  assert.match(error.message, /no more of this/);
  assert.match(error.trace ?? "", /fail/);
});

test("a method that never ends, one that hoards, one that returns what cannot travel", { timeout: 60_000 }, async () => {
  await refused("deadline_exceeded", () => fs.call("/c", "forever"));
  await refused("out_of_memory", () => fs.call("/c", "hoard"));
  await refused("unmappable_value", () => fs.call("/c", "odd"));
});

test("values without a mapping name the field and leave nothing behind", async () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const [items, field] of [
    [[1, () => 2], "items[1]"],
    [cycle, "items[0]"],
    [[{ deep: [Symbol("s")] }], "items[0].deep[0]"],
    [[new WeakMap()], "items[0]"],
  ] as const) {
    await refused("unmappable_value", () => fs.store("/new", new Counter({ items })), { field });
  }
  await refused("bad_argument", () => fs.store("/new", new Counter({ count: 1.5 })), { field: "count" });
  await refused("bad_argument", () => fs.store("/new", new Counter({ rate: "fast" })), { field: "rate" });
  await refused("unmappable_value", () => fs.call("/c", "add", () => 1), { field: "args[0]" });
  await refused("unmappable_value", () => fs.store("/new", { count: 1 } as unknown as Counter), { path: "/new" });
  assert.equal(await fs.exists("/new"), false);
});

test("a value that is too deep", async () => {
  let deep: unknown[] = [];
  for (let i = 0; i < LIMITS.MAX_DEPTH + 1; i += 1) deep = [deep];
  await refused("too_deep", () => fs.store("/new", new Counter({ items: deep })), { limit: LIMITS.MAX_DEPTH });
});

test("a field that the class does not declare", async () => {
  await refused("bad_argument", async () => new Counter({ cuont: 1 }), { field: "cuont" });
  const later = Object.assign(new Counter({ count: 1 }), { cuont: 1 });
  await refused("bad_argument", () => fs.store("/new", later), { field: "cuont" });
  await refused("bad_argument", () => fs.set("/c#cuont", 1), { field: "cuont" });
});

test("a method that has no time", async () => {
  await refused("bad_argument", () => fs.invoke("/c", "add", [1], { deadline: 0 }), { field: "deadline" });
});

test("a method with a free name", async () => {
  const elsewhere = 3;
  class Closes extends EmergeObject {
    more(): number {
      return elsewhere;
    }
  }
  const error = await refused("class_invalid", () => fs.store("/new", new Closes()), { field: "elsewhere" });
  assert.match(error.message, /elsewhere/);
  assert.equal(await fs.exists("/new"), false);
});

test("a proxy asked for then, constructor or __proto__", async () => {
  const proxy = fs.proxy("/c") as Record<string, unknown>;
  assert.equal(proxy["then"], undefined);
  assert.equal(await Promise.resolve(proxy), proxy);
  await refused("bad_argument", async () => proxy["constructor"], { field: "constructor" });
  await refused("bad_argument", async () => proxy["__proto__"], { field: "__proto__" });
  await refused("bad_argument", async () => (proxy["count"] = 3), { field: "count" });
});

/** Another site: it has a copy of the package, and a page of its own. */
async function otherSite(): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const name = request.url === "/" ? undefined : request.url?.slice(1);
    const type = name === undefined ? "text/html" : name.endsWith(".wasm") ? "application/wasm" : "text/javascript";
    response.setHeader("content-type", type);
    if (name === undefined) response.end("<!doctype html><title>stranger</title>");
    else createReadStream(join(root, "www/dist/emerge-client", name)).on("error", () => response.destroy()).pipe(response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close: () => server.close() };
}

test("a page of a foreign origin, and a DOM node as a value", { timeout: 120_000 }, async () => {
  const elsewhere = await otherSite();
  const browser: Browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(node.page("/"));
    await page.locator("#state[data-state=open]").waitFor();
    const code = await page.evaluate(async () => {
      const address = "/emerge-client/index.js";
      const { connect, EmergeObject, any } = (await import(address)) as typeof import("emerge-client");
      class Holder extends EmergeObject {
        static override readonly fields = { node: any() };
      }
      const fs = await connect();
      try {
        await fs.store("/holder", new Holder({ node: document.body }));
        return "stored";
      } catch (error) {
        const { code, field } = error as { code: string; field: string };
        return `${code} ${field}`;
      } finally {
        await fs.close();
      }
    });
    assert.equal(code, "unmappable_value node");

    const stranger = await browser.newPage();
    await stranger.goto(elsewhere.url);
    const started = Date.now();
    const refusal = await stranger.evaluate(
      async ({ address, token }) => {
        const module = "/index.js";
        const { connect } = (await import(module)) as typeof import("emerge-client");
        try {
          await connect(address, { token });
          return "open";
        } catch (error) {
          const { code, message } = error as { code: string; message: string };
          return `${code}: ${message}`;
        }
      },
      { address: node.url, token: node.token },
    );
    assert.match(refusal, /^forbidden_origin: .*http:\/\/127\.0\.0\.1:\d+.*--allow-origin/);
    assert.ok(Date.now() - started < 10_000, "it is told at once, not after a timeout");
  } finally {
    await browser.close();
    elsewhere.close();
  }
});

test("a conflict, and how it is overruled", async () => {
  const path = "/conflict";
  await fs.store(path, new Counter({ count: 1 }));
  const mine = await fs.get<Counter>(path);
  const theirs = await fs.get<Counter>(path);
  theirs.count = 2;
  await fs.store(path, theirs);
  mine.rate = 5;
  await refused("conflict", () => fs.store(path, mine));
  await fs.store(path, mine, { overwrite: true });
  const now = await fs.get<Counter>(path);
  assert.deepEqual([now.count, now.rate, now.meta.version], [2, 5, 3]);
  await refused("already_exists", () => fs.store(path, new Counter(), { create: true }));
});
