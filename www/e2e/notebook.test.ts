// The notebook page: Python in a tab, served by the node, on an origin of its own.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launch, picture, watch } from "./browser.js";
import { addCell, cell, ended, press, pythonIsReady } from "./cells.js";
import { TestNode } from "./node.js";

let node: TestNode;
let browser: Browser;
let page: Page;
let problems: string[];
const strange: string[] = [];

before(async () => {
  node = await TestNode.start();
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 1280, height: 1000 }, colorScheme: "light" });
  problems = watch(page);
  page.on("request", (request) => {
    const { hostname } = new URL(request.url());
    if (!/^(127\.0\.0\.1)?$/.test(hostname)) strange.push(request.url());
  });
  await page.goto(node.page("/notebook"));
});

after(async () => {
  await browser?.close();
  await node?.[Symbol.asyncDispose]();
});

test("the way from the node's page leads to another origin, with another token", async () => {
  await page.waitForSelector('#state[data-state="open"]');
  const here = new URL(page.url());
  assert.equal(here.origin, new URL(node.notebook).origin);
  assert.notEqual(here.origin, new URL(node.page()).origin);
  assert.doesNotMatch(page.url(), /token/);
  const kept = await page.evaluate(() => Object.values(sessionStorage));
  assert.deepEqual(kept, [new URL(node.notebook).hash.replace("#token=", "")]);
  assert.ok(!kept.includes(node.token));
});

test("without the administrator's token the way leads there without the notebook's", async () => {
  const main = new URL(node.page()).origin;
  for (const query of ["", "?token=wrong", `?token=${new URL(node.notebook).hash.slice(7)}`]) {
    const answer = await fetch(`${main}/notebook${query}`, { redirect: "manual" });
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.get("location"), `${new URL(node.notebook).origin}/`);
  }
});

test("Python loads from the node alone", async () => {
  assert.match(await pythonIsReady(page), /^Python 3\.14/);
  assert.deepEqual(strange, []);
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
});

test("cells print, show their last value, and await", async () => {
  const shown = await cell(page, 'import asyncio, sys\nprint("out")\nprint("err", file=sys.stderr)\nawait asyncio.sleep(0.01)\n6 * 7');
  assert.deepEqual([shown.ok, shown.text.split(/\s+/)], [true, ["out", "err", "42"]]);
  assert.equal((await cell(page, "from pyodide.ffi import run_sync\nrun_sync(asyncio.sleep(0.01, 'waited'))")).text, "'waited'");
});

test("rich values are shown, and nothing in them runs", async () => {
  const shown = await cell(
    page,
    `class Rich:
    def __init__(self, text): self.text = text
    def _repr_html_(self): return self.text
class Drawn:
    def _repr_svg_(self): return '<svg viewBox="0 0 10 4" width="100" height="40"><rect width="10" height="4" fill="teal"/></svg>'
display(Drawn())
Rich('<b id="bold">bold</b><script>globalThis.ran = 1</script><a href="javascript:globalThis.ran = 2">go</a>')`,
  );
  assert.ok(shown.ok, shown.text);
  assert.equal(await page.locator(".rich svg rect").count(), 1);
  assert.equal(await page.locator(".rich #bold").textContent(), "bold");
  assert.equal(await page.locator(".rich script").count(), 0);
  assert.equal(await page.evaluate(() => "ran" in globalThis), false);
});

test("a traceback holds the reader's own lines and nothing of the notebook's", async () => {
  const shown = await cell(page, "def broken(n):\n    return 1 / n\n\nbroken(0)");
  assert.equal(shown.ok, false);
  assert.match(shown.text, /^Traceback[^\n]*\n {2}File "cell \d+", line 4, in <module>\n {4}broken\(0\)/);
  assert.match(shown.text, /line 2, in broken\n {4}return 1 \/ n\n[\s~^]*ZeroDivisionError: division by zero$/);
  assert.match((await cell(page, "def (:")).text, /SyntaxError/);
});

test("a busy cell and a waiting one are interrupted, and Python goes on", async () => {
  for (const source of ["while True: pass", "await asyncio.sleep(1000)", "run_sync(asyncio.sleep(1000))"]) {
    const at = await addCell(page, source);
    await press(page, at);
    await page.waitForTimeout(400);
    await page.click("#interrupt");
    const shown = await ended(page, at, 10_000);
    assert.equal(shown.ok, false, source);
    assert.match(shown.text, /KeyboardInterrupt/, source);
  }
  assert.equal((await cell(page, "'still ' + 'there'")).text, "'still there'");
});

test("the node is reached by any name of this machine", async () => {
  const source = `import os, emerge
for name in ("localhost", "127.0.0.1"):
    url = os.environ["EMERGE_URL"].replace("localhost", name).replace("127.0.0.1", name)
    with emerge.connect(f"{url}?token={os.environ['EMERGE_TOKEN']}") as other: print(name, other.exists("/"))`;
  assert.equal((await cell(page, source)).text, "localhost True\n127.0.0.1 True");
});

