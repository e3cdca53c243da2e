// The worker in which Python runs, so that a busy cell never stops the page.

import { loadPyodide, type PyodideInterface } from "pyodide";
import kernelSource from "./kernel.py";
import { type FromWorker, type Rich, type Setting, SIGNAL, type ToWorker } from "./messages.js";

/** What `kernel.py` defines. */
interface Kernel {
  start(
    url: string,
    token: string,
    stream: (cell: number, name: "stdout" | "stderr", text: string) => void,
    display: (cell: number, data: { toJs(options: object): Rich }) => void,
  ): void;
  run(cell: number, source: string, file: string): Promise<string | undefined>;
  interrupt(cell: number): void;
  complete(text: string): { toJs(): string[]; destroy(): void };
}

/** What Pyodide offers to hear of the end of its Python, after which nothing that was asked of it is ever answered. */
interface Mortal {
  readonly _api: { on_fatal?: (error: unknown) => void };
}

const say = (message: FromWorker): void => self.postMessage(message);
const loud = (text: string, part: number): void => say({ type: "progress", text, part });

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

class Runner {
  readonly #python: PyodideInterface;
  readonly #kernel: Kernel;
  readonly #flag: Uint8Array | null;
  #running = 0;

  constructor(python: PyodideInterface, kernel: Kernel, flag: Uint8Array | null) {
    this.#python = python;
    this.#kernel = kernel;
    this.#flag = flag;
  }

  get version(): string {
    return this.#python.runPython("import platform; platform.python_version()") as string;
  }

  async run(cell: number, source: string, file: string): Promise<void> {
    this.#running = cell;
    this.#flag?.fill(0);
    let error: string | null;
    try {
      error = (await this.#kernel.run(cell, source, file)) ?? null;
    } catch (thrown) {
      error = String(thrown);
    }
    this.#running = 0;
    say({ type: "done", cell, error });
  }

  interrupt(cell: number): void {
    // Python waits, or this would not be heard; a flag that nobody saw must not end a later cell.
    this.#flag?.fill(0);
    if (cell !== this.#running) return;
    try {
      this.#kernel.interrupt(cell);
    } catch {
      // Python had seen the flag but not raised it: a call from here has a thread state of its own, and there it came out. Now there is none.
      this.#kernel.interrupt(cell);
    }
  }

  complete(question: number, text: string): void {
    const names = this.#kernel.complete(text);
    say({ type: "completions", question, names: names.toJs() });
    names.destroy();
  }
}

async function start(setting: Setting, interrupt: SharedArrayBuffer | null): Promise<Runner> {
  loud("Loading Python …", 0.1);
  const python = await loadPyodide({ indexURL: "/pyodide/", packages: ["micropip"] });
  (python as unknown as Mortal)._api.on_fatal = (error) => say({ type: "died", text: words(error) });
  loud("Readying the notebook …", 0.75);
  const flag = interrupt ? new Uint8Array(interrupt) : null;
  if (flag) python.setInterruptBuffer(flag.subarray(SIGNAL, SIGNAL + 1));
  const scope = python.toPy({}) as { get(name: string): unknown };
  python.runPython(kernelSource, { globals: scope as never, filename: "notebook.py" });
  const kernel = Object.fromEntries(["start", "run", "interrupt", "complete"].map((name) => [name, scope.get(name)])) as unknown as Kernel;
  kernel.start(
    setting.url,
    setting.token,
    (cell, name, text) => say({ type: "stream", cell, name, text }),
    (cell, data) => say({ type: "display", cell, data: data.toJs({ dict_converter: Object.fromEntries }) }),
  );
  if (setting.wheel !== null) {
    loud("Installing emerge …", 0.85);
    const micropip = python.pyimport("micropip") as { install(url: string): Promise<void> };
    await micropip.install(setting.wheel);
    python.runPython("import importlib; importlib.invalidate_caches()");
  }
  return new Runner(python, kernel, flag);
}

let runner: Runner | undefined;

self.onmessage = async ({ data: message }: MessageEvent<ToWorker>): Promise<void> => {
  if (message.type === "start") {
    try {
      runner = await start(message.setting, message.interrupt);
      say({ type: "ready", python: runner.version });
    } catch (error) {
      say({ type: "failed", text: words(error) });
    }
  } else if (message.type === "run") await runner?.run(message.cell, message.source, message.file);
  else if (message.type === "interrupt") runner?.interrupt(message.cell);
  else runner?.complete(message.question, message.text);
};
