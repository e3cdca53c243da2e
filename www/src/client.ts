import { ANY, check, FUNCTION, type Kind, TEXT, URL_OR_TEXT } from "./arguments.js";
import { type Address, isSame, parse, resolve, surroundings } from "./address.js";
import { checkAborted, type EmergeError, errorOf } from "./error.js";
import { FileSystem } from "./filesystem.js";
import { optionsOf } from "./options.js";
import type { Options } from "./results.js";
import { type ConnectionState, SessionTransport } from "./session.js";
import { type BeginOptions, type Transaction, type TransactionInfo, type TransactionOptions, Transactions } from "./transaction.js";
import { TRUST_STORAGE, type TrustStorage } from "./trust.js";
import { loadWasm, type WasmSource } from "./wasm.js";

/** How to connect. */
export interface ConnectOptions {
  /** The bearer token; if not given, that of the URL's `?token=`; in a page that of the page's own address, in Node.js the node's own (see {@link connect}). */
  readonly token?: string | undefined;
  /** Gives up connecting when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for the node at first; 15,000 if not given. Later cuts are sat out however long they take. */
  readonly timeout?: number | undefined;
  /** Is told each new state, and the error that led there. */
  readonly onState?: ((state: ConnectionState, error?: EmergeError) => void) | undefined;
  /** The program's name, for the node's log. */
  readonly agent?: string | undefined;
  /** Where the class versions that {@link FileSystem.trust} is told of are kept for later connections: `localStorage` in a page. In memory alone if not given. */
  readonly keepTrust?: TrustStorage | undefined;
  /** Where the client's wasm comes from, when it does not lie beside this module: its URL, its bytes or a module. */
  readonly wasm?: WasmSource | undefined;
}

const connectOptions = optionsOf<ConnectOptions>({ token: TEXT, onState: FUNCTION, agent: TEXT, keepTrust: TRUST_STORAGE, wasm: ANY as Kind<WasmSource> });

/** A connection to a node, and the file system there. It survives cuts and restarts of the node until it is closed. */
export class Connection extends FileSystem implements AsyncDisposable {
  readonly #session: SessionTransport;
  readonly #transactions: Transactions;
  readonly #listeners = new Set<(state: ConnectionState, error?: EmergeError) => void>();

  /** @internal */
  constructor(session: SessionTransport, keepTrust?: TrustStorage) {
    super(session, undefined, keepTrust);
    this.#session = session;
    this.#transactions = new Transactions(session, this);
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
    check(FUNCTION, listener, "listener");
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Runs a block of operations that is committed as one at its end, and rolled back when it throws. After a conflict the block is run again,
   * each time after a longer wait: it should change nothing but by the file system that it is given.
   *
   * ```js
   * await fs.transaction(async (tx) => {
   *   const from = await tx.get("/accounts/ada");
   *   …
   * });
   * ```
   */
  transaction<R>(body: (tx: Transaction) => R | Promise<R>, options?: TransactionOptions): Promise<R> {
    return this.#transactions.run(body, options);
  }

  /** Opens a transaction, to be committed or rolled back; with a `name` the user's other clients can add to it. */
  begin(options?: BeginOptions): Promise<Transaction> {
    return this.#transactions.begin(options);
  }

  /** Finds an open transaction of the user by its name or id. */
  open(tx: string, options?: Options): Promise<Transaction> {
    return this.#transactions.find(tx, options);
  }

  /** The user's open transactions, oldest first. */
  transactions(options?: Options): Promise<TransactionInfo[]> {
    return this.#transactions.list(options);
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
 * Connects to a node. Without a `url`, in a page to the one that served it; in Node.js to that of the environment's `EMERGE_URL` and
 * `EMERGE_TOKEN`, or else to the one that `emerge init` remembered.
 *
 * ```js
 * const fs = await connect("http://127.0.0.1:5558/?token=…"); // the link that the node printed
 * ```
 */
export async function connect(url?: string | URL, options?: ConnectOptions): Promise<Connection> {
  const given = connectOptions(options);
  if (url !== undefined && url !== null) check(URL_OR_TEXT, url, "url");
  const { url: node, token } = await target(url ?? undefined, given.token);
  const address = `${node}/ws`;
  const wasm = await loadWasm(given.wasm);
  checkAborted(given.signal);
  const session = new SessionTransport(wasm, address, token, given.agent ?? "emerge-client");
  const connection = new Connection(session, given.keepTrust);
  if (given.onState) connection.onState(given.onState);
  try {
    await opened(connection, address, given);
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
    const late = (): void => finish(errorOf("disconnected", `there is no node at ${address}, or it did not answer within ${timeout} ms`));
    // A longer one would be none at all: timers count to here.
    const timer = timeout < 2 ** 31 ? setTimeout(late, timeout) : undefined;
    options.signal?.addEventListener("abort", abort);
    if (connection.state === "open") finish();
  });
}

const TOKEN_KEY = "emerge.token";

/** The node and the token; a page's own token is kept for the tab and taken out of the address bar. */
async function target(url: string | URL | undefined, token: string | undefined): Promise<Address> {
  const page = typeof location === "object" && typeof document === "object" ? location : undefined;
  if (!page) {
    const around = surroundings();
    if (around) return resolve(url?.toString(), token, around);
    if (url === undefined) throw errorOf("bad_argument", "connect() needs the node's URL here", { field: "url" });
    const given = parse(url.toString());
    return { url: given.url, token: token ?? given.token };
  }
  const given = parse(URL.canParse(url ?? "/", page.href) ? new URL(url ?? "/", page.href).href : String(url));
  const own = isSame(given.url, parse(page.origin).url) ? pageToken(page) : "";
  return { url: given.url, token: token ?? (given.token || own) };
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
