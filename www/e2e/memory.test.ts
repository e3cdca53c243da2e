// 100,000 gets in one tab: the client's wasm must not grow, and the page's own heap must not either.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { connect, EmergeObject, float, text } from "emerge-client";
import { launch, watch } from "./browser.js";
import { TestNode } from "./node.js";

class Item extends EmergeObject {
  static override readonly fields = { name: text(""), price: float(0) };
}

let node: TestNode;
let browser: Browser;

before(async () => {
  node = await TestNode.start();
  await using fs = await connect(node.url, { token: node.token });
  await fs.store("/items/one", new Item({ name: "x".repeat(160), price: 1 }));
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await node?.[Symbol.asyncDispose]();
});

test("100,000 gets leave the memory of the wasm and of the page as it was", { timeout: 240_000 }, async () => {
  const page = await browser.newPage();
  const problems = watch(page);
  await page.goto(node.page("/"));
  const run = (count: number): Promise<{ wasm: number; heap: number; got: number }> =>
    page.evaluate(async (count) => {
      const scope = globalThis as unknown as { memories?: WebAssembly.Memory[]; client?: Promise<unknown> };
      const address = "/emerge-client/index.js";
      const { connect } = (await import(address)) as typeof import("emerge-client");
      scope.client ??= connect();
      const fs = (await scope.client) as Awaited<ReturnType<typeof connect>>;
      let got = 0;
      let asked = 0;
      const worker = async (): Promise<void> => {
        while (asked < count) {
          asked += 1;
          const item = await fs.get("/items/one");
          if (item["price"] === 1 && item.meta.version === 1) got += 1;
        }
      };
      await Promise.all(Array.from({ length: 64 }, worker));
      const { usedJSHeapSize } = (performance as unknown as { memory: { usedJSHeapSize: number } }).memory;
      return { wasm: (scope.memories ?? []).reduce((sum, memory) => sum + memory.buffer.byteLength, 0), heap: usedJSHeapSize, got };
    }, count);
  await page.addInitScript(() => {
    // The memory is the module's own, so the test looks at what is instantiated.
    const scope = globalThis as unknown as { memories: WebAssembly.Memory[] };
    scope.memories = [];
    const keep = (instance: WebAssembly.Instance): void => {
      for (const value of Object.values(instance.exports)) if (value instanceof WebAssembly.Memory) scope.memories.push(value);
    };
    for (const name of ["instantiate", "instantiateStreaming"] as const) {
      const original = WebAssembly[name].bind(WebAssembly) as (...args: unknown[]) => Promise<unknown>;
      Object.assign(WebAssembly, {
        [name]: async (...args: unknown[]) => {
          const made = await original(...args);
          keep(made instanceof WebAssembly.Instance ? made : (made as WebAssembly.WebAssemblyInstantiatedSource).instance);
          return made;
        },
      });
    }
  });
  await page.reload();
  const before = await run(5_000);
  assert.ok(before.wasm > 0, "the test must see the wasm's memory");
  const now = await run(100_000);
  assert.equal(now.got, 100_000);
  assert.equal(now.wasm, before.wasm, "the wasm's memory grew");
  assert.ok(now.heap < before.heap + 30e6, `the page's heap grew from ${before.heap} to ${now.heap} bytes`);
  assert.deepEqual(problems, []);
});
