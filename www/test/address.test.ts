// Which node a program means when it does not say all of it.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { type Address, resolve, surroundings } from "../src/address.js";
import { EmergeError } from "../src/index.js";

interface Case {
  name: string;
  url?: string;
  token?: string;
  environment?: Record<string, string>;
  remembered?: Address;
  expected?: Address;
  error?: string;
}

const cases = JSON.parse(readFileSync(join(process.env.WWW ?? "", "../conformance/addresses.json"), "utf8")) as Case[];

for (const each of cases) {
  test(`address: ${each.name}`, async () => {
    const around = { environment: each.environment ?? {}, remembered: () => Promise.resolve(each.remembered) };
    const found = resolve(each.url, each.token, around);
    if (each.expected) assert.deepEqual(await found, each.expected);
    else await assert.rejects(found, (error) => error instanceof EmergeError && error.code === each.error && error.field === "url");
  });
}

test("what `emerge init` remembered", async () => {
  const folder = mkdtempSync(join(tmpdir(), "emerge-address-"));
  const before = process.env.XDG_CONFIG_HOME;
  process.env.XDG_CONFIG_HOME = folder;
  try {
    const around = surroundings();
    assert.ok(around);
    assert.equal(await around.remembered(), undefined);
    mkdirSync(join(folder, "emerge"));
    const file = join(folder, "emerge/node.json");
    writeFileSync(file, '{"url": "ws://127.0.0.1:7", "token": "r"}');
    assert.deepEqual(await around.remembered(), { url: "ws://127.0.0.1:7", token: "r" });
    for (const broken of ["", "null", '{"url": "ws://127.0.0.1:7"}', '{"url": "no", "token": "r"}']) {
      writeFileSync(file, broken);
      await assert.rejects(around.remembered(), /node\.json cannot be used.*emerge init/);
    }
  } finally {
    if (before === undefined) delete process.env.XDG_CONFIG_HOME;
    else process.env.XDG_CONFIG_HOME = before;
    rmSync(folder, { recursive: true });
  }
});
