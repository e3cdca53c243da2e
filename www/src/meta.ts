import { OBJECT_TYPE_NAMES } from "./generated.js";
import { hex, uuidText } from "./sha256.js";
import type { RawStat, Rules } from "./wire.js";

/** The bit of a sticky directory. */
const STICKY = 0o1000;
const AS_OWNER = 0o4000;

/** What lies at a path. */
export type ObjectType = (typeof OBJECT_TYPE_NAMES)[number];

/** What the reply of a store does not tell. */
type Untold = "owner" | "group" | "perms" | "created" | "size" | "node";

/** The properties as far as they are known: of what was stored, the node has told some only. */
export type RawKnown = Omit<RawStat, Untold> & { readonly [K in Untold]: RawStat[K] | undefined };

/** What is known of an object when no reply has told of it. */
export const UNKNOWN: RawKnown = {
  name: "", id: new Uint8Array(16), kind: 0, class: undefined, classHash: undefined, classVersion: undefined,
  owner: undefined, group: undefined, perms: undefined, version: 0, created: undefined, modified: 0, size: undefined, node: undefined,
  rules: undefined, path: undefined,
};

/**
 * The properties of an object that was stored. What the node does not tell of a store is `undefined`, unless the object was fetched from there
 * before; {@link FileSystem.stat} tells it.
 */
export type StoredMeta = Omit<Meta, Untold> & { readonly [K in Untold]: Meta[K] | undefined };

/** The properties of what is stored at a path: `o.meta`, and the members of a listing. */
export class Meta {
  // Of what was stored some are not known, which its type tells: it is a `StoredMeta`.
  readonly #raw: RawStat;
  /** The absolute path. */
  readonly path: string;

  constructor(path: string, raw: RawKnown) {
    this.path = raw.path ?? path;
    this.#raw = raw as RawStat;
  }

  /** The last segment of the path. */
  get name(): string {
    return this.#raw.name;
  }

  /** The identity, for life; survives a move. */
  get id(): string {
    return uuidText(this.#raw.id);
  }

  /** What it is. */
  get type(): ObjectType {
    return OBJECT_TYPE_NAMES[this.#raw.kind] ?? "object";
  }

  /** The class's registered name; `null` for a directory. */
  get class(): string | null {
    return this.#raw.class ?? null;
  }

  /** The address of the class version, 32 hexadecimal digits; `null` for a directory. */
  get classHash(): string | null {
    return this.#raw.classHash ? hex(this.#raw.classHash) : null;
  }

  /** The number of the class version; `null` for a directory. */
  get classVersion(): number | null {
    return this.#raw.classVersion ?? null;
  }

  /** The owner's user name. */
  get owner(): string {
    return this.#raw.owner;
  }

  /** The group's name. */
  get group(): string {
    return this.#raw.group;
  }

  /** The permissions, as in `rwxr-x---`; of a sticky directory `t` or `T` in the last place, of an object whose methods run with its owner's rights `s` or `S` in the third. */
  get perms(): string {
    const bits: number | undefined = (this.#raw as RawKnown).perms;
    if (bits === undefined) return unknown();
    const letters = Array.from("rwxrwxrwx", (letter, i) => ((bits >> (8 - i)) & 1 ? letter : "-"));
    if (bits & AS_OWNER) letters[2] = letters[2] === "x" ? "s" : "S";
    if (bits & STICKY) letters[8] = letters[8] === "x" ? "t" : "T";
    return letters.join("");
  }

  /** 1, 2, 3 … one for each committed change. */
  get version(): number {
    return this.#raw.version;
  }

  /** When it was made, to the millisecond. */
  get created(): Date {
    const created: number | undefined = (this.#raw as RawKnown).created;
    return created === undefined ? unknown() : new Date(Math.floor(created / 1000));
  }

  /** When it was last changed, to the millisecond. */
  get modified(): Date {
    return new Date(Math.floor(this.#raw.modified / 1000));
  }

  /** Bytes of the encoded state; 0 for a directory. */
  get size(): number {
    return this.#raw.size;
  }

  /** The name of the node that holds it. */
  get node(): string {
    return this.#raw.node;
  }

  /** The rules that hold in a directory, of `fs.stat` of one; else `null`. */
  get rules(): Rules | null {
    return this.#raw.rules ?? null;
  }

  /** The packages of native Python that its class requires, of `fs.stat`; else none. */
  get requires(): readonly string[] {
    return this.#raw.requires ?? [];
  }

  /** All properties as plain JSON. */
  toJSON(): Record<string, unknown> {
    const { path, name, id, type, classVersion, classHash, owner, group, perms, version, created, modified, size, node } =
      this;
    return {
      path, name, id, type, class: this.class, classVersion, classHash, owner, group, perms, version, created, modified,
      size, node,
    };
  }
}

/** `undefined`, for what the type {@link StoredMeta} says may be so. */
function unknown(): never {
  return undefined as never;
}

/** The path of a member of a directory. */
export function joinPath(directory: string, name: string): string {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}

/** The properties of a directory's members. */
export function metas(directory: string, members: readonly RawStat[]): Meta[] {
  const above = joinPath(directory, "");
  return members.map((raw) => new Meta(above + raw.name, raw));
}
