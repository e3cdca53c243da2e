// Pages of listings. There are many members, and much is the same of most: that is read once, and what may never be asked for when it is.

import type { ByteReader } from "./bytes.js";
import { need, type RawStat, readRules, record, type Rules } from "./wire.js";

/** One page of a listing. */
export interface RawPage {
  readonly members: readonly RawStat[];
  readonly next: string | undefined;
}

/** What members in a row often share, and the bytes that say it. */
interface Shared extends Pick<RawStat, "class" | "classHash" | "classVersion" | "owner" | "group" | "perms"> {
  readonly bytes: Uint8Array;
}

/** The properties of a member. */
class Member implements RawStat {
  readonly #page: ByteReader;
  readonly #idAt: number;
  readonly #shared: Shared;

  constructor(
    page: ByteReader,
    idAt: number,
    shared: Shared,
    readonly name: string,
    readonly kind: number,
    readonly version: number,
    readonly created: number,
    readonly modified: number,
    readonly size: number,
    readonly node: string,
    readonly rules: Rules | undefined,
    readonly path: string | undefined,
  ) {
    this.#page = page;
    this.#idAt = idAt;
    this.#shared = shared;
  }

  get id(): Uint8Array {
    return this.#page.at(this.#idAt).bytes();
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
}

/** Reads a page. */
export function readPage(reader: ByteReader): RawPage {
  return record(reader, (has) => {
    const next = has(0) ? reader.text() : undefined;
    need(has(2), "members");
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
      if (!shared || !reader.takeSame(shared.bytes)) shared = readShared(reader);
      const [version, created, modified, size] = [reader.uint(), reader.int(), reader.int(), reader.uint()];
      if (!node || !reader.takeSame(node.bytes)) node = readText(reader);
      const rules = count > 14 && !reader.takeNull() ? readRules(reader) : undefined;
      const path = count > 15 && !reader.takeNull() ? reader.text() : undefined;
      if (count > 16) reader.skip(count - 16);
      members.push(new Member(reader, idAt, shared, name, kind, version, created, modified, size, node.text, rules, path));
    }
    return { members, next };
  });
}

function readShared(reader: ByteReader): Shared {
  const start = reader.position;
  const shared = {
    class: reader.takeNull() ? undefined : reader.text(),
    classHash: reader.takeNull() ? undefined : reader.bytes(),
    classVersion: reader.takeNull() ? undefined : reader.uint(),
    owner: reader.text(),
    group: reader.text(),
    perms: reader.uint(),
  };
  return { ...shared, bytes: reader.since(start) };
}

/** A text and the bytes that say it. */
interface Text {
  readonly bytes: Uint8Array;
  readonly text: string;
}

function readText(reader: ByteReader): Text {
  const start = reader.position;
  const text = reader.text();
  return { text, bytes: reader.since(start) };
}
