import { ASKED, type FromWorker, type Setting, SIGINT, SIGNAL, type ToWorker } from "./messages.js";

/** Milliseconds after which Python that has not heard of an interruption computes, and is sent a signal. */
const BUSY = 100;

/** What becomes of a cell is told to it. */
export interface CellEvents {
  stream(name: "stdout" | "stderr", text: string): void;
  display(data: Readonly<Record<string, string>>): void;
}

/** What is told of Python's own state. */
export interface KernelEvents {
  progress(text: string, part: number): void;
  ready(python: string): void;
  /** There is no Python until it is started anew. */
  failed(why: string): void;
}

interface Job {
  readonly cell: number;
  readonly source: string;
  readonly file: string;
  readonly events: CellEvents;
  readonly end: (error: string | null) => void;
}

/** Python in a worker. Cells run one after the other, in the order in which they were asked for. */
export class Kernel {
  readonly #setting: Setting;
  readonly #events: KernelEvents;
  #worker: Worker | undefined;
  #flag: Uint8Array | null = null;
  #ready = false;
  /** Why there is no Python any more. */
  #gone: string | undefined;
  #running: Job | undefined;
  #waiting: Job[] = [];
  #questions = new Map<number, (names: readonly string[]) => void>();
  #count = 0;

  constructor(setting: Setting, events: KernelEvents) {
    this.#setting = setting;
    this.#events = events;
    this.start();
  }

  /** Starts Python anew; all that it knew is gone, and what runs or waits ends. */
  start(): void {
    this.#stop("Python was restarted");
    this.#gone = undefined;
    const shared = crossOriginIsolated ? new SharedArrayBuffer(2) : null;
    this.#flag = shared && new Uint8Array(shared);
    const worker = new Worker("/assets/worker.js", { type: "module", name: "python" });
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#hear(data);
    worker.onerror = (event) => {
      // Later ones are those of what a cell has left behind in JavaScript, and Python goes on.
      if (!this.#ready) this.#lose(`Python could not be started: ${event.message || "the worker could not be loaded"}`);
    };
    this.#worker = worker;
    this.#say({ type: "start", setting: this.#setting, interrupt: shared });
  }

  /** Ends the worker, and what runs or waits with `why`. */
  #stop(why: string): void {
    this.#worker?.terminate();
    const ended = [...(this.#running ? [this.#running] : []), ...this.#waiting];
    this.#running = undefined;
    this.#waiting = [];
    this.#ready = false;
    for (const job of ended) job.end(why);
    for (const answer of this.#questions.values()) answer([]);
    this.#questions.clear();
  }

  #lose(why: string): void {
    if (this.#gone !== undefined) return;
    this.#gone = `${why}; restart it`;
    this.#stop(this.#gone);
    this.#events.failed(this.#gone);
  }

  /** Runs a cell when those before it have ended; gives its traceback, or null when all went well. */
  run(source: string, events: CellEvents): Promise<string | null> {
    if (this.#gone !== undefined) return Promise.resolve(this.#gone);
    const cell = (this.#count += 1);
    return new Promise((end) => {
      this.#waiting.push({ cell, source, file: `cell ${cell}`, events, end });
      this.#next();
    });
  }

  /** Ends the cell that runs; those that wait are not run. Says false when only a restart can end it. */
  interrupt(): boolean {
    for (const job of this.#waiting.splice(0)) job.end("KeyboardInterrupt: the cell was not run");
    if (!this.#running) return true;
    const { cell } = this.#running;
    const flag = this.#flag;
    if (flag) Atomics.store(flag, ASKED, 1);
    this.#say({ type: "interrupt", cell });
    if (!flag) return false;
    // Python that waits hears the message, and is better off without the signal: that could come out in a place which ignores it.
    setTimeout(() => {
      if (this.#running?.cell === cell && Atomics.load(flag, ASKED) === 1) Atomics.store(flag, SIGNAL, SIGINT);
    }, BUSY);
    return true;
  }

  /** The names with which the end of `text` may go on. None while a cell runs. */
  complete(text: string): Promise<readonly string[]> {
    if (!this.#ready || this.#running) return Promise.resolve([]);
    const question = (this.#count += 1);
    return new Promise((answer) => {
      this.#questions.set(question, answer);
      this.#say({ type: "complete", question, text });
    });
  }

  #say(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #next(): void {
    if (!this.#ready || this.#running) return;
    const job = this.#waiting.shift();
    if (!job) return;
    this.#running = job;
    this.#say({ type: "run", cell: job.cell, source: job.source, file: job.file });
  }

  #hear(message: FromWorker): void {
    const running = this.#running;
    switch (message.type) {
      case "progress":
        { this.#events.progress(message.text, message.part); return; }
      case "failed":
        { this.#lose(`Python could not be started: ${message.text}`); return; }
      case "died":
        { this.#lose(`Python has died, and what it knew is gone: ${message.text}`); return; }
      case "ready":
        this.#ready = true;
        this.#events.ready(message.python);
        { this.#next(); return; }
      case "stream":
        if (running?.cell === message.cell) running.events.stream(message.name, message.text);
        return;
      case "display":
        if (running?.cell === message.cell) running.events.display(message.data);
        return;
      case "done":
        if (running?.cell !== message.cell) return;
        this.#running = undefined;
        running.end(message.error);
        { this.#next(); return; }
      case "completions":
        this.#questions.get(message.question)?.(message.names);
        this.#questions.delete(message.question);
    }
  }
}
