// Pages of listings. There are many members, and much is the same of most: that is read once, and what may never be asked for when it is.

import type { ByteReader } from "./bytes.js";
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
  const members: RawStat[] = [];
  let shared: Shared | undefined;
  let node: Text | undefined;
  for (let left = reader.array(); left > 0; left -= 1) {
    // Their order is that of a record of properties, `readStat` in `wire.ts`.
    const count = reader.array();
    need(count >= 14, "properties");
    const name = reader.text();
    const idAt = reader.position;
    reader.skip();
    const kind = reader.uint();
    if (!shared || !reader.takeSame(shared.from, shared.to)) shared = readShared(reader);
    const version = reader.uint();
    const timesAt = reader.position;
    reader.skip(2);
    const size = reader.uint();
    if (!node || !reader.takeSame(node.from, node.to)) node = readText(reader);
    const rare = count > 14 ? readRare(reader, count) : undefined;
    members.push(new Member(reader, idAt, timesAt, shared, rare, name, kind, version, size, node.text));
  }
  return members;
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
