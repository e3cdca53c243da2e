// One file of cases, read by every host of the client that a browser and Node.js can start; Rust's reader is in the server's tests.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import * as emerge from "emerge-client";
import { runCases } from "../../conformance/reader.mjs";
import { inNotebook, inPage } from "./hosts.js";
import { TestNode } from "./node.js";

interface File {
  readonly passed: number;
  readonly languages: readonly string[];
  readonly cases: readonly unknown[];
}

interface Outcome {
  readonly passed: number;
  readonly failed: readonly string[];
}

const folder = join(process.env["WWW"] ?? ".", "../conformance");
const read = (name: string): string => readFileSync(join(folder, name), "utf8");
const file = JSON.parse(read("cases.json")) as File;
let node: TestNode;
let fs: emerge.Connection;

before(async () => {
  node = await TestNode.start();
  fs = await emerge.connect(node.url, { token: node.token });
  const { EmergeObject, int, float, text } = emerge;
  const make = new Function("EmergeObject", "int", "float", "text", `${read("Sample.mjs")}\nreturn Sample;`) as (
    ...names: unknown[]
  ) => new (fields: object) => emerge.EmergeObject;
  const Sample = make(EmergeObject, int, float, text);
  await fs.store("/conformance/javascript", new Sample({ count: 3, price: 2.5, name: "sample" }));
  const Module = await emerge.wasmClass(readFileSync(join(folder, "../target/classes/sample.wasm")));
  await fs.store("/conformance/wasm", new Module({ count: 3, price: 2.5, name: "sample" } as never));
  const objects = 'objects = {"/conformance/python": Sample(count=3, price=2.5, name="sample")}';
  const place = mkdtempSync(join(tmpdir(), "emerge-conformance-"));
  writeFileSync(join(place, "sample.py"), `${read("Sample.py")}\n${objects}\n`);
  await node.emerge("store", "--from", join(place, "sample.py"));
});

after(async () => {
  await fs?.close();
  await node?.[Symbol.asyncDispose]();
});

function judge({ passed, failed }: Outcome): void {
  console.log(`conformance: ${passed} passed`);
  assert.deepEqual(failed, []);
  assert.equal(passed, file.passed);
}

test("the file counts its own cases", () => assert.equal(file.passed, file.cases.length * file.languages.length));

test("Node.js", async () => judge((await runCases(emerge, fs, file)) as Outcome));

test("a page", async () => {
  const outcome = await inPage<Outcome>(node, `
    const fs = await emerge.connect();
    try { return await (${runCases.toString()})(emerge, fs, JSON.parse(${JSON.stringify(read("cases.json"))})); } finally { await fs.close(); }
  `);
  judge(outcome);
});

/** What a Python reader printed, judged. */
function judgePrinted(printed: string): void {
  const lines = printed.trim().split("\n").filter((line) => line !== "");
  const passed = Number(/^conformance: (\d+) passed$/.exec(lines.pop() ?? "")?.[1]);
  judge({ passed, failed: lines });
}

test("CPython", async () => {
  const env = { ...process.env, EMERGE_URL: node.url, EMERGE_TOKEN: node.token, PYTHONPATH: join(folder, "../pyodide/src") };
  const ran = await promisify(execFile)("python3", [join(folder, "reader.py"), join(folder, "cases.json")], { env }).catch(
    (error: unknown) => error as { stdout: string; stderr: string },
  );
  assert.equal(ran.stderr, "");
  judgePrinted(ran.stdout);
});

// A JSON text is a Python text, too.
test("Pyodide", async () => judgePrinted(await inNotebook(node, read("reader.py"), `_ = await main(${JSON.stringify(read("cases.json"))})`)));
