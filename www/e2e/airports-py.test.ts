// The real data from Python: stored by a Python class from a notebook in the browser and from CPython; each language calls the other's objects.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { type Connection, connect, EmergeObject, float, text } from "emerge-client";
import type { Browser, Page } from "playwright-core";
import { airportsFile, distance, readAirports } from "./airports.js";
import { launch, picture } from "./browser.js";
import { cell, ended, press, pythonIsReady } from "./cells.js";
import { root, TestNode } from "./node.js";

class Airport extends EmergeObject {
  static override readonly fields = { iata: text(""), latitude: float(0), longitude: float(0) };
  declare iata: string;
  declare latitude: number;
  declare longitude: number;

  distanceTo(latitude: number, longitude: number): number {
    const radians = (degrees: number): number => (degrees * Math.PI) / 180;
    const [a, b, turn] = [radians(this.latitude), radians(latitude), radians(longitude - this.longitude)];
    return 6371.0088 * Math.acos(Math.min(1, Math.sin(a) * Math.sin(b) + Math.cos(a) * Math.cos(b) * Math.cos(turn)));
  }
}

const HERE = [39.1, -94.58] as const;
const example = join(root, "pyodide/examples/airports.py");
const rows = readAirports();
const seattle = rows.find((row) => row.iata === "SEA");
const wanted = seattle === undefined ? NaN : distance(seattle, ...HERE);
let node: TestNode;
let browser: Browser;
let page: Page;
let fs: Connection;

before(async () => {
  node = await TestNode.start();
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 1280, height: 1000 }, colorScheme: "light" });
  fs = await connect(node.url, { token: node.token });
  assert.ok(seattle);
  await fs.store("/airports/SEA", new Airport({ iata: "SEA", latitude: seattle.latitude, longitude: seattle.longitude }));
  await page.goto(node.notebook);
  await pythonIsReady(page);
});

after(async () => {
  await fs?.close();
  await browser?.close();
  await node?.[Symbol.asyncDispose]();
});

async function stored(version: number): Promise<void> {
  const versions = [];
  for await (const member of fs.list("/airports-py")) versions.push(member.version);
  assert.equal(versions.length, rows.length);
  assert.ok(versions.every((each) => each === version));
}

test("the notebook's own example runs as it stands", { timeout: 120_000 }, async () => {
  const count = await page.locator(".cell").count();
  for (let at = 0; at < count; at += 1) {
    await press(page, at);
    const shown = await ended(page, at);
    assert.ok(shown.ok, shown.text);
  }
  await picture(page, "notebook");
});

test("the notebook stores all airports by a Python class", { timeout: 180_000 }, async () => {
  const defined = await cell(page, readFileSync(example, "utf8"));
  assert.ok(defined.ok, defined.text);
  const shown = await cell(page, `await store_airports(${JSON.stringify(readFileSync(airportsFile(), "utf8"))})`, 120_000);
  assert.equal(shown.text, String(rows.length));
  await stored(1);
});

test("JavaScript calls the method of a Python object", async () => {
  const far = (await fs.call("/airports-py/SEA", "distance_to", ...HERE)) as number;
  assert.ok(Math.abs(far - wanted) < 1e-6, String(far));
  const on = await browser.newPage();
  await on.goto(node.page());
  await on.waitForSelector('#state[data-state="open"]');
  const seen = await on.evaluate(async ([latitude, longitude]) => {
    const address = "/emerge-client/index.js";
    const { connect } = (await import(address)) as typeof import("emerge-client");
    const fs = await connect();
    try {
      return await fs.call("/airports-py/SEA", "distance_to", latitude, longitude);
    } finally {
      await fs.close();
    }
  }, HERE);
  assert.equal(seen, far);
});

test("the notebook calls the method of a JavaScript object, waiting and plainly", async () => {
  const call = `"/airports/SEA", "distanceTo", ${HERE.join(", ")}`;
  const shown = await cell(page, `fs = emerge.connect()\nfs.call(${call}), await fs.aio.call(${call})`);
  assert.ok(shown.ok, shown.text);
  for (const far of shown.text.replace(/[()]/g, "").split(", ")) assert.ok(Math.abs(Number(far) - wanted) < 1e-6, shown.text);
});

test("CPython stores them again, by the same file", { timeout: 120_000 }, async () => {
  const env = { ...process.env, EMERGE_URL: node.url, EMERGE_TOKEN: node.token, PYTHONPATH: join(root, "pyodide/src") };
  const { stdout } = await promisify(execFile)("python3", [example, airportsFile()], { env });
  assert.equal(stdout.trim(), `${rows.length} airports are stored under /airports-py`);
  await stored(2);
});
