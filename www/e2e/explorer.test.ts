// The page that a person browses with: everything that it offers, in a real browser, on a real node.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  any, bool, bytes, type Connection, connect, datetime, Decimal, Duration, EmergeObject, float, int, list, map, NdArray, Ref, set,
  text, Uuid,
} from "emerge-client";
import type { Browser, Page } from "playwright-core";
import { launch, picture, watch } from "./browser.js";
import { TestNode } from "./node.js";

const HOSTILE = '<img src="x" onerror="document.title=\'owned\'"><b>bold</b>';

class Item extends EmergeObject {
  static override readonly doc = "Something on a shelf.";
  static override readonly fields = { name: text("", "as on the label"), price: float(0), left: int(0) };
  declare name: string;
  declare price: number;
  declare left: number;

  total(factor = 1): number {
    return this.price * this.left * factor;
  }

  take(count: number): number {
    if (count > this.left) throw new RangeError(`only ${this.left} are left`);
    console.log("took", count);
    this.left -= count;
    return this.left;
  }
}

class Everything extends EmergeObject {
  static override readonly fields = {
    yes: bool(true), whole: float(3), big: int(12345678901234567890n), nothing: any(null), when: datetime(new Date(0)),
    raw: bytes(new Uint8Array([0, 127, 255])), tags: set(["a", "b"]), items: list([1, "two", { three: [3] }]),
    named: map({ path: "/x", one: 1 }), hostile: text(HOSTILE),
  };
}

let node: TestNode;
let browser: Browser;
let page: Page;
let problems: string[];
let fs: Connection;

before(async () => {
  node = await TestNode.start();
  fs = await connect(node.url, { token: node.token });
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 1360, height: 860 }, colorScheme: "dark" });
  problems = watch(page);
});

after(async () => {
  await fs?.close();
  await browser?.close();
  await node?.[Symbol.asyncDispose]();
});

/** Shows a path by its address, as a link would. */
async function show(path: string): Promise<void> {
  await page.evaluate((hash) => (location.hash = hash), `#${path}`);
  await page.waitForSelector(`main:not([aria-busy]) h1:text-is("${path.split("@")[0]?.split("/").at(-1) ?? ""}")`);
}

test("an empty store shows how to begin, and its example runs as it stands", async () => {
  await page.goto(node.page("/"));
  await page.waitForSelector("text=Nothing is stored here yet");
  assert.doesNotMatch(page.url(), /token/);
  const example = (await page.textContent('pre[aria-label="example"]')) ?? "";
  assert.ok(example.trim().split("\n").length <= 10);
  await picture(page, "explorer-empty");
  // As pasted into the page's console, which knows `await` outside of functions.
  const printed = page.waitForEvent("console");
  const console = await page.context().newCDPSession(page);
  const { exceptionDetails } = await console.send("Runtime.evaluate", { expression: example, replMode: true, awaitPromise: true });
  assert.equal(exceptionDetails, undefined, exceptionDetails?.exception?.description);
  assert.equal((await printed).text(), "30");
  await console.detach();
});

test("a program in the page may name the node as its documentation does", async () => {
  for (const name of ["localhost", "127.0.0.1"]) {
    const url = node.url.replace("127.0.0.1", name);
    const said = await page.evaluate(async (url) => {
      const { connect } = (await import(/* @vite-ignore */ `${location.origin}/emerge-client/index.js`)) as typeof import("emerge-client");
      const fs = await connect(url);
      const state = fs.state;
      await fs.close();
      return state;
    }, url);
    assert.equal(said, "open", name);
  }
});

test("the tree opens a directory, also by keyboard alone", async () => {
  await fs.store("/shelf/hammer", new Item({ name: "Hammer", price: 12.5, left: 4 }));
  await fs.store("/shelf/deep/er/nail", new Item({ name: "Nail", price: 1, left: 1000 }));
  await page.click("#refresh");
  await page.waitForSelector('[role="treeitem"] >> text=shelf');
  await page.focus('#tree a[tabindex="0"]');
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight"]) await page.keyboard.press(key);
  await page.waitForSelector('#tree >> text=hammer');
  for (const key of ["ArrowDown", "ArrowDown", "Enter"]) await page.keyboard.press(key);
  await page.waitForSelector('h1:text-is("hammer")');
  assert.equal(await page.textContent('[role="treeitem"][aria-selected="true"] > a'), "hammer");
  assert.equal(new URL(page.url()).hash, "#/shelf/hammer");
  assert.deepEqual(await page.locator("#crumbs a").allTextContents(), ["/", "shelf", "hammer"]);
});

