// Where the node is, and the token for it, when a program does not say all of it. `conformance/addresses.json` is the table of this;
// `pyodide/src/emerge/_address.py` reads it the same way.

import { errorOf } from "./error.js";

/** A node's address, `ws://host:port`, and the token for it. @internal */
export interface Address {
  readonly url: string;
  readonly token: string;
}

/** What stands around a program: its environment's variables, and what is remembered, read when it is needed. @internal */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly remembered: () => Promise<Address | undefined>;
}

const HERE = "ws://127.0.0.1:5558";
const SCHEMES = new Map([["http:", "ws:"], ["https:", "wss:"], ["ws:", "ws:"], ["wss:", "wss:"]]);

/**
 * The node that a program means. Without a `url` it is that of `EMERGE_URL`, or else the one that `emerge init` remembered, or else this machine's.
 * A token that belongs to a node is sent to no other: `EMERGE_TOKEN` to that of `EMERGE_URL` when both are set, a remembered one to the remembered.
 * Throws `bad_argument`. @internal
 */
export async function resolve(url: string | undefined, token: string | undefined, around: Surroundings): Promise<Address> {
  const { EMERGE_URL: named, EMERGE_TOKEN: fromEnvironment } = around.environment;
  let known = url === undefined && !named ? await around.remembered() : undefined;
  const { url: address, token: own } = parse(url ?? (named || (known?.url ?? HERE)));
  if (token || own) return { url: address, token: token || own };
  if (fromEnvironment && (!named || isSame(address, parse(named).url))) return { url: address, token: fromEnvironment };
  known ??= await around.remembered();
  return { url: address, token: known && isSame(address, known.url) ? known.token : "" };
}

/** Reads an address, or the whole link that a node printed: `http://127.0.0.1:5558/?token=…`. Throws `bad_argument`. @internal */
export function parse(url: string): Address {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const scheme = SCHEMES.get(parsed?.protocol ?? "");
  if (!parsed || scheme === undefined || parsed.host === "" || parsed.port === "0") {
    throw errorOf("bad_argument", `${JSON.stringify(url)} is not the URL of a node, such as ws://localhost:5558`, { field: "url" });
  }
  return { url: `${scheme}//${parsed.host}`, token: parsed.searchParams.get("token") ?? "" };
}

/** Whether two addresses are one node's: a machine has several names for itself. @internal */
export function isSame(one: string, other: string): boolean {
  return placeOf(one) === placeOf(other);
}

function placeOf(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  const isHere = hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
  return `${protocol}//${isHere ? "localhost" : hostname}:${port}`;
}

// The names are variables, so that bundlers for pages leave these imports alone.
const node = { fs: "node:fs/promises", os: "node:os", path: "node:path" };

/** What stands around a program of Node.js; nothing elsewhere. @internal */
export function surroundings(): Surroundings | undefined {
  const environment = (globalThis as { process?: { env?: Record<string, string | undefined>; versions?: { node?: string } } }).process;
  if (environment?.versions?.node === undefined || environment.env === undefined) return undefined;
  return { environment: environment.env, remembered: () => remembered(environment.env ?? {}) };
}

/** What `emerge init` wrote down; none where it did not run. Throws `bad_argument` for a file that cannot be read. */
async function remembered(environment: Readonly<Record<string, string | undefined>>): Promise<Address | undefined> {
  const [fs, os, path] = (await Promise.all([node.fs, node.os, node.path].map((name) => import(/* @vite-ignore */ name)))) as [
    typeof import("node:fs/promises"),
    typeof import("node:os"),
    typeof import("node:path"),
  ];
  const file = path.join(environment.XDG_CONFIG_HOME || path.join(os.homedir(), ".config"), "emerge", "node.json");
  try {
    const kept = JSON.parse(await fs.readFile(file, "utf8")) as Partial<Address> | null;
    if (typeof kept?.url !== "string" || typeof kept.token !== "string") throw new Error("it lacks url or token");
    return { url: parse(kept.url).url, token: kept.token };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw errorOf("bad_argument", `${file} cannot be used: ${message}; run \`emerge init\` again`);
  }
}
