// Classes in WebAssembly: here, in Node.js, and the same module on a real node.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { connect, type Connection, type EmergeClass, EmergeError, EmergeObject, type ErrorCode, LIMITS, wasmClass } from "../src/index.js";
import { TestNode } from "../e2e/node.js";

const www = process.env["WWW"] ?? ".";
const moduleOf = (name: string): Promise<Uint8Array<ArrayBuffer>> =>
  readFile(`${www}/../target/classes/${name}.wasm`).then((bytes) => new Uint8Array(bytes));

interface Account extends EmergeObject {
  owner: string;
  balance: number;
  moves: number[];
  used: Date | null;
  readonly empty: boolean;
  deposit(amount: number): number;
  withdraw(amount: number, fee?: number): number;
  pay(to: string, amount: number): number;
  grown(years?: number): number;
}
interface AccountClass {
  new (fields?: object): Account;
  sum(...amounts: number[]): number;
}
type Any = EmergeObject & Record<string, (...args: unknown[]) => unknown> & { kept: unknown; count: number };

let Account: EmergeClass<Account> & AccountClass;
let Counter: EmergeClass<Any>;
let node: TestNode;
let fs: Connection;

before(async () => {
  Account = (await wasmClass<Account>(await moduleOf("account"))) as typeof Account;
  Counter = await wasmClass<Any>(new Response(await moduleOf("counter")));
  node = await TestNode.start();
  fs = await connect(node.url, { token: node.token, wasm: new URL(`file://${www}/pkg/emerge_wasm_bg.wasm`) });
}, { timeout: 240_000 });

after(async () => {
  await fs.close();
  await node[Symbol.asyncDispose]();
});

async function fails(code: ErrorCode, words: RegExp, run: () => unknown, field?: string): Promise<void> {
  let thrown: unknown;
  try {
    await run();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof EmergeError, String(thrown));
  assert.equal(thrown.code, code, thrown.message);
  assert.match(thrown.message, words);
  if (field !== undefined) assert.equal(thrown.field, field);
}

test("its objects have the fields and methods that the module declares", () => {
  const ada = new Account({ owner: "Ada" });
  assert.deepEqual({ ...ada }, { owner: "Ada", balance: 0, rate: 0.02, moves: [], used: null });
  assert.equal(ada.empty, true);
  assert.equal(ada.deposit(500), 500);
  assert.equal(ada.withdraw(100, 1), 399);
  assert.deepEqual([ada.balance, ada.moves, ada.empty], [399, [500, -101], false]);
  assert.ok(ada.used instanceof Date && Math.abs(ada.used.getTime() - Date.now()) < 60_000);
  assert.equal(Account.sum(1, 2, 3), 6);
  assert.equal(Account.sum(), 0);
  assert.equal(ada.grown(), 399 * 1.02);
  assert.equal(Account.name, "Account");
});

test("every value comes and goes, also an object of its class", () => {
  const counter = new Counter();
  for (const value of [null, 1.5, "é", new Uint8Array([1, 2]), [1, { a: new Set([1]) }], new Date(5), 2n ** 70n, new Float64Array([1])]) {
    assert.deepEqual(counter.echo?.(value), value);
    assert.deepEqual(counter.kept, value);
  }
  const inner = counter.echo?.(new Counter({ count: 3 } as never)) as Any;
  assert.ok(inner instanceof Counter);
  assert.equal(inner.double, 6);
});

test("what goes wrong is said, and the object stays as it was", async () => {
  const ada = new Account({ owner: "Ada", balance: 5 });
  await fails("limit_exceeded", /Ada has 5 cents and wants 7/, () => ada.withdraw(7), "amount");
  await fails("method_failed", /an amount is more than nothing/, () => ada.deposit(0));
  await fails("bad_argument", /amount: an integer is needed, not text/, () => ada.deposit("7" as never), "amount");
  await fails("bad_argument", /was not given the argument "amount"; it is called as withdraw\(amount: int, fee: int = 0\) -> int/, () => (ada.withdraw as unknown as () => void)());
  await fails("bad_argument", /takes 2 arguments, and 3 were given/, () => (ada.withdraw as (...all: number[]) => void)(1, 2, 3), "args");
  await fails("unsupported", /Account\.pay asks for an operation of fs, .* fs\.call\("\/…", "pay"\)/, () => ada.pay("/x", 1));
  await fails("bad_argument", /called on an object of its class/, () => ada.deposit.call(new Counter() as never, 1));
  assert.deepEqual({ ...ada, used: null }, { owner: "Ada", balance: 5, rate: 0.02, moves: [], used: null });
  const counter = new Counter();
  await fails("method_failed", /index out of bounds/, () => counter.panics?.(7));
  await fails("method_failed", /Counter\.deep failed/, () => counter.deep?.(0n));
});

