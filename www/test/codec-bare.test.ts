// The codec where the host gives nothing but the language, as in the sandbox on the node.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";

interface Case {
  name: string;
  hex: string;
  read_only?: boolean;
  js?: "lossy";
  code?: string;
}

const folder = join(process.env["WWW"] ?? ".", "../crates/proto/vectors");
const load = (name: string): Case[] => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Case[];

void it("the codec needs neither TextEncoder nor TextDecoder", async (t) => {
  for (const name of ["TextEncoder", "TextDecoder"]) Reflect.deleteProperty(globalThis, name);
  // Only now: the codec looks for them when it is loaded.
  const { decode, encode } = await import("../src/codec.js");
  let written = 0;
  for (const { name, hex, read_only, js } of load("values")) {
    const value = decode(new Uint8Array(Buffer.from(hex, "hex")));
    if (read_only || js === "lossy") continue;
    assert.equal(Buffer.from(encode(value)).toString("hex"), hex, name);
    written += 1;
  }
  for (const { name, hex, code } of load("bad-values")) {
    assert.throws(() => decode(new Uint8Array(Buffer.from(hex, "hex"))), { code }, name);
  }
  assert.throws(() => encode("\udc00".padStart(100, "x")), { code: "unmappable_value" });
  t.diagnostic(`${written} values read and written`);
});
