// A transport without a node: it keeps what is stored, and notes every operation.

import { decode, encode } from "../src/codec.js";
import { checkAborted } from "../src/error.js";
import { type EmergeError, errorOf, type Options, type Transport } from "../src/index.js";
import { OP, StoreMode } from "../src/generated.js";

interface Kept {
  hash: Uint8Array;
  state: Uint8Array;
  version: number;
}

/** One operation as it was asked for: its name and its arguments. */
export type Asked = [name: string, ...args: unknown[]];

const names = new Map<number, string>(Object.entries(OP).map(([name, number]) => [number, name]));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const PAGE = 2;

export class MemoryTransport implements Transport {
  readonly asked: Asked[] = [];
  readonly objects = new Map<string, Kept>();
  /** Class sources by address; the sources are records. */
  readonly classes = new Map<string, unknown[]>();
  /** An error for the operations that it finds one for. */
  fault: (name: string, path: unknown) => EmergeError | undefined = () => undefined;
  running = 0;
  mostRunning = 0;

  /** The names of the operations so far, and forgets them. */
  names(): string[] {
    return this.asked.splice(0).map(([name]) => name);
  }

  async request(op: Uint8Array, options?: Options): Promise<Uint8Array> {
    const [number, args] = decode(op) as [number, unknown[]];
    const name = names.get(number) ?? String(number);
    this.asked.push([name, ...args]);
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    await new Promise((resolve) => setImmediate(resolve));
    this.running -= 1;
    checkAborted(options?.signal);
    const fault = this.fault(name, args[0]);
    if (fault) throw fault;
    return this.#answer(name, args);
  }

  async *stream(op: Uint8Array, options?: Options): AsyncGenerator<Uint8Array, void, undefined> {
    const [number, args] = decode(op) as [number, unknown[]];
    const path = String(args[0]).replace(/\/$/, "");
    const members = [...this.objects.keys()].filter((other) => other.startsWith(`${path}/`)).sort();
    this.asked.push([names.get(number) ?? String(number), ...args]);
    if (number === OP.call) {
      for (const [i, member] of members.entries()) {
        const name = member.slice(path.length + 1);
        // Every second member fails.
        yield record(i % 2 === 0 ? [name, [new Uint8Array([i]), null]] : [name, null, [8, "gone"]]);
      }
      return;
    }
    for (let from = 0; from < members.length; from += PAGE) {
      checkAborted(options?.signal);
      yield record([null, null, members.slice(from, from + PAGE).map((member) => this.#stat(member))]);
    }
  }

  async #answer(name: string, args: unknown[]): Promise<Uint8Array> {
    const [path] = args as [string];
    switch (name) {
      case "putClass": {
        const source = args[0] as unknown[];
        const bytes = record(args).slice(1);
        const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).slice(0, 16);
        this.classes.set(hex(hash), source);
        return record([hash, new Uint8Array(16), 1, "me", 0, source, []]);
      }
      case "store":
        return this.#store(path, args);
      case "get": {
        const kept = this.#kept(path);
        return record([this.#stat(path), kept.state]);
      }
      case "stat":
        return record(this.#stat(path));
      case "class": {
        const hash = (args[1] as Uint8Array | undefined) ?? this.#kept(path).hash;
        const source = this.classes.get(hex(hash));
        if (!source) throw errorOf("class_not_found", "there is no such class");
        const methods = [["total", [["discount", "0"], ["...rest"]], "The total.\nOf all.", true], ["size", [], null, false, false, true]];
        return record([[[hash, new Uint8Array(16), 3, "me", 1_000_000, source, methods]]]);
      }
      case "call":
        if (this.objects.has(path)) return record([args[2], 2, "a line"]);
        throw errorOf("is_a_directory", `${path} is a directory`, { path });
      case "history":
        return record([[2, 2_000_000, "me", "sell", 9], [1, 1_000_000, "me", null, 9]]);
      default:
        return record([new Uint8Array(16), 1, 0]);
    }
  }

  #kept(path: string): Kept {
    const kept = this.objects.get(path);
    if (!kept) throw errorOf("not_found", `nothing is stored at ${path}`, { path });
    return kept;
  }

  #stat(path: string): unknown[] {
    const { hash, state, version } = this.#kept(path);
    const className = this.classes.get(hex(hash))?.[0] ?? null;
    const name = path.slice(path.lastIndexOf("/") + 1);
    return [name, new Uint8Array(16).fill(7), 0, className, hash, 1, "me", "us", 0o750, version, 1_500, 2_500_999, state.length, "n1"];
  }

  #store(path: string, args: unknown[]): Uint8Array {
    const [, hash, fields, mode, base, removed] = args as [string, Uint8Array, Uint8Array, number, number | null, (string[] | null)?];
    if (!this.classes.has(hex(hash))) throw errorOf("class_not_found", "the class was not sent before its object");
    const old = this.objects.get(path);
    let state: Uint8Array = fields.slice();
    if (mode === StoreMode.create && old) throw errorOf("already_exists", `${path} is there`, { path });
    if (mode === StoreMode.patch || mode === StoreMode.overwrite) {
      if (!old) throw errorOf("not_found", `nothing is stored at ${path}`, { path });
      if (mode === StoreMode.patch && base !== old.version) throw errorOf("conflict", `${path} has changed`, { path });
      const merged = { ...(decode(old.state) as object), ...(decode(fields) as object) } as Record<string, unknown>;
      for (const name of removed ?? []) Reflect.deleteProperty(merged, name);
      state = record(merged);
    }
    const version = (old?.version ?? 0) + 1;
    this.objects.set(path, { hash: hash.slice(), state, version });
    return record([new Uint8Array(16).fill(7), version, 2_500_999]);
  }
}

function record(value: unknown): Uint8Array {
  return encode(value);
}
