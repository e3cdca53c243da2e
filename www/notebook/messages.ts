// What the page and the worker that runs Python say to each other.

/** Where the node is, and what stands for the notebook's user there. */
export interface Setting {
  /** The node's address for clients: `ws://127.0.0.1:5558`. */
  readonly url: string;
  readonly token: string;
  /** The address of the Python wheel, if this node carries one. */
  readonly wheel: string | null;
}

/** Rich output: one content for each MIME type, as text. */
export type Rich = Readonly<Record<string, string>>;

export type ToWorker =
  /** Loads Python. `interrupt` is memory in which a 2 raises KeyboardInterrupt, where the browser has such. */
  | { readonly type: "start"; readonly setting: Setting; readonly interrupt: SharedArrayBuffer | null }
  | { readonly type: "run"; readonly cell: number; readonly source: string; readonly file: string }
  /** Ends what waits; what computes is ended by the shared memory. */
  | { readonly type: "interrupt"; readonly cell: number }
  | { readonly type: "complete"; readonly question: number; readonly text: string };

export type FromWorker =
  | { readonly type: "progress"; readonly text: string; readonly part: number }
  | { readonly type: "ready"; readonly python: string }
  /** Python could not be started. */
  | { readonly type: "failed"; readonly text: string }
  /** Python has stopped for good in the middle of something. */
  | { readonly type: "died"; readonly text: string }
  | { readonly type: "stream"; readonly cell: number; readonly name: "stdout" | "stderr"; readonly text: string }
  | { readonly type: "display"; readonly cell: number; readonly data: Rich }
  /** A cell ended; `error` is its traceback. */
  | { readonly type: "done"; readonly cell: number; readonly error: string | null }
  | { readonly type: "completions"; readonly question: number; readonly names: readonly string[] };

/** Where the shared bytes hold the signal that Python looks for while it computes, and whether an interruption was asked for and not heard. */
export const SIGNAL = 0;
export const ASKED = 1;
/** The number of the signal that raises `KeyboardInterrupt`. */
export const SIGINT = 2;
