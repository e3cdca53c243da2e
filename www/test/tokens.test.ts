// Tokens for less than everything, against a real node.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, type Connection } from "../src/index.js";
import { TestNode } from "../e2e/node.js";
import { InventoryItem } from "./classes.js";
import { fails } from "./fails.js";

const wasm = new URL(`file://${process.env["WWW"] ?? "."}/pkg/emerge_wasm_bg.wasm`);
let node: TestNode;
let fs: Connection;

before(async () => {
  node = await TestNode.start();
  fs = await connect(node.url, { token: node.token, wasm });
}, { timeout: 240_000 });

after(async () => {
  await fs.close();
  await node[Symbol.asyncDispose]();
});

test("tokens for less than everything", async () => {
  const { accounts } = fs;
  await fs.store("/granted/a", new InventoryItem());
  await fs.store("/other/a", new InventoryItem());
  const expires = new Date(Date.now() + 60_000);
  const { token, info } = await accounts.createToken({ scope: ["read:/granted/**"], expires, note: "a test" });
  assert.match(token, /^[0-9a-f]{64}$/);
  assert.deepEqual({ ...info, created: 0 }, {
    id: info.id, user: "admin", scope: ["read:/granted/**"], created: 0, expires, note: "a test", parent: null,
  });
  const page = await connect(node.url, { token, wasm });
  await page.get("/granted/a");
  assert.equal(await page.exists("/other/a"), false);
  await fails("permission_denied", /grant/, page.store("/granted/b", new InventoryItem()));
  await fails("permission_denied", /grants less/, page.accounts.createToken({ scope: ["*"] }));
  const inner = await page.accounts.createToken();
  assert.deepEqual([inner.info.parent, inner.info.scope, inner.info.expires], [info.id, info.scope, expires]);
  assert.deepEqual((await page.accounts.tokens()).map(({ id }) => id), [info.id, inner.info.id]);
  assert.equal((await accounts.revokeToken(info.id)).length, 2);
  await fails("unauthenticated", /not valid/, page.get("/granted/a"));
  await page.close();
  await fails("not_found", /token/, accounts.revokeToken(info.id));
});

test("quotas of users", async () => {
  const { accounts } = fs;
  const token = await accounts.addUser("zoe");
  assert.deepEqual(await accounts.setQuota("zoe", { objects: 1, bytes: 10_000 }), {
    user: "zoe", objects: 0, bytes: 0, maxObjects: 1, maxBytes: 10_000,
  });
  await fs.mkdir("/quota");
  await fs.chmod("/quota", "777");
  const zoe = await connect(node.url, { token, wasm });
  await zoe.store("/quota/a", new InventoryItem());
  const error = await fails("quota_exceeded", /may store 1 objects/, zoe.store("/quota/b", new InventoryItem()));
  assert.deepEqual([error.field, error.limit], ["objects", 1]);
  assert.equal(await zoe.exists("/quota/b"), false);
  const [own] = await zoe.accounts.quotas();
  assert.equal(own?.objects, 1);
  assert.ok((own?.bytes ?? 0) > 0);
  await fails("permission_denied", /administrator/, zoe.accounts.quotas({ user: "admin" }));
  await fails("permission_denied", /administrator/, zoe.accounts.setQuota("zoe"));
  assert.deepEqual((await accounts.quotas()).map(({ user }) => user), ["admin", "zoe"]);
  assert.equal((await accounts.setQuota("zoe")).maxObjects, null);
  await zoe.store("/quota/b", new InventoryItem());
  await zoe.close();
  await accounts.removeUser("zoe");
});
