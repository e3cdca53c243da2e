import { checkAborted, type EmergeError, errorOf } from "./error.js";
import { FileSystem } from "./filesystem.js";
import { type ConnectionState, SessionTransport } from "./session.js";
import { loadWasm, type WasmSource } from "./wasm.js";

/** How to connect. */
export interface ConnectOptions {
  /** The bearer token; if not given, that of the URL's `?token=`, in a page also that of the page's own address. */
  readonly token?: string | undefined;
  /** Gives up connecting when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for the node at first; 15,000 if not given. Later cuts are sat out however long they take. */
  readonly timeout?: number | undefined;
  /** Is told each new state, and the error that led there. */
  readonly onState?: ((state: ConnectionState, error?: EmergeError) => void) | undefined;
  /** The program's name, for the node's log. */
  readonly agent?: string | undefined;
  /** Where the client's wasm comes from, when it does not lie beside this module: its URL, its bytes or a module. */
  readonly wasm?: WasmSource | undefined;
}

/** A connection to a node, and the file system there. It survives cuts and restarts of the node until it is closed. */
export class Connection extends FileSystem implements AsyncDisposable {
  readonly #session: SessionTransport;
  readonly #listeners = new Set<(state: ConnectionState, error?: EmergeError) => void>();

  /** @internal */
  constructor(session: SessionTransport) {
    super(session);
    this.#session = session;
    session.onState = (state, error) => {
      for (const listener of this.#listeners) listener(state, error);
    };
  }

  /** How the connection stands. */
  get state(): ConnectionState {
    return this.#session.state;
  }

  /** Requests that have no outcome yet. */
  get pending(): number {
    return this.#session.pending;
  }

  /** Calls `listener` with each new state, and the error that led there. The answer ends that. */
  onState(listener: (state: ConnectionState, error?: EmergeError) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends the session once what is under way has its outcomes. */
  close(): Promise<void> {
    return this.#session.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Connects to a node. In a page without a `url`, to the one that served it.
 *
 * ```js
 * const fs = await connect("ws://localhost:5558", { token });
 * ```
 */
export async function connect(url?: string | URL, options: ConnectOptions = {}): Promise<Connection> {
  const { address, token } = target(url, options.token);
  const wasm = await loadWasm(options.wasm);
  checkAborted(options.signal);
  const session = new SessionTransport(wasm, address, token, options.agent ?? "emerge-client");
  const connection = new Connection(session);
  if (options.onState) connection.onState(options.onState);
  try {
    await opened(connection, address, options);
  } catch (error) {
    void connection.close();
    throw error;
  }
  return connection;
}

function opened(connection: Connection, address: string, options: ConnectOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeout = options.timeout ?? 15_000;
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      stop();
      options.signal?.removeEventListener("abort", abort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const stop = connection.onState((state, error) => {
      if (state === "open") finish();
      else if (state === "closed") finish(error ?? errorOf("disconnected", `the connection to ${address} was closed`));
    });
    const abort = (): void => finish(errorOf("cancelled", `connecting to ${address} was given up`));
    const timer = setTimeout(
      () => finish(errorOf("disconnected", `there is no node at ${address}, or it did not answer within ${timeout} ms`)),
      timeout,
    );
    options.signal?.addEventListener("abort", abort);
    if (connection.state === "open") finish();
  });
}

const TOKEN_KEY = "emerge.token";

/** The WebSocket address and the token; a page's own token is kept for the tab and taken out of the address bar. */
function target(url: string | URL | undefined, token: string | undefined): { address: string; token: string } {
  const page = typeof location === "object" && typeof document === "object" ? location : undefined;
  if (url === undefined && !page) throw errorOf("bad_argument", "connect() needs the node's URL outside a page", { field: "url" });
  let parsed: URL;
  try {
    parsed = url === undefined ? new URL("/", page?.href) : new URL(url, page?.href);
  } catch {
    throw errorOf("bad_argument", `${JSON.stringify(String(url))} is not a URL`, { field: "url" });
  }
  const scheme = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }[parsed.protocol];
  if (scheme === undefined) {
    throw errorOf("bad_argument", `${parsed.href} is not the URL of a node: ws://, wss://, http:// or https:// is needed`, {
      field: "url",
    });
  }
  const own = parsed.searchParams.get("token");
  const address = `${scheme}//${parsed.host}/ws`;
  const sameNode = page?.host === parsed.host;
  return { address, token: token ?? own ?? (page && sameNode ? pageToken(page) : "") };
}

function pageToken(page: Location): string {
  const here = new URL(page.href);
  const token = here.searchParams.get("token");
  if (token === null) return sessionStorage.getItem(TOKEN_KEY) ?? "";
  sessionStorage.setItem(TOKEN_KEY, token);
  here.searchParams.delete("token");
  history.replaceState(history.state, "", here);
  return token;
}