test("an object's fields, types and docs", async () => {
  await show("/shelf/hammer");
  const rows = await page.$$eval(".fields tr", (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
  assert.deepEqual(rows, [
    ["nameas on the label", "text", "Hammer"],
    ["price", "float", "12.5"],
    ["left", "int", "4"],
  ]);
});

test("a method is called with arguments: result, log, error with the user's line", async () => {
  await page.click('[data-tab="methods"]');
  const total = page.locator(".method", { hasText: "total(" });
  await total.getByRole("button", { name: "Call" }).click();
  assert.equal(await total.locator(".result").textContent(), "50");
  await total.locator("input").fill("2");
  await total.getByRole("button", { name: "Call" }).click();
  await total.locator(".result").getByText("100", { exact: true }).waitFor();

  const take = page.locator(".method", { hasText: "take(" });
  await take.locator("input").fill("1");
  await take.getByRole("button", { name: "Call" }).click();
  assert.equal(await take.locator(".result").textContent(), "3");
  assert.match((await take.locator(".log").textContent()) ?? "", /took 1/);
  await page.waitForSelector(".heading-facts >> text=version 2");

  await take.locator("input").fill("9");
  await take.getByRole("button", { name: "Call" }).click();
  const problem = take.locator(".problem");
  await problem.waitFor();
  assert.match((await problem.textContent()) ?? "", /MethodFailedError[^]*only 3 are left[^]*method_failed/);
  assert.equal((await fs.stat("/shelf/hammer")).version, 2);

  await take.locator("input").fill("[1, 2");
  await take.getByRole("button", { name: "Call" }).click();
  await problem.getByText("is not complete JSON").waitFor();
  await picture(page, "explorer-methods");
});

test("versions, an earlier one of them, and the source", async () => {
  await page.click('[data-tab="versions"]');
  await page.waitForSelector("td >> text=version 1");
  assert.match((await page.textContent(".pane tbody tr")) ?? "", /version 2.*take\(\)/);
  await page.click("td >> text=version 1");
  await page.waitForSelector(".banner >> text=This is version 1");
  await page.click('[data-tab="fields"]');
  assert.equal(await page.locator(".fields tr", { hasText: "left" }).locator(".value").textContent(), "4");
  await page.click(".banner a");
  await page.waitForSelector(".banner", { state: "detached" });
  assert.equal(await page.locator(".fields tr", { hasText: "left" }).locator(".value").textContent(), "3");
  await page.click('[data-tab="source"]');
  const source = (await page.textContent(".pane .code")) ?? "";
  assert.ok(source.startsWith("class Item extends EmergeObject") && source.includes("take(count)"), source);
  assert.ok((await page.locator(".tok-keyword").count()) > 3);
  await page.click('[data-tab="fields"]');
});

test("values of every kind, and none of them is taken for HTML", async () => {
  await fs.store("/kinds/all", new Everything());
  class Loose extends EmergeObject {}
  await fs.store(
    "/kinds/loose",
    new Loose({
      price: Decimal.parse("12.50"), id: new Uuid("0190aaaa-bbbb-4ccc-8ddd-eeeeffff0011"), length: new Duration(90_500_000n),
      owner: new Ref("/shelf/hammer"), grid: new NdArray([2, 2], new Float64Array([1, 2, 3, 4])), long: "word ".repeat(1000),
    }),
  );
  await show("/kinds/all");
  const value = (name: string): Promise<string | null> =>
    page.locator(".fields tr").filter({ has: page.locator(`th:text-matches("^${name}$")`) }).locator(".value").textContent();
  assert.equal(await value("yes"), "true");
  assert.equal(await value("whole"), "3.0");
  assert.equal(await value("big"), "12345678901234567890");
  assert.equal(await value("nothing"), "null");
  assert.match((await value("raw")) ?? "", /3 B.*00 7f ff/);
  assert.match((await value("tags")) ?? "", /set, 2 members.*"a".*"b"/);
  assert.match((await value("items")) ?? "", /list, 3 members.*"two".*map, 1 member/);
  assert.match((await value("named")) ?? "", /path"\/x"/);
  assert.equal(await value("hostile"), HOSTILE);
  assert.equal(await page.locator("main img, main b").count(), 0);
  await show("/kinds/loose");
  assert.match((await value("price")) ?? "", /12\.50/);
  assert.match((await value("id")) ?? "", /0190aaaa-bbbb-4ccc-8ddd-eeeeffff0011/);
  assert.match((await value("length")) ?? "", /PT90\.5S/);
  assert.match((await value("grid")) ?? "", /Float64Array 2 × 2.*1, 2, 3, 4/);
  await picture(page, "explorer-values");
  await page.click("text=show all 5,000 characters");
  assert.equal((await value("long"))?.length, 5000);
  await page.click(".v-ref");
  await page.waitForSelector('h1:text-is("hammer")');
});

test("directories are made, renamed and deleted, each after a question", async () => {
  await show("/shelf");
  await page.getByRole("button", { name: "New directory" }).click();
  await page.fill("dialog input", "bad//name");
  await page.click("dialog >> text=Create");
  await page.waitForSelector(".dialog-problem:not(:empty)");
  await page.fill("dialog input", "boxes");
  await page.click("dialog >> text=Create");
  await page.waitForSelector('h1:text-is("boxes")');
  assert.equal((await fs.stat("/shelf/boxes")).type, "directory");

  await page.getByRole("button", { name: "Rename" }).click();
  await page.fill("dialog input", "crates");
  await page.click("dialog .primary");
  await page.waitForSelector('h1:text-is("crates")');
  assert.equal(await fs.exists("/shelf/boxes"), false);

  await page.getByRole("button", { name: "Delete" }).click();
  await page.keyboard.press("Escape");
  assert.equal(await fs.exists("/shelf/crates"), true);
  await page.getByRole("button", { name: "Delete" }).click();
  await page.click("dialog .danger");
  await page.waitForSelector('h1:text-is("shelf")');
  assert.equal(await fs.exists("/shelf/crates"), false);
  assert.equal(await page.locator("#tree >> text=crates").count(), 0);
});

test("a long directory is paged", async () => {
  const entries = Array.from({ length: 450 }, (_, at) => [`/many/n${String(at).padStart(3, "0")}`, new Item({ left: at })] as const);
  await fs.storeAll(entries);
  await show("/many");
  assert.equal(await page.locator(".listing tbody tr").count(), 200);
  await page.getByRole("button", { name: "Show all" }).click();
  await page.waitForSelector("text=450 members");
  assert.equal(await page.locator(".listing tbody tr").count(), 450);
  await page.click('[data-tab="each"]');
  const total = page.locator(".method", { hasText: "take(" });
  await total.locator("input").fill("100");
  await total.getByRole("button", { name: "Call" }).click();
  await total.getByText("450 members, 100 errors").waitFor({ timeout: 60_000 });
});

test("what is not there, and a wrong token, are told", async () => {
  await page.evaluate(() => (location.hash = "#/no/such"));
  await page.waitForSelector(".problem >> text=not_found");
  const stranger = await browser.newPage();
  await stranger.goto(new URL("/?token=wrong", node.page()).href);
  await stranger.waitForSelector(".problem >> text=unauthenticated");
  await stranger.waitForSelector('#state[data-state="closed"]');
  await stranger.close();
});

test("the node's restart is shown, and the page goes on by itself", async () => {
  await show("/shelf/hammer");
  await node.kill();
  await page.waitForSelector('#state:not([data-state="open"])');
  await node.start();
  await page.waitForSelector('#state[data-state="open"]', { timeout: 60_000 });
  await show("/shelf");
});

test("it fits a telephone", async () => {
  await page.setViewportSize({ width: 390, height: 800 });
  await show("/shelf/hammer");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `the page is ${wide} wide`);
  await page.click("#menu");
  await page.locator("#tree >> text=deep").click();
  await page.waitForSelector('h1:text-is("deep")');
});

test("nothing went wrong in the page unseen", () => assert.deepEqual(problems, []));
