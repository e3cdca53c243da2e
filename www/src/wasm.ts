// Loads the client's wasm: beside this module, in a page by `fetch`, in Node.js from the file.

import { errorOf } from "./error.js";
import init, * as bindings from "../pkg/emerge_wasm.js";

/** Where the client's wasm comes from. */
export type WasmSource = string | URL | BufferSource | WebAssembly.Module | Response;

/** The bindings of the client's wasm. @internal */
export type Wasm = typeof bindings;

let loading: Promise<Wasm> | undefined;

/** Loads the wasm; once for the whole program. @internal */
export function loadWasm(source?: WasmSource): Promise<Wasm> {
  loading ??= load(source).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(source: WasmSource | undefined): Promise<Wasm> {
  if (!("WebSocket" in globalThis)) await addWebSocket();
  const from = source ?? new URL("./emerge_wasm_bg.wasm", import.meta.url);
  const file = from instanceof URL && from.protocol === "file:" ? await readFile(from) : from;
  try {
    await init({ module_or_path: file as Exclude<typeof file, string> });
  } catch (error) {
    const where = from instanceof URL || typeof from === "string" ? ` from ${String(from)}` : "";
    const why = error instanceof Error ? error.message : String(error);
    throw errorOf("unavailable", `the client's wasm could not be loaded${where}: ${why}`);
  }
  return bindings;
}

// The names are variables, so that bundlers for pages leave these imports alone.
const node = { fs: "node:fs/promises", ws: "ws" };

async function readFile(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  const fs = (await import(/* @vite-ignore */ node.fs)) as typeof import("node:fs/promises");
  return new Uint8Array(await fs.readFile(url));
}

/** Node.js before 22 has no WebSocket. */
async function addWebSocket(): Promise<void> {
  const ws = (await import(/* @vite-ignore */ node.ws)) as { WebSocket: typeof globalThis.WebSocket };
  globalThis.WebSocket = ws.WebSocket;
}
