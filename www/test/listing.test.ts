// Pages of listings: what members share is read once, and reads as if each had it to itself.

import assert from "node:assert/strict";
import { it } from "node:test";
import { ByteReader } from "../src/bytes.js";
import { Encoder } from "../src/codec.js";
import { metas } from "../src/meta.js";
import { type RawStat, readStat } from "../src/wire.js";
import { readPage } from "../src/wire-listing.js";

const ARRAY = 4;
const NAMES = ["a", "k000001", "k000002", "ünï", "x".repeat(60), "z"];
const PROPERTIES = [
  "name", "id", "kind", "class", "classHash", "classVersion", "owner", "group", "perms", "version", "created", "modified", "size", "node", "rules", "path",
] as const;

/** The bytes of some members, each with others of its properties than the one before. */
function* members(): Generator<Uint8Array> {
  const out = new Encoder();
  for (const [at, name] of NAMES.entries()) {
    const isDirectory = at === 1;
    const rare = at === 2 ? 15 : at === 3 ? 16 : at === 4 ? 17 : 14;
    out.head(ARRAY, rare);
    out.text(name);
    out.bytes(new Uint8Array(16).fill(at));
    out.number(isDirectory ? 1 : 0);
    if (isDirectory) for (let left = 3; left > 0; left -= 1) out.value(null);
    else {
      out.text("Thing");
      out.bytes(new Uint8Array(16).fill(at < 4 ? 200 : 201));
      out.number(at < 3 ? 1 : 300);
    }
    out.text(at < 5 ? "ada" : "adb");
    out.text("staff");
    out.number(0o750);
    out.number(at * 100_000);
    out.number(at === 0 ? -1 : 1_800_000_000_000_000 + at);
    out.number(at === 0 ? 5 : 1_800_000_000_000_007 + at);
    out.number(at * 70);
    out.text(at < 4 ? "node-1" : "node-2");
    if (rare > 14) {
      if (at === 3) out.value(null);
      else out.list(["all", "0"]);
    }
    if (rare > 15) out.text("/elsewhere");
    if (rare > 16) out.list(["what this client does not know"]);
    yield out.take().slice();
  }
}

/** A page of them, which begins anywhere within its buffer. */
function page(all: readonly Uint8Array[], skew: number): Uint8Array {
  const out = new Encoder();
  out.head(ARRAY, 3);
  out.text("next");
  out.text("last");
  out.head(ARRAY, all.length);
  for (const member of all) out.raw(member);
  const bytes = out.take();
  const within = new Uint8Array(skew + bytes.length + 3).fill(0xff);
  within.set(bytes, skew);
  return within.subarray(skew, skew + bytes.length);
}

it("reads each member of a page as it is read alone", () => {
  const plain = [...members()];
  // In a row with others of their kind, and each after any other.
  const orders = [plain, plain.flatMap((one) => [one, one]), plain.flatMap((one) => plain.flatMap((two) => [one, two]))];
  for (const [skew, order] of orders.entries()) {
    const read = readPage(new ByteReader(page(order, skew)));
    assert.equal(read.next, "next");
    assert.equal(read.members.length, order.length);
    for (const [at, member] of read.members.entries()) {
      const alone: RawStat = readStat(new ByteReader(order[at] as Uint8Array));
      for (const property of PROPERTIES) assert.deepEqual(member[property], alone[property], `${property} of ${alone.name}`);
    }
    const [first] = metas("/", read.members);
    const last = metas("/a/b", read.members).at(-1);
    assert.deepEqual([first?.path, last?.path], ["/a", `/a/b/${NAMES.at(-1) ?? ""}`]);
  }
});

/** Numbers from 0 up to, and without, 1: the same for the same seed (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A member that is mostly as the one before, but each property of which may be any that there is. */
function anyMember(next: () => number): Uint8Array {
  const one = <T>(usual: T, ...others: T[]): T =>
    next() < 0.9 ? usual : (others[Math.floor(next() * others.length)] as T);
  const number = (usual: number): number => one(usual, 0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32, Number.MAX_SAFE_INTEGER);
  const out = new Encoder();
  const count = one(14, 15, 16, 17);
  out.head(ARRAY, count);
  out.text(one("k".repeat(Math.floor(next() * 30)), "", "ü", "kkkkkkkü", "kkkkkkkkkkkü", "𝒳".repeat(5), "x".repeat(255), "x".repeat(300)));
  out.bytes(Uint8Array.from({ length: 16 }, () => Math.floor(next() * 256)));
  out.number(number(0));
  out.text(one("Thing", "Other", "Thang"));
  out.bytes(new Uint8Array(16).fill(one(200, 201)));
  out.number(number(1));
  out.text(one("ada", "adb"));
  out.text("staff");
  out.number(one(0o750, 0o640));
  out.number(number(1));
  out.number(one(1_800_000_000_000_000, -1, 5));
  out.number(one(1_800_000_000_000_007, 0, 70_000));
  out.number(number(200));
  out.text(one("node-1", "node-2"));
  if (count > 14) out.list(["all", "0"]);
  if (count > 15) out.text("/elsewhere");
  if (count > 16) out.value(null);
  return out.take().slice();
}

it("reads any members as they are read alone", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const next = random(seed);
    const all = Array.from({ length: 1 + Math.floor(next() * 60) }, () => anyMember(next));
    const read = readPage(new ByteReader(page(all, seed % 9))).members;
    assert.equal(read.length, all.length);
    for (const [at, member] of read.entries()) {
      const alone = readStat(new ByteReader(all[at] as Uint8Array));
      for (const property of PROPERTIES) assert.deepEqual(member[property], alone[property], `seed ${seed}: ${property} of member ${at}`);
    }
  }
});

it("refuses a page that is cut anywhere", () => {
  const next = random(7);
  const whole = page([...members(), ...Array.from({ length: 12 }, () => anyMember(next))], 1);
  for (let end = 0; end < whole.length; end += 1) {
    assert.throws(() => readPage(new ByteReader(whole.subarray(0, end))), { code: "bad_frame" }, `cut at ${end}`);
  }
});
