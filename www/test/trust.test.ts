// Trust in a version of a class, which the client keeps, and marks, against a real node.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, type Connection, EmergeObject, int, text, type TrustStorage } from "../src/index.js";
import { TestNode } from "../e2e/node.js";
import { fails } from "./fails.js";

const wasm = new URL(`file://${process.env["WWW"] ?? "."}/pkg/emerge_wasm_bg.wasm`);
let node: TestNode;
let admin: Connection;
let eve: Connection;

class Word extends EmergeObject {
  static override fields = { word: text() };
}

class Reader extends EmergeObject {
  static override fields = { n: int() };
  declare n: number;
  async read(path: string): Promise<unknown> {
    // @ts-expect-error `fs` is there within methods.
    return (await fs.get(path)).word;
  }
  count(): number {
    this.n += 1;
    return this.n;
  }
}

before(async () => {
  node = await TestNode.start();
  admin = await connect(node.url, { token: node.token, wasm });
  eve = await connect(node.url, { token: await admin.accounts.addUser("eve"), wasm });
  await admin.mkdir("/open");
  await admin.chmod("/open", "rwxrwxrwx");
  await admin.store("/secret", Object.assign(new Word(), { word: "swordfish" }));
  await eve.store("/open/reader", new Reader());
  await eve.chmod("/open/reader", "rwxrwxrwx");
}, { timeout: 240_000 });

after(async () => {
  await eve.close();
  await admin.close();
  await node[Symbol.asyncDispose]();
});

test("trust is kept by the client, goes along with calls, and is taken back", async () => {
  await fails("not_found", /secret/, admin.call("/open/reader", "read", "/secret"));
  const trusted = await admin.trust.add("/open/reader");
  assert.deepEqual({ ...trusted, hash: trusted.hash.length }, { hash: 32, name: "Reader", owner: "eve" });
  assert.deepEqual(admin.trust.list(), [trusted]);
  assert.equal(await admin.call("/open/reader", "read", "/secret"), "swordfish");
  const each = await admin.callEach(["/open/reader"], "read", ["/secret"]).toArray();
  assert.equal(each[0]?.result, "swordfish");
  await admin.transaction(async (tx) => assert.equal(await tx.call("/open/reader", "read", "/secret"), "swordfish"));
  assert.equal(admin.trust.remove(trusted.hash), true);
  assert.equal(admin.trust.remove(trusted.hash), false);
  await fails("not_found", /secret/, admin.call("/open/reader", "read", "/secret"));
});

test("a storage keeps it for later connections, and what else is in there is passed over", async () => {
  const kept = new Map<string, string>([["emerge.trusted", '[{"hash": "x"}, 7']]);
  const storage: TrustStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
  for (const first of [true, false]) {
    const fs = await connect(node.url, { token: node.token, wasm, keepTrust: storage });
    if (first) {
      assert.deepEqual(fs.trust.list(), []);
      await fs.trust.add("/open/reader");
    }
    assert.equal(await fs.call("/open/reader", "read", "/secret"), "swordfish");
    await fs.close();
  }
  await fails("bad_argument", /storage/, connect(node.url, { token: node.token, wasm, keepTrust: {} as TrustStorage }));
});

test("a marked object's methods run with its owner's rights", async () => {
  await admin.store("/counter", new Reader());
  await admin.chmod("/counter", "rws--x--x");
  assert.equal((await admin.stat("/counter")).perms, "rws--x--x");
  assert.equal(await eve.call("/counter", "read", "/secret"), "swordfish");
  assert.equal(await eve.call("/counter", "count"), 1);
  await fails("permission_denied", /lacks/, eve.get("/counter"));
  await fails("permission_denied", /own/, eve.chmod("/counter", "u+s"));
  await admin.chmod("/counter", 0o711);
  await fails("not_found", /secret/, eve.call("/counter", "read", "/secret"));
});