test("what is no such module is refused", async () => {
  await fails("class_invalid", /no WebAssembly module/, () => wasmClass(new Uint8Array([1, 2, 3])), "module");
  await fails("class_invalid", /404/, () => wasmClass(new Response("", { status: 404 })), "module");
  await fails("bad_argument", /must be bytes, or a Response/, () => wasmClass("a.wasm" as never), "source");
  const empty = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  await fails("class_invalid", /exports no memory memory/, () => wasmClass(new Uint8Array(empty)), "memory");
  const wasi = [1, 4, 1, 0x60, 0, 0, 2, 7, 1, 1, 0x61, 1, 0x62, 0, 0];
  await fails("class_invalid", /imports a\.b, and may import emerge\.request/, () => wasmClass(new Uint8Array([...empty, ...wasi])), "a.b");
  const padded = [0, 0x80, 0x80, 0x80, 2, 1, 0x61];
  const large = new Uint8Array(LIMITS.MAX_MODULE + 9 + padded.length);
  const account = await moduleOf("account");
  large.set(account);
  large.set([0, ...leb(large.length - account.length - 6), 1, 0x61], account.length);
  await fails("too_large", /the limit is 4194304/, () => wasmClass(large), "module");
});

/** A length in five bytes. */
function leb(length: number): number[] {
  return [0, 7, 14, 21, 28].map((shift) => ((length >>> shift) & 0x7f) | (shift < 28 ? 0x80 : 0));
}

test("the node runs the same module, with the same results", async () => {
  const local = new Account({ owner: "Ada", balance: 100 });
  await fs.store("/accounts/ada", new Account({ owner: "Ada", balance: 100 }));
  await fs.store("/accounts/bob", new Account({ owner: "Bob" }));
  assert.equal(await fs.call("/accounts/ada", "deposit", 50), local.deposit(50));
  assert.equal(await fs.call("/accounts/ada", "withdraw", 7, 1), local.withdraw(7, 1));
  assert.equal(await fs.call("/accounts/ada", "grown", 3), local.grown(3));
  assert.equal(await fs.call("/accounts/ada", "sum", 1, 2), Account.sum(1, 2));
  const there = await fs.get<Account>("/accounts/ada");
  assert.ok(there instanceof Account);
  assert.deepEqual({ ...there, used: null }, { ...local, used: null });
  assert.equal(there.withdraw(1), 141);
  assert.equal((await fs.store("/accounts/ada", there)).meta.version, 4);
  // With the file system, which the node has: all of it happens, or nothing.
  assert.equal(await fs.call("/accounts/ada", "pay", "/accounts/bob", 41), 100);
  await fails("not_found", /./, () => fs.call("/accounts/ada", "pay", "/accounts/none", 41));
  assert.deepEqual((await fs.get<Account>("/accounts/bob")).moves, [41]);
  assert.equal((await fs.get<Account>("/accounts/ada")).balance, 100);
  await fails("unsupported", /fs\.call\("\/accounts\/ada", "pay"\)/, () => there.pay("/accounts/bob", 1));
  await fails("limit_exceeded", /Ada has 100 cents/, () => fs.call("/accounts/ada", "withdraw", 700), "amount");
  assert.equal(await fs.proxy<Account>("/accounts/ada").deposit(1), 101);
  assert.equal((await fs.invoke("/accounts/ada", "withdraw", [1], { kwargs: { fee: 2 } })).result, 98);
});

test("a module says what it is", async () => {
  const about = await fs.describe("/accounts/ada");
  assert.deepEqual([about.language, about.doc], ["wasm", "A bank account."]);
  assert.match(await fs.code("/accounts/ada"), /^class Account: a WebAssembly module of \d+ bytes$/);
  const help = await fs.help("/accounts/ada");
  assert.match(help, /withdraw\(amount: int, fee: int = 0\) -> int\n {6}Takes cents off/);
  assert.match(help, /balance: int {2}Cents\./);
});

test("a class that only the node has is made of its module when that is asked for", async () => {
  const other = await connect(node.url, { token: node.token });
  try {
    const stood = await other.get<Account>("/accounts/bob");
    await fails("class_not_found", /class Account is not defined here/, () => stood.deposit(1));
    const cls = await other.wasmClass("/accounts/bob");
    const bob = await other.get<Account>("/accounts/bob");
    assert.ok(bob instanceof cls);
    assert.equal(bob.deposit(1), 42);
    await other.store("/accounts/bob", bob);
    assert.equal((await other.describe("/accounts/bob")).version, 1);
    class Plain extends EmergeObject {}
    await other.store("/accounts/plain", new Plain());
    await fails("unsupported", /is not in WebAssembly/, () => other.wasmClass("/accounts/plain"));
  } finally {
    await other.close();
  }
});
