// The main job on real data: a class made in a page, 3,376 objects stored, the node killed in the middle.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, type Connection } from "emerge-client";
import type { Browser, Page } from "playwright-core";
import { distance, nearest, readAirports } from "./airports.js";
import { launch, picture, watch } from "./browser.js";
import { TestNode } from "./node.js";

const rows = readAirports();
const HERE = { lat: 39.1, lon: -94.58 };
let node: TestNode;
let browser: Browser;
let page: Page;
let problems: string[];
let fs: Connection;

before(async () => {
  node = await TestNode.start();
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 1480, height: 1070 }, colorScheme: "light" });
  problems = watch(page);
  await page.goto(node.page("/examples/airports"));
  fs = await connect(node.url, { token: node.token });
});

after(async () => {
  await fs?.close();
  await browser?.close();
  await node?.[Symbol.asyncDispose]();
});

test("the page connects and takes the token out of the address bar", async () => {
  await page.waitForSelector('#state[data-state="open"]');
  assert.doesNotMatch(page.url(), /token/);
});

test("all airports are stored, though the node is killed in the middle", async () => {
  assert.equal(rows.length, 3376);
  await page.waitForSelector("#store:not([disabled])");
  assert.equal(await page.textContent("#stored"), "0 of 3,376");
  // The page itself says when: a poll from here would come too late.
  let killing: Promise<void> | undefined;
  await page.exposeFunction("killNode", () => (killing = node.kill()));
  await page.evaluate(() => {
    const stored = document.querySelector("#stored");
    const progress = document.querySelector("progress");
    const watcher = new MutationObserver(() => {
      if ((progress?.value ?? 0) < 400) return;
      watcher.disconnect();
      void (window as unknown as { killNode(): Promise<void> }).killNode();
    });
    if (stored) watcher.observe(stored, { childList: true });
  });
  await page.click("#store");
  await page.waitForSelector('#state:not([data-state="open"])');
  const acknowledged = await page.evaluate(() => document.querySelector("progress")?.value ?? 0);
  assert.ok(acknowledged >= 400 && acknowledged < rows.length, `${acknowledged} were stored when the node was killed`);
  await killing;
  await picture(page, "airports-offline");
  await node.start();
  await page.waitForFunction(() => document.querySelector("#stored")?.textContent?.startsWith("All 3,376") === true, undefined, {
    timeout: 120_000,
  });
  assert.equal(await page.textContent("#problem"), "");
  assert.equal(await page.getAttribute("#state", "data-state"), "open");
});

test("each airport is there exactly once, with one version", async () => {
  const versions = new Map<string, number>();
  let listed = 0;
  for await (const member of fs.list("/airports")) {
    listed += 1;
    assert.equal(member.class, "Airport");
    versions.set(member.name, member.version);
  }
  assert.equal(listed, rows.length);
  assert.deepEqual([...versions.keys()].sort(), rows.map((row) => row.iata).sort());
  assert.deepEqual([...versions].filter(([, version]) => version !== 1), []);
  for (let at = 0; at < rows.length; at += 64) {
    await Promise.all(
      rows.slice(at, at + 64).map(async (row) => {
        const path = `/airports/${row.iata}`;
        const [history, airport] = await Promise.all([fs.history(path), fs.get(path)]);
        assert.deepEqual(history.map(({ version, method }) => [version, method]), [[1, null]], path);
        const { iata, name, city, latitude, longitude } = airport as unknown as typeof row;
        assert.deepEqual({ iata, name, city, latitude, longitude }, row);
      }),
    );
  }
});

test("a method runs on the node for one airport", async () => {
  await page.fill("#code", "SEA");
  await page.click("#one button");
  await page.waitForFunction(() => / km in /.test(document.querySelector("#one-result")?.textContent ?? ""));
  const sea = rows.find((row) => row.iata === "SEA");
  assert.ok(sea);
  const said = await page.textContent("#one-result");
  assert.equal(said?.split(" in ")[0], `${distance(sea, HERE.lat, HERE.lon).toFixed(1)} km`);
  await page.fill("#code", "NONE");
  await page.click("#one button");
  await page.waitForFunction(() => /not_found/.test(document.querySelector("#problem")?.textContent ?? ""));
});

async function shownNearest(): Promise<{ code: string; distance: string }[]> {
  return page.$$eval("#nearest li", (items) =>
    items.map((item) => ({
      code: item.getAttribute("data-code") ?? "",
      distance: item.querySelector(".distance")?.textContent ?? "",
    })),
  );
}

async function searchEnds(): Promise<void> {
  const ended = (): boolean => / calls in /.test(document.querySelector("#all-result")?.textContent ?? "");
  await page.waitForFunction(ended, undefined, { timeout: 120_000 });
}

test("it runs for all of them, and the ten nearest are right", async () => {
  await page.click("#all");
  await searchEnds();
  assert.match((await page.textContent("#all-result")) ?? "", /^3,376 calls in [\d.]+ m?s$/);
  const expected = nearest(rows, HERE.lat, HERE.lon).map(({ code, distance }) => ({ code, distance: `${distance.toFixed(1)} km` }));
  assert.deepEqual(await shownNearest(), expected);
  await page.fill("#code", "SEA");
  await page.click("#one button");
  await page.waitForSelector("#one-result b");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.mouse.move(10, 10);
  await picture(page, "airports");
  await page.emulateMedia({ colorScheme: "light" });
});

test("a click on the map chooses another point", async () => {
  const box = await page.locator("#map svg").boundingBox();
  assert.ok(box);
  await page.mouse.click(box.x + box.width * 0.3, box.y + box.height * 0.55);
  await searchEnds();
  const [lat, lon] = await Promise.all(["#lat", "#lon"].map(async (id) => Number(await page.inputValue(id))));
  assert.ok(lat !== undefined && lon !== undefined && lat > 25 && lat < 49 && lon > -124 && lon < -95);
  assert.deepEqual((await shownNearest()).map(({ code }) => code), nearest(rows, lat, lon).map(({ code }) => code));
});

test("the command reads what the page stored", async () => {
  const lines = (await node.emerge("ls", "--json", "/airports")).trim().split("\n");
  const listed = lines.map((line) => JSON.parse(line) as { name: string; version: number });
  assert.equal(listed.length, rows.length);
  assert.ok(listed.every(({ version }) => version === 1));
  const said = await node.emerge("call", "/airports/SEA", "distanceTo", String(HERE.lat), String(HERE.lon));
  const sea = rows.find((row) => row.iata === "SEA");
  assert.ok(sea && Math.abs(Number(said) - distance(sea, HERE.lat, HERE.lon)) < 1e-6, said);
});

test("a page that is opened later finds all of them stored", async () => {
  const later = await browser.newPage();
  await later.goto(node.page("/examples/airports"));
  await later.waitForFunction(() => document.querySelector("#stored")?.textContent === "All 3,376 are stored");
  assert.equal(await later.isDisabled("#store"), true);
  await later.close();
});

test("nothing went wrong in the page unseen", () => assert.deepEqual(problems, []));
