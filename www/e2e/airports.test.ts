// The main job on real data: a class made in a page, 3,376 objects stored, the node killed in the middle.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { type Connection, connect } from "emerge-client";
import { launch, watch } from "./browser.js";
import { TestNode } from "./node.js";

const AIRPORTS = 3376;
const root = join(process.env["WWW"] ?? ".", "..");

let node: TestNode;
let browser: Browser;
let page: Page;
let fs: Connection;
let problems: string[];

before(async () => {
  node = await TestNode.start();
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
  problems = watch(page);
});

after(async () => {
  await fs?.close();
  await browser?.close();
  await node?.[Symbol.asyncDispose]();
});

test("the page connects and takes the token out of the address bar", async () => {
  await page.goto(node.page("/examples/airports"));
  await page.locator("#state[data-state=open]").waitFor();
  assert.doesNotMatch(page.url(), /token/);
});

test("storing all survives kill -9 of the node in the middle", { timeout: 300_000 }, async () => {
  await page.locator("#store").click();
  const stored = (): Promise<number> => page.locator("#progress").evaluate((bar) => (bar as HTMLProgressElement).value);
  await waitUntil(async () => (await stored()) > 300);
  await node.kill();
  const atKill = await stored();
  assert.ok(atKill < AIRPORTS, `the node was killed after ${atKill} airports; it has to be in the middle`);
  await page.locator("#state:is([data-state=offline], [data-state=resuming])").waitFor();
  await node.start();
  await waitUntil(async () => (await stored()) === AIRPORTS, 240_000);
  assert.equal(await page.locator("#problem").textContent(), "");
});

test("each airport is there exactly once, in its first version", { timeout: 120_000 }, async () => {
  fs = await connect(node.url, { token: node.token });
  const members = await fs.list("/airports").toArray();
  assert.equal(members.length, AIRPORTS);
  assert.equal(new Set(members.map((member) => member.id)).size, AIRPORTS);
  assert.deepEqual(
    members.filter((member) => member.version !== 1 || member.class !== "Airport").map((member) => member.name),
    [],
  );
  const histories = await Promise.all(members.map((member) => fs.history(member.path)));
  assert.ok(histories.every((history) => history.length === 1 && history[0]?.version === 1));
});

test("one airport and all of them measure on the node", { timeout: 240_000 }, async () => {
  await page.locator("#lat").fill("47.61");
  await page.locator("#lon").fill("-122.33");
  await page.locator("#code").fill("SEA");
  await page.locator("#one button").click();
  await page.locator("#one-result b").waitFor();
  const shown = Number.parseFloat((await page.locator("#one-result b").textContent()) ?? "");
  assert.ok(Math.abs(shown - Number(await fs.call("/airports/SEA", "distanceTo", 47.61, -122.33))) < 0.1);

  await page.locator("#all").click();
  await page.locator("#all-result", { hasText: /3,376 calls in/ }).waitFor({ timeout: 200_000 });
  const nearest = await page.locator("#nearest li").evaluateAll((items) => items.map((item) => item.getAttribute("data-code")));
  assert.equal(nearest.length, 10);
  assert.equal(nearest[0], "BFI");
  assert.ok(nearest.includes("SEA"));
  const distances = (await page.locator("#nearest .distance").allTextContents()).map(Number.parseFloat);
  assert.deepEqual(distances, [...distances].sort((a, b) => a - b));
});

test("the screenshot of the README", async () => {
  mkdirSync(join(root, "docs"), { recursive: true });
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: join(root, "docs/screenshot.png") });
});

test("the explorer shows an airport: fields, methods, versions, source; and calls it", async () => {
  await page.goto(`${new URL(node.page()).origin}/#/airports/SEA`);
  await page.getByText("Seattle-Tacoma Intl").first().waitFor();
  await page.getByText("47.44", { exact: false }).first().waitFor();
  await page.getByRole("tab", { name: /methods/i }).click();
  const form = page.locator(".method", { hasText: "distanceTo" });
  await form.getByLabel("lat").fill("47.61");
  await form.getByLabel("lon").fill("-122.33");
  await form.getByRole("button", { name: "Call" }).click();
  const result = await form.locator(".result").textContent();
  assert.ok(Math.abs(Number.parseFloat(result ?? "") - 18.3) < 2, `distanceTo gave ${result ?? "nothing"}`);
  await page.getByRole("tab", { name: /versions|history/i }).click();
  await page.getByRole("tab", { name: /source|class/i }).click();
  await page.getByText("distanceTo").first().waitFor();
});

test("nothing went wrong in the page unseen", () => {
  assert.deepEqual(problems, []);
});

async function waitUntil(good: () => Promise<boolean>, patience = 60_000): Promise<void> {
  const end = Date.now() + patience;
  while (!(await good())) {
    if (Date.now() > end) throw new Error(`it did not come to pass within ${patience} ms: ${String(good)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
