// One class in WebAssembly: stored from a page, and run in the page, in Pyodide, in CPython, in Node.js and on the node, with equal results.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import * as emerge from "emerge-client";
import { inNotebook, inPage } from "./hosts.js";
import { TestNode } from "./node.js";

const root = join(process.env["WWW"] ?? ".", "..");
const module = readFileSync(join(root, "target/classes/account.wasm"));
/** What each host gets: of methods that change the object, of one that computes a float, of a property and of a static method, and the error of one that fails. */
const WANTED = { changed: [150, 141], moves: [50, -9], grown: 155.81, empty: false, sum: 6, error: "limit_exceeded" };
let node: TestNode;
let fs: emerge.Connection;

before(async () => {
  node = await TestNode.start();
  fs = await emerge.connect(node.url, { token: node.token });
});

after(async () => {
  await fs?.close();
  await node?.[Symbol.asyncDispose]();
});

/** In a page or in Node.js. It uses nothing but its arguments, so that a page can be given it as text. */
async function here(client: typeof emerge, connection: emerge.Connection, bytes: Uint8Array<ArrayBuffer>): Promise<unknown> {
  interface Account extends emerge.EmergeObject {
    moves: number[];
    readonly empty: boolean;
    deposit(cents: number): number;
    withdraw(cents: number, fee?: number): number;
    grown(years: number): number;
  }
  const cls = await client.wasmClass<Account>(bytes);
  if (!(await connection.exists("/module/ada"))) {
    await connection.store("/module/ada", new cls({ owner: "Ada", balance: 100, rate: 0.0512 } as never));
  }
  const ada = (await connection.define(cls).get("/module/ada")) as Account;
  const changed = [ada.deposit(50), ada.withdraw(7, 2)];
  let error: unknown;
  try {
    ada.withdraw(1000);
  } catch (thrown) {
    error = (thrown as emerge.EmergeError).code;
  }
  const sum = (cls as unknown as { sum(...all: number[]): number }).sum(1, 2, 3);
  return { changed, moves: ada.moves, grown: Math.round(ada.grown(2) * 100) / 100, empty: ada.empty, sum, error };
}

const PYTHON = `import json
Account = fs.trust("/module/ada")
ada = fs.get("/module/ada")
changed = [ada.deposit(50), ada.withdraw(7, fee=2)]
try:
    ada.withdraw(1000)
except emerge.EmergeError as error:
    code = error.code
print(json.dumps({"changed": changed, "moves": ada.moves, "grown": round(ada.grown(2), 2), "empty": ada.empty, "sum": Account.sum(1, 2, 3), "error": code}))
`;

test("a page stores it, and runs it", async () => {
  const found = await inPage(node, `
    const fs = await emerge.connect();
    const bytes = Uint8Array.from(atob(${JSON.stringify(module.toString("base64"))}), (letter) => letter.charCodeAt(0));
    try { return await (${here.toString()})(emerge, fs, bytes); } finally { await fs.close(); }
  `);
  assert.deepEqual(found, WANTED);
});

test("Node.js runs it", async () => assert.deepEqual(await here(emerge, fs, new Uint8Array(module)), WANTED));

/** What Python printed last. */
function printed(text: string): unknown {
  return JSON.parse(text.trim().split("\n").pop() ?? "");
}

test("Pyodide runs it", async () => {
  const shown = await inNotebook(node, `import emerge\nfs = emerge.connect()\n${PYTHON}`);
  assert.deepEqual(printed(shown), WANTED);
});

test("CPython runs it, with wasmtime", async () => {
  const python = join(root, "target/tools/python/bin/python");
  const env = { ...process.env, EMERGE_URL: node.url, EMERGE_TOKEN: node.token, PYTHONPATH: join(root, "pyodide/src") };
  const program = `import emerge\nwith emerge.connect() as fs:\n${PYTHON.replace(/^(?=.)/gmu, "    ")}`;
  const { stdout } = await promisify(execFile)(python, ["-c", program], { env });
  assert.deepEqual(printed(stdout), WANTED);
});

test("the node runs it", async () => {
  const call = (method: string, ...args: unknown[]): Promise<unknown> => fs.call("/module/ada", method, ...args);
  const changed = [await call("deposit", 50), await call("withdraw", 7, 2)];
  const error = await call("withdraw", 1000).catch((thrown: unknown) => (thrown as emerge.EmergeError).code);
  const { moves } = (await fs.get("/module/ada")) as unknown as { moves: number[] };
  const grown = Math.round(((await call("grown", 2)) as number) * 100) / 100;
  assert.deepEqual({ changed, moves, grown, empty: await call("empty"), sum: await call("sum", 1, 2, 3), error }, WANTED);
});
