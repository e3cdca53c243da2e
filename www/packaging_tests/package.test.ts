// The package as others get it: packed, installed elsewhere, used from Node.js, TypeScript and Vite.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build, preview, type PreviewServer } from "vite";
import { launch, watch } from "../e2e/browser.js";
import { TestNode } from "../e2e/node.js";

const www = process.env["WWW"] ?? ".";
const require = createRequire(join(www, "package.json"));
let project: string;
let installed: string;

/** A program of a user: it makes a class, stores an object and calls it. */
const PROGRAM = `
import { connect, EmergeObject, float, int } from "emerge-client";

class InventoryItem extends EmergeObject {
  static fields = { unitPrice: float(0), quantityOnHand: int(0) };
  totalCost() { return this.unitPrice * this.quantityOnHand; }
}

export async function main(url, token) {
  const fs = await connect(url, { token });
  try {
    await fs.store("/inventory/widget", new InventoryItem({ unitPrice: 3, quantityOnHand: 10 }));
    const there = await fs.call("/inventory/widget", "totalCost");
    const here = (await fs.get("/inventory/widget")).totalCost();
    return [there, here, InventoryItem.name];
  } finally {
    await fs.close();
  }
}
`;

before(() => {
  project = mkdtempSync(join(tmpdir(), "emerge-package-"));
  execFileSync("npm", ["pack", "--silent", "--pack-destination", project], { cwd: www });
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz")) ?? "";
  installed = join(project, "node_modules/emerge-client");
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", join(project, tarball), "-C", installed, "--strip-components=1"]);
  symlinkSync(join(require.resolve("ws/package.json"), ".."), join(project, "node_modules/ws"));
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  writeFileSync(join(project, "program.js"), PROGRAM);
});

after(() => rmSync(project, { recursive: true, force: true }));

test("the package has the module, its wasm and its types, and nothing else of the repository", () => {
  assert.deepEqual(readdirSync(installed).sort(), ["README.md", "dist", "package.json"]);
  assert.deepEqual(readdirSync(join(installed, "dist")), ["emerge-client"]);
  const files = readdirSync(join(installed, "dist/emerge-client"), { recursive: true }).map(String);
  for (const file of ["index.js", "index.d.ts", "emerge_wasm_bg.wasm"]) assert.ok(files.includes(file), file);
  assert.deepEqual(files.filter((file) => !/\.(js|wasm|d\.ts)$|^codec$/.test(file)), []);
});

test("its types hold for a user, with bundlers' and with Node's resolution", { timeout: 120_000 }, () => {
  writeFileSync(
    join(project, "user.ts"),
    `import { connect, EmergeObject, float, NotFoundError, type StoredMeta } from "emerge-client";
     class Point extends EmergeObject { static override readonly fields = { x: float(0) }; declare x: number; }
     export async function use(): Promise<StoredMeta> {
       const fs = await connect("ws://localhost:5558");
       const stored = await fs.store("/p", new Point({ x: 1 }));
       const x: number = (await fs.get<Point>("/p")).x;
       try { await fs.get("/nothing"); } catch (error) { if (error instanceof NotFoundError) console.log(error.path, x); }
       for await (const member of fs.list("/")) console.log(member.modified.getTime());
       return stored.meta;
     }`,
  );
  for (const [module, moduleResolution] of [["ESNext", "Bundler"], ["NodeNext", "NodeNext"]]) {
    const lib = ["ES2023", "ESNext.Disposable", "DOM"];
    const compilerOptions = { strict: true, noEmit: true, target: "ES2022", lib, types: [], module, moduleResolution };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["user.ts"] }));
    execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", project], { stdio: "inherit" });
  }
});

test("it works in Node.js", { timeout: 240_000 }, async () => {
  await using node = await TestNode.start();
  const script = `import { main } from "./program.js"; console.log(JSON.stringify(await main(process.argv[1], process.argv[2])));`;
  const printed = execFileSync(process.execPath, ["--input-type=module", "-e", script, node.url, node.token], { cwd: project, encoding: "utf8" });
  assert.deepEqual(JSON.parse(printed), [30, 30, "InventoryItem"]);
});

test("it works in a page built by Vite, minified", { timeout: 240_000 }, async () => {
  writeFileSync(join(project, "index.html"), `<!doctype html><title>t</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>`);
  writeFileSync(
    join(project, "page.js"),
    `import { main } from "./program.js";
     const given = new URLSearchParams(location.hash.slice(1));
     main(given.get("url"), given.get("token")).then(
       (result) => (document.title = JSON.stringify(result)),
       (error) => (document.title = "failed: " + error.stack),
     );`,
  );
  await build({ root: project, logLevel: "error" });
  assert.ok(readdirSync(join(project, "dist/assets")).some((name) => name.endsWith(".wasm")), "the wasm must be an asset");
  assert.ok(existsSync(join(project, "dist/index.html")));
  const server: PreviewServer = await preview({ root: project, logLevel: "error", preview: { host: "127.0.0.1", port: 0 } });
  const address = server.httpServer.address();
  const origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  const browser = await launch();
  try {
    await using node = await TestNode.start("--allow-origin", origin);
    const page = await browser.newPage();
    const problems = watch(page);
    const given = new URLSearchParams({ url: node.url, token: node.token });
    await page.goto(`${origin}/#${String(given)}`);
    await page.waitForFunction(() => document.title !== "t");
    const [there, here] = JSON.parse(await page.title().then((title) => (title.startsWith("[") ? title : assert.fail(title)))) as unknown[];
    assert.deepEqual([there, here], [30, 30]);
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
    await server.close();
  }
});
