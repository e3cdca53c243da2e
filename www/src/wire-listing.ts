// Pages of listings. There are many members, and much is the same of most: that is read once, and what may never be asked for when it is.

import { ascii, type ByteReader } from "./bytes.js";
import { need, type RawStat, readRules, record, type Rules } from "./wire.js";

/** One page of a listing. */
export interface RawPage {
  readonly members: readonly RawStat[];
  readonly next: string | undefined;
}

/** What members in a row often share, and where the page says it. */
interface Shared extends Pick<RawStat, "class" | "classHash" | "classVersion" | "owner" | "group" | "perms"> {
  readonly from: number;
  readonly to: number;
}

/** What hardly any member has. */
type Rare = Pick<RawStat, "rules" | "path">;

/** The properties of a member. */
class Member implements RawStat {
  readonly #page: ByteReader;
  readonly #idAt: number;
  readonly #timesAt: number;
  readonly #shared: Shared;
  readonly #rare: Rare | undefined;

  constructor(
    page: ByteReader,
    idAt: number,
    timesAt: number,
    shared: Shared,
    rare: Rare | undefined,
    readonly name: string,
    readonly kind: number,
    readonly version: number,
    readonly size: number,
    readonly node: string,
  ) {
    this.#page = page;
    this.#idAt = idAt;
    this.#timesAt = timesAt;
    this.#shared = shared;
    this.#rare = rare;
  }

  get id(): Uint8Array {
    return this.#page.at(this.#idAt).bytes();
  }

  get created(): number {
    return this.#page.at(this.#timesAt).int();
  }

  get modified(): number {
    const reader = this.#page.at(this.#timesAt);
    reader.skip();
    return reader.int();
  }

  get class(): string | undefined {
    return this.#shared.class;
  }

  get classHash(): Uint8Array | undefined {
    return this.#shared.classHash;
  }

  get classVersion(): number | undefined {
    return this.#shared.classVersion;
  }

  get owner(): string {
    return this.#shared.owner;
  }

  get group(): string {
    return this.#shared.group;
  }

  get perms(): number {
    return this.#shared.perms;
  }

  get rules(): Rules | undefined {
    return this.#rare?.rules;
  }

  get path(): string | undefined {
    return this.#rare?.path;
  }
}

/** Reads a page. */
export function readPage(reader: ByteReader): RawPage {
  return record(reader, (has) => {
    const next = has(0) ? reader.text() : undefined;
    need(has(2), "members");
    return { members: readMembers(reader), next };
  });
}

function readMembers(reader: ByteReader): RawStat[] {
  const { all: bytes, words } = reader;
  const members: RawStat[] = [];
  let left = reader.array();
  while (left > 0) {
    // Their order is that of a record of properties, `readStat` in `wire.ts`.
    const count = reader.array();
    need(count >= 14, "properties");
    const name = reader.text();
    const idAt = reader.position;
    reader.skip();
    const kind = reader.uint();
    const shared = readShared(reader);
    const version = reader.uint();
    const timesAt = reader.position;
    reader.skip(2);
    const size = reader.uint();
    const node = readText(reader);
    const rare = count > 14 ? readRare(reader, count) : undefined;
    members.push(new Member(reader, idAt, timesAt, shared, rare, name, kind, version, size, node.text));
    left -= 1;

    // Those that follow as nearly all do are read without a call for each property, which takes a fifth off.
    const sharedBytes = shared.to - shared.from;
    const nodeBytes = node.to - node.from;
    // Whatever is read below is there: but for what is the same again it is less than 80 bytes.
    const last = bytes.length - sharedBytes - nodeBytes - 80;
    let at = reader.position;
    let begin = at;
    for (; left > 0 && at <= last && bytes[at] === PROPERTIES; left -= 1) {
      const length = (bytes[at + 1] as number) - SHORT_TEXT;
      if (length < 0 || length > IN_HEAD) break;
      at += 2;
      const name = ascii(bytes, at, at + length);
      at += length;
      const idAt = at;
      const kind = bytes[at + 17] as number;
      if (name === undefined || bytes[at] !== ID || kind > IN_HEAD) break;
      at += 18;
      if (!isSame(words, shared.from, shared.to, at)) break;
      at += sharedBytes;
      const version = shortUint(bytes, at);
      at += 1 + moreOf(bytes, at);
      const timesAt = at;
      if (version < 0 || bytes[at] !== TIME || bytes[at + 9] !== TIME) break;
      at += 18;
      const size = shortUint(bytes, at);
      at += 1 + moreOf(bytes, at);
      if (size < 0 || !isSame(words, node.from, node.to, at)) break;
      at += nodeBytes;
      begin = at;
      members.push(new Member(reader, idAt, timesAt, shared, undefined, name, kind, version, size, node.text));
    }
    reader.goTo(begin);
  }
  return members;
}

/** Heads of CBOR (RFC 8949, section 3.1) that nearly all members have, in their order. */
const PROPERTIES = 0x8e, SHORT_TEXT = 0x60, ID = 0x50, TIME = 0x1b;
/** The most that a head itself says; a number up to it is its head. */
const IN_HEAD = 23;

/** How many bytes follow a number's head, as far as {@link shortUint} reads it. */
function moreOf(bytes: Uint8Array, at: number): number {
  const head = bytes[at] as number;
  return head <= IN_HEAD ? 0 : head - IN_HEAD;
}

/** A number of at most 16 bits; less than 0 when it is another. */
function shortUint(bytes: Uint8Array, at: number): number {
  const head = bytes[at] as number;
  if (head <= IN_HEAD) return head;
  if (head === IN_HEAD + 1) return bytes[at + 1] as number;
  return head === IN_HEAD + 2 ? ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number) : -1;
}

/** Whether what lies at `at` is the same as what lies between two other places. */
function isSame(words: DataView, from: number, to: number, at: number): boolean {
  for (; from + 4 <= to; from += 4, at += 4) if (words.getInt32(from) !== words.getInt32(at)) return false;
  for (; from < to; from += 1, at += 1) if (words.getInt8(from) !== words.getInt8(at)) return false;
  return true;
}

function readRare(reader: ByteReader, count: number): Rare {
  const rules = reader.takeNull() ? undefined : readRules(reader);
  const path = count > 15 && !reader.takeNull() ? reader.text() : undefined;
  if (count > 16) reader.skip(count - 16);
  return { rules, path };
}

function readShared(reader: ByteReader): Shared {
  const from = reader.position;
  const shared = {
    class: reader.takeNull() ? undefined : reader.text(),
    classHash: reader.takeNull() ? undefined : reader.bytes(),
    classVersion: reader.takeNull() ? undefined : reader.uint(),
    owner: reader.text(),
    group: reader.text(),
    perms: reader.uint(),
  };
  return { ...shared, from, to: reader.position };
}

/** A text and where the page says it. */
interface Text {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

function readText(reader: ByteReader): Text {
  const from = reader.position;
  const text = reader.text();
  return { text, from, to: reader.position };
}
