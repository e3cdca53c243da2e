// A node of one's own: the built program on a data folder that goes when the test ends.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

export const root = join(process.env["WWW"] ?? ".", "..");
const program =
  process.env["EMERGE_BIN"] ?? ["release", "debug"].map((kind) => join(root, "target", kind, "emerge")).find(existsSync) ?? "emerge";

/** How long a first start may take: the sandbox may have to be compiled. */
const PATIENCE = 180_000;

export class TestNode implements AsyncDisposable {
  readonly data = mkdtempSync(join(tmpdir(), "emerge-e2e-"));
  #child: ChildProcess | undefined;
  #port = 0;
  url = "";
  token = "";
  /** The notebook page's link, with its own token. */
  notebook = "";

  readonly #more: readonly string[];

  constructor(more: readonly string[]) {
    this.#more = more;
  }

  /** Starts a node, with more arguments if need be. */
  static async start(...more: string[]): Promise<TestNode> {
    const node = new TestNode(more);
    await node.start();
    return node;
  }

  /** The address of a page of the node, with the token as `npm start` prints it. */
  page(path = "/"): string {
    return `http://127.0.0.1:${this.#port}${path}?token=${this.token}`;
  }

  /** Starts the node; after the first time on the same port. */
  async start(): Promise<void> {
    const args = ["node", "start", "--json", "--data", this.data, "--port", String(this.#port), ...this.#more];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, RUST_LOG: "warn" } });
    this.#child = child;
    const ready = await new Promise<{ url: string; token: string; notebook: string }>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the node did not get ready")), PATIENCE);
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`the node ended with ${code ?? signal ?? "nothing"}`)));
      createInterface({ input: child.stdout }).once("line", (line) => {
        clearTimeout(timer);
        resolve(JSON.parse(line) as { url: string; token: string; notebook: string });
      });
    });
    child.removeAllListeners("exit");
    this.url = ready.url;
    this.token = ready.token;
    this.notebook = ready.notebook;
    this.#port = Number(new URL(ready.url).port);
  }

  /** Runs the `emerge` command against this node and gives what it printed. */
  async emerge(...args: string[]): Promise<string> {
    const env = { ...process.env, EMERGE_URL: this.url, EMERGE_TOKEN: this.token, HOME: this.data };
    const { stdout } = await promisify(execFile)(program, args, { env, maxBuffer: 1 << 26 });
    return stdout;
  }

  /** `kill -9`, and the wait until it is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGTERM");
    rmSync(this.data, { recursive: true, force: true });
  }
}
