import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader } from "../src/bytes.js";
import { encode } from "../src/codec.js";
import * as client from "../src/index.js";
import { ERROR_CLASSES } from "../src/generated.js";
import { readError, readStat } from "../src/wire.js";
import { readPage } from "../src/wire-listing.js";

const read = (record: unknown): client.EmergeError => readError(new ByteReader(encode(record)));

test("every code of the protocol has its class, exported under its name", () => {
  const exported = client as unknown as Record<string, unknown>;
  assert.deepEqual([...client.errorClasses.keys()], [...client.ERROR_CODES]);
  for (const [number, code] of client.ERROR_CODES.entries()) {
    const [name] = ERROR_CLASSES[code];
    const error = read([number, "why"]);
    assert.equal(error.code, code);
    assert.equal(error.name, name);
    assert.equal(error.constructor, exported[name], name);
    assert.ok(error instanceof client.EmergeError && error instanceof Error);
    assert.equal(String(error), `${name}: why`);
  }
});

test("an error has what its record names, and no more", () => {
  const full = read([18, "it failed", "/a", "args[0]", 5, "at sell (line 3)", 1, "said"]);
  const { code, path, field, limit, trace, effect, log } = full;
  assert.deepEqual([code, path, field, limit, trace, effect, log], ["method_failed", "/a", "args[0]", 5, "at sell (line 3)", "unknown", "said"]);
  const bare = read([8, "none"]);
  assert.deepEqual([bare.path, bare.field, bare.effect, bare.log], [undefined, undefined, "none", undefined]);
});

test("what a newer node adds is skipped, and a code that it adds is internal", () => {
  assert.equal(read([9999, "new"]).code, "internal");
  const more = read([8, "none", null, null, null, null, null, null, 250, { later: [1.5, "x"] }]);
  assert.deepEqual([more.code, more.retryAfter], ["not_found", 250]);
});

test("records that are cut short or of another form are bad frames", () => {
  const stat = encode(["a", new Uint8Array(16), 0]);
  assert.equal(readStat(new ByteReader(stat)).name, "a");
  for (let length = 0; length < stat.length; length += 1) {
    assert.throws(() => readStat(new ByteReader(stat.subarray(0, length))), { code: "bad_frame" }, String(length));
  }
  assert.throws(() => readStat(new ByteReader(encode({ name: "a" }))), { code: "bad_frame" });
  assert.throws(() => readStat(new ByteReader(encode([7]))), { code: "bad_frame" });
  assert.throws(() => readPage(new ByteReader(encode([]))), { code: "bad_frame" });
  // A count that the bytes cannot hold must not be waited for.
  assert.throws(() => readPage(new ByteReader(new Uint8Array([0x81, 0x9b, 0, 0, 0, 1, 0, 0, 0, 0]))), { code: "bad_frame" });
});

test("a record is stepped over whatever is in it", () => {
  for (const value of [1.5, -1, 2n ** 64n, "é".repeat(100), [[[]]], { a: { b: null } }, new Date(0), new Float32Array([1]), true]) {
    const bytes = encode([value, "end"]);
    const reader = new ByteReader(bytes);
    reader.array();
    reader.skip();
    assert.equal(reader.text(), "end");
    assert.ok(reader.atEnd);
  }
});