test("a call that waits is interrupted, plain or awaited, and stores half-way leave each object once", async () => {
  const made = await cell(
    page,
    `import emerge
fs = emerge.connect()

@emerge.dataclass
class Slow(emerge.Object):
    number: int = 0

    def work(self):
        while True:
            pass

fs.store("/interrupted/slow", Slow()).number`,
  );
  assert.equal(made.text, "0");
  // Several times, for an interruption must be heard wherever it meets the loop.
  const loops = [0, 1, 2, 3, 4].map((time) => `for number in range(1_000_000): fs.store(f"/interrupted/many${time}/{number}", Slow(number=number))`);
  for (const source of ['fs.call("/interrupted/slow", "work")', 'await fs.aio.call("/interrupted/slow", "work")', ...loops]) {
    const at = await addCell(page, source);
    await press(page, at);
    await page.waitForTimeout(600);
    await page.click("#interrupt");
    // Before the method's own deadline of five seconds.
    const shown = await ended(page, at, 4_000);
    assert.equal(shown.ok, false, source);
    assert.match(shown.text, /KeyboardInterrupt/, source);
  }
  const left = `def left(time):
    members = {meta.name: meta.version for meta in fs.list(f"/interrupted/many{time}")}
    return sorted(map(int, members)) == list(range(len(members))) and len(members) > 3 and set(members.values()) == {1}
[left(time) for time in range(5)]`;
  assert.equal((await cell(page, left)).text, "[True, True, True, True, True]");
});

test("a flood of output is cut", async () => {
  const shown = await cell(page, "for i in range(300_000): print('flood', i)");
  assert.match(shown.text.slice(-100), /what is printed after 1,000,000 characters is not shown/);
});

test("names are completed", async () => {
  const at = await addCell(page, "import decimal\ndecimal.getcont");
  const editor = page.locator(".cell .editor").nth(at);
  await editor.focus();
  await cell(page, "import decimal");
  await editor.focus();
  await editor.press("Tab");
  await page.waitForFunction((at) => document.querySelectorAll<HTMLTextAreaElement>(".editor")[at]?.value.endsWith("decimal.getcontext"), at);
});

test("a node that the page may not reach, and one that is not there, are told at once", async () => {
  const attempts = `
import time
for url in ("ws://127.0.0.1:9", "ws://192.0.2.1:5558"):
    began = time.monotonic()
    try: emerge.connect(url)
    except emerge.errors.DisconnectedError as error: print(error.code, time.monotonic() - began < 4)`;
  assert.equal((await cell(page, `import emerge${attempts}`)).text, "disconnected True\ndisconnected True");
  problems.splice(0, problems.length, ...problems.filter((problem) => !/Content Security Policy|ERR_CONNECTION/.test(problem)));
});

test("a Python that has died is told, and a restart brings another", { timeout: 120_000 }, async () => {
  const source = "import pickle\ndeep = []\nfor _ in range(20_000): deep = [deep]\npickle.dumps(deep)";
  const at = await addCell(page, source);
  const waits = await addCell(page, "1 + 1");
  await press(page, at);
  await press(page, waits);
  for (const each of [at, waits, waits]) {
    const shown = await ended(page, each);
    assert.equal(shown.ok, false);
    assert.match(shown.text, /Python has died.*restart it/s);
    await press(page, waits);
  }
  assert.match(await pythonIsReady(page), /^Python has died/);
  await page.click("#restart");
  await page.waitForSelector('#python[data-state="loading"]');
  assert.match(await pythonIsReady(page), /^Python 3\.14/);
  assert.equal((await cell(page, "6 * 7")).text, "42");
  // What Pyodide itself says of it on the console.
  problems.splice(0);
});

test("all of the header is there on a small screen", async () => {
  const size = page.viewportSize();
  await page.setViewportSize({ width: 380, height: 700 });
  for (const id of ["explorer", "run-all", "interrupt", "restart", "python", "state"]) {
    const box = await page.locator(`#${id}`).boundingBox();
    assert.ok(box && box.x >= 0 && box.x + box.width <= 380 && box.width > 0, `${id}: ${JSON.stringify(box)}`);
  }
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 380));
  await picture(page, "notebook-small");
  await page.setViewportSize(size ?? { width: 1280, height: 1000 });
});

test("Shift+Enter runs a cell and goes on, and a restart forgets", async () => {
  const at = await addCell(page, "kept = 1");
  await page.locator(".cell .editor").nth(at).press("Shift+Enter");
  await ended(page, at);
  assert.equal(await page.locator(".cell").count(), at + 2);
  await page.click("#restart");
  await page.waitForSelector('#python[data-state="loading"]');
  await pythonIsReady(page);
  assert.match((await cell(page, "kept")).text, /NameError/);
});

test("cells last over a reload, until one starts over", async () => {
  await addCell(page, "mine = 1");
  const cells = (): Promise<string[]> => page.$$eval(".cell .editor", (editors) => editors.map((editor) => (editor as HTMLTextAreaElement).value));
  const before = (await cells()).filter((source) => source !== "");
  assert.equal(before.at(-1), "mine = 1");
  await picture(page, "notebook");
  await page.reload();
  await page.waitForSelector(".cell");
  assert.deepEqual(await cells(), before);
  page.once("dialog", (dialog) => void dialog.accept());
  await page.click("#reset");
  assert.equal((await cells()).length, 3);
  await page.reload();
  await page.waitForSelector(".cell");
  assert.match((await cells())[0] ?? "", /^import emerge/);
});

test("nothing went wrong in the page unseen", () => {
  assert.deepEqual(problems, []);
});
