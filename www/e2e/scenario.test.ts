// One scenario, five hosts: a page, Node.js, Pyodide, CPython, and the command with classes of both languages.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import * as emerge from "emerge-client";
import { runScenario } from "../../conformance/scenario/reader.mjs";
import { inNotebook, inPage } from "./hosts.js";
import { root, TestNode } from "./node.js";
import { LANGUAGES, type Outcome, runCommands, type Scenario } from "./scenario.js";

const folder = join(root, "conformance/scenario");
const read = (name: string): string => readFileSync(join(folder, name), "utf8");
const scenario = JSON.parse(read("steps.json")) as Scenario;
const NAMES = "EmergeObject, Table, any, float, int, list, text";
/** A function that makes the classes, as text: a page takes no text for code from within. */
const define = `({ ${NAMES} }) => { ${read("classes.mjs")}\nreturn { Item, Farm, Customer, Cleaner, Dear }; }`;
let node: TestNode;

before(async () => {
  node = await TestNode.start();
});

after(() => node?.[Symbol.asyncDispose]());

function judge(host: string, { passed, failed }: Outcome): void {
  console.log(`scenario: ${passed} passed in ${host}`);
  assert.deepEqual(failed, []);
  assert.equal(passed, scenario.passed);
}

/** What a Python reader printed, judged. */
function judgePrinted(host: string, printed: string): void {
  const lines = printed.trim().split("\n").filter((line) => line !== "");
  const passed = Number(/^scenario: (\d+) passed$/.exec(lines.pop() ?? "")?.[1]);
  judge(host, { passed, failed: lines });
}

test("the file counts its own steps", () => assert.equal(scenario.passed, scenario.steps.length));

test("Node.js", async () => {
  const connect = (): Promise<object> => emerge.connect(node.url, { token: node.token });
  const make = new Function(`return ${define};`) as () => (emerge: object) => object;
  judge("Node.js", await runScenario(emerge, connect, make(), scenario, "/scenario/node"));
});

test("a page", async () => {
  const outcome = await inPage<Outcome>(node, `
    const steps = JSON.parse(${JSON.stringify(read("steps.json"))});
    return (${runScenario.toString()})(emerge, () => emerge.connect(), ${define}, steps, "/scenario/page");
  `);
  judge("a page", outcome);
});

test("CPython", async () => {
  const env = { ...process.env, EMERGE_URL: node.url, EMERGE_TOKEN: node.token, PYTHONPATH: join(root, "pyodide/src") };
  const ran = await promisify(execFile)("python3", ["-B", join(folder, "reader.py"), "/scenario/cpython"], { env }).catch(
    (error: unknown) => error as { stdout: string; stderr: string },
  );
  assert.equal(ran.stderr, "");
  judgePrinted("CPython", ran.stdout);
});

test("Pyodide", async () => {
  const run = `_ = main(${JSON.stringify(read("steps.json"))}, globals(), "/scenario/pyodide")`;
  judgePrinted("Pyodide", await inNotebook(node, read("classes.py"), read("reader.py"), run));
});

test("the command, with classes in JavaScript", async () => {
  const language = { ...LANGUAGES.javascript, classes: `import { ${NAMES} } from "emerge-client";\n${read("classes.mjs")}` };
  judge("the command, in JavaScript", await runCommands(node, scenario, language, "/scenario/command-js"));
});

test("the command, with classes in Python", async () => {
  const language = { ...LANGUAGES.python, classes: read("classes.py") };
  judge("the command, in Python", await runCommands(node, scenario, language, "/scenario/command-py"));
});
