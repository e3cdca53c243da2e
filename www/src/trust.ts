// Class versions whose methods a program lends all of its user's rights on the node. The list is the client's own: it goes along with each call.

import { type Kind, check, TEXT } from "./arguments.js";
import { ByteReader } from "./bytes.js";
import { errorOf } from "./error.js";
import { LIMITS } from "./generated.js";
import { optionsFor } from "./options.js";
import type { Options, Transport } from "./results.js";
import { hex, unhex } from "./sha256.js";
import { opClassOf, readLineage } from "./wire.js";

/** A class version that is trusted. */
export interface TrustedClass {
  /** The address of the version, in hexadecimal. Another version of the class has another, and is not trusted. */
  readonly hash: string;
  readonly name: string;
  /** Who stored it first. */
  readonly owner: string;
}

/** Where trust is kept from one run of a program to the next: a page's `localStorage`, or whatever has these two. */
export interface TrustStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export const TRUST_STORAGE: Kind<TrustStorage> = {
  what: "a storage, such as localStorage",
  fits: (value): value is TrustStorage =>
    typeof value === "object" && value !== null && typeof (value as TrustStorage).getItem === "function" && typeof (value as TrustStorage).setItem === "function",
};

/** Under which trust is kept in a storage. */
const KEY = "emerge.trusted";

const HASH = /^[0-9a-f]{32}$/;

function kept(storage: TrustStorage): TrustedClass[] {
  let list: unknown;
  try {
    list = JSON.parse(storage.getItem(KEY) ?? "[]");
  } catch {
    list = [];
  }
  const isClass = (each: unknown): each is TrustedClass => {
    const { hash, name, owner } = (each ?? {}) as Partial<TrustedClass>;
    return typeof hash === "string" && HASH.test(hash) && typeof name === "string" && typeof owner === "string";
  };
  return Array.isArray(list) ? list.filter(isClass).slice(0, LIMITS.MAX_TRUSTED) : [];
}

/** The class versions that a program trusts. */
export class Trust {
  readonly #transport: Transport;
  readonly #storage: TrustStorage | undefined;
  readonly #classes = new Map<string, TrustedClass>();
  #hashes: readonly Uint8Array[] | undefined;

  constructor(transport: Transport, storage?: TrustStorage) {
    this.#transport = transport;
    this.#storage = storage;
    for (const each of storage === undefined ? [] : kept(storage)) this.#classes.set(each.hash, each);
    this.#changed();
  }

  /**
   * From now on methods of this version of the object's class have all rights of this program's user when this program calls them, whoever wrote them; so read
   * its source first (`await fs.code(path)`). What it inherits from and uses is trusted with it; objects of it that others call, and other versions, are not.
   */
  async add(path: string, options?: Options): Promise<TrustedClass> {
    const given = optionsFor.any(options);
    const [version] = readLineage(new ByteReader(await this.#transport.request(opClassOf(path), given)));
    if (!version) throw errorOf("class_not_found", `${path} has no class`, { path });
    const trusted = { hash: hex(version.hash), name: version.source.name, owner: version.owner };
    if (this.#classes.size >= LIMITS.MAX_TRUSTED && !this.#classes.has(trusted.hash)) {
      throw errorOf("limit_exceeded", `a program trusts ${LIMITS.MAX_TRUSTED} class versions at most`, { path, limit: LIMITS.MAX_TRUSTED });
    }
    this.#classes.set(trusted.hash, trusted);
    this.#changed(true);
    return trusted;
  }

  /** What is trusted. */
  list(): TrustedClass[] {
    return [...this.#classes.values()];
  }

  /** Trusts a version no longer, from the next call on. Gives whether it was trusted. */
  remove(hash: string): boolean {
    check(TEXT, hash, "hash");
    const was = this.#classes.delete(hash.toLowerCase());
    if (was) this.#changed(true);
    return was;
  }

  /** @internal What goes along with a call; nothing when nothing is trusted. */
  get hashes(): readonly Uint8Array[] | undefined {
    return this.#hashes;
  }

  #changed(keep = false): void {
    this.#hashes = this.#classes.size === 0 ? undefined : [...this.#classes.keys()].map(unhex);
    if (keep) this.#storage?.setItem(KEY, JSON.stringify(this.list()));
  }
}
