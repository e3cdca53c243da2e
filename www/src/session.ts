import { ByteReader } from "./bytes.js";
import { checkAborted, type EmergeError } from "./error.js";
import type { Options, Transport } from "./results.js";
import type { Wasm } from "./wasm.js";
import { readError } from "./wire.js";

/** How a connection stands: `open` is good; while `offline` or `resuming`, requests wait and nothing is lost. */
export type ConnectionState = "connecting" | "open" | "offline" | "resuming" | "closed";

/** Kinds of events, as the core numbers them. */
const VALUE = 0, ERROR = 1, ITEM = 2, END = 4;

/** Items of a stream that may wait here, or be on the way, when the caller does not say. */
const CREDIT = 64;

/** A request that waits for its outcome. */
interface Waiting {
  value(bytes: Uint8Array): void;
  error(error: EmergeError): void;
  item?(bytes: Uint8Array): void;
  end?(): void;
}

/** The items of a stream that have come and wait to be taken. */
class Flow implements Waiting {
  readonly items: Uint8Array[] = [];
  ended = false;
  failure: unknown;
  #wake: (() => void) | undefined;

  /** Is fulfilled when something has come. */
  more(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  value(bytes: Uint8Array): void {
    this.items.push(bytes);
    this.end();
  }

  item(bytes: Uint8Array): void {
    this.items.push(bytes);
    this.#wake?.();
  }

  error(error: unknown): void {
    this.failure = error;
    this.end();
  }

  end(): void {
    this.ended = true;
    this.#wake?.();
  }
}

/** The session of the wasm core, as a {@link Transport}. */
export class SessionTransport implements Transport {
  readonly #core: InstanceType<Wasm["Core"]>;
  readonly #waiting = new Map<number, Waiting>();
  #state: ConnectionState = "connecting";
  #closed: Promise<void> | undefined;
  #release: (() => void) | undefined;
  /** Is told each new state. */
  onState: (state: ConnectionState, error?: EmergeError) => void = () => undefined;

  /** @internal */
  constructor(wasm: Wasm, address: string, token: string, agent: string) {
    try {
      this.#core = new wasm.Core(
        address,
        { token, agent },
        (message, index) => this.#handle(message, index),
        (state, error) => this.#enter(state as ConnectionState, error),
      );
    } catch (error) {
      throw fromCore(error) as Error;
    }
    // A page that comes back from sleep or gets its network back need not wait for the next try.
    if (typeof window === "object") {
      const hurry = (): void => this.#core.hurry();
      window.addEventListener("online", hurry);
      this.#release = () => window.removeEventListener("online", hurry);
    }
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get pending(): number {
    return this.#waiting.size;
  }

  request(op: Uint8Array, options?: Options): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (options?.signal) {
        this.#abortable(op, options, options.signal, resolve, reject);
      } else {
        this.#begin(op, options?.timeout, undefined, { value: resolve, error: reject }, reject);
      }
    });
  }

  #abortable(
    op: Uint8Array,
    options: Options,
    signal: AbortSignal,
    resolve: (bytes: Uint8Array) => void,
    reject: (error: unknown) => void,
  ): void {
    checkAborted(signal);
    const abort = (): void => {
      if (seq !== undefined) this.#core.cancel(seq);
    };
    const over = (): void => signal.removeEventListener("abort", abort);
    const waiting: Waiting = {
      value: (bytes) => {
        over();
        resolve(bytes);
      },
      error: (error) => {
        over();
        reject(error);
      },
    };
    const seq = this.#begin(op, options.timeout, undefined, waiting, reject);
    if (seq !== undefined) signal.addEventListener("abort", abort);
  }

  #begin(
    op: Uint8Array,
    timeout: number | undefined,
    credit: number | undefined,
    waiting: Waiting,
    reject: (error: unknown) => void,
  ): number | undefined {
    try {
      const seq = this.#core.request(op, timeout, credit);
      this.#waiting.set(seq, waiting);
      return seq;
    } catch (error) {
      reject(fromCore(error));
      return undefined;
    }
  }

  async *stream(op: Uint8Array, options: Options = {}, credit = CREDIT): AsyncGenerator<Uint8Array, void, undefined> {
    checkAborted(options.signal);
    const flow = new Flow();
    const seq = this.#begin(op, options.timeout, credit, flow, (error) => flow.error(error));
    const abort = (): void => {
      if (seq !== undefined) this.#core.cancel(seq);
    };
    options.signal?.addEventListener("abort", abort);
    let taken = 0;
    try {
      for (;;) {
        const item = flow.items.shift();
        if (item !== undefined) {
          yield item;
          taken += 1;
          // Credit goes back in halves: a message for each item would be waste.
          if (taken >= credit / 2 && !flow.ended && seq !== undefined) {
            this.#allow(seq, taken);
            taken = 0;
          }
        } else if (flow.ended) {
          if (flow.failure !== undefined) throw flow.failure as Error;
          return;
        } else {
          await flow.more();
        }
      }
    } finally {
      options.signal?.removeEventListener("abort", abort);
      if (!flow.ended) abort();
    }
  }

  #allow(seq: number, more: number): void {
    try {
      this.#core.credit(seq, more);
    } catch (error) {
      throw fromCore(error) as Error;
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#core.close().then(() => this.#release?.());
    return this.#closed;
  }

  #enter(state: ConnectionState, error?: Uint8Array): void {
    this.#state = state;
    this.onState(state, error === undefined ? undefined : readError(new ByteReader(error)));
  }

  #handle(message: Uint8Array, index: Uint32Array): void {
    for (let i = 0; i + 3 < index.length; i += 4) {
      const seq = index[i] ?? 0;
      const kind = index[i + 1] ?? 0;
      const from = index[i + 2] ?? 0;
      const waiting = this.#waiting.get(seq);
      // A push belongs to no request; and of what was given up nobody waits for the end.
      if (waiting === undefined) continue;
      const bytes = message.subarray(from, from + (index[i + 3] ?? 0));
      if (kind === ITEM) {
        waiting.item?.(bytes);
        continue;
      }
      if (kind !== VALUE && kind !== ERROR && kind !== END) continue;
      this.#waiting.delete(seq);
      if (kind === ERROR) waiting.error(readError(new ByteReader(bytes)));
      else if (kind === VALUE) waiting.value(bytes);
      else waiting.end?.();
    }
  }
}

/** An encoded error that the core threw, as an {@link EmergeError}; anything else as it is. */
function fromCore(thrown: unknown): unknown {
  return thrown instanceof Uint8Array ? readError(new ByteReader(thrown)) : thrown;
}
