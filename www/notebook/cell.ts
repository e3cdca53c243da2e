import { el, icon, iconButton } from "../page/dom.js";
import { tokenize } from "../page/highlight.js";
import type { Kernel } from "./kernel.js";
import { Output } from "./output.js";

const INDENT = "    ";

/** What the notebook does for its cells. */
export interface CellHost {
  /** The reader wants to go on after this cell. */
  next(cell: Cell): void;
  /** The cell is to go. */
  remove(cell: Cell): void;
  /** The cell's source has changed. */
  changed(): void;
}

/** One cell: its source, its state and what it said. */
export class Cell {
  readonly element: HTMLElement;
  readonly #kernel: Kernel;
  readonly #host: CellHost;
  readonly #editor: HTMLTextAreaElement;
  readonly #colours = el("pre", { class: "colours", attrs: { "aria-hidden": "true" } });
  readonly #names = el("ul", { class: "names", attrs: { role: "listbox", "aria-label": "Names" } });
  readonly #count = el("span", { class: "cell-state mono" });
  readonly #output = new Output();

  constructor(kernel: Kernel, source: string, host: CellHost) {
    this.#kernel = kernel;
    this.#host = host;
    this.#editor = el("textarea", {
      class: "editor",
      attrs: { spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": "Python source", rows: "1" },
      on: { input: () => this.#changed(), keydown: (event) => this.#key(event as KeyboardEvent), blur: () => this.#names.replaceChildren() },
    });
    this.#editor.value = source;
    const run = iconButton("play", "Run", () => void this.run(), "small primary run");
    run.title = "Run (Shift+Enter runs and goes on)";
    const remove = el(
      "button",
      { class: "button icon-only small", title: "Remove the cell", attrs: { type: "button", "aria-label": "Remove the cell" }, on: { click: () => host.remove(this) } },
      icon("trash"),
    );
    this.element = el(
      "section",
      { class: "cell", attrs: { "data-state": "idle" } },
      el("div", { class: "cell-bar" }, run, this.#count, remove),
      el("div", { class: "source" }, this.#colours, this.#editor, this.#names),
      this.#output.element,
    );
    this.#show();
  }

  get source(): string {
    return this.#editor.value;
  }

  focus(): void {
    this.#editor.focus();
  }

  /** Runs the cell; says whether all went well. */
  async run(): Promise<boolean> {
    const state = this.element.dataset;
    if (state["state"] === "running") return false;
    state["state"] = "running";
    this.#count.textContent = "running …";
    this.#output.clear();
    const begun = performance.now();
    const error = await this.#kernel.run(this.source, this.#output);
    if (error !== null) this.#output.error(error);
    state["state"] = error === null ? "done" : "failed";
    this.#count.textContent = `${((performance.now() - begun) / 1000).toFixed(2)} s`;
    return error === null;
  }

  #changed(): void {
    this.#show();
    this.#host.changed();
  }

  #show(): void {
    const runs = tokenize(this.source, "python").map(({ kind, text }) => (kind === "plain" ? text : el("span", { class: `tok-${kind}`, text })));
    // A last empty line has a height only with something in it.
    this.#colours.replaceChildren(...runs, "\n");
    this.#names.replaceChildren();
  }

  #key(event: KeyboardEvent): void {
    if (event.key === "Enter" && (event.shiftKey || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void this.run();
      if (event.shiftKey) this.#host.next(this);
    } else if (event.key === "Tab" && !event.shiftKey && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      void this.#tab();
    } else if (event.key === "Escape") this.#names.replaceChildren();
    else if (event.key === "Enter") {
      event.preventDefault();
      const line = this.#before().split("\n").at(-1) ?? "";
      const deeper = /:\s*$/.test(line) ? INDENT : "";
      this.#insert(`\n${/^\s*/.exec(line)?.[0] ?? ""}${deeper}`);
    }
  }

  #before(): string {
    return this.source.slice(0, this.#editor.selectionStart);
  }

  #insert(text: string, replaced = 0): void {
    const { selectionStart: start, selectionEnd: end } = this.#editor;
    this.#editor.setRangeText(text, start - replaced, end, "end");
    this.#changed();
  }

  async #tab(): Promise<void> {
    const before = this.#before();
    const word = /[\p{L}_][\p{L}\p{N}_.]*$/u.exec(before)?.[0];
    if (word === undefined) { this.#insert(INDENT); return; }
    const names = await this.#kernel.complete(word);
    if (this.#before() !== before || names.length === 0) return;
    const shared = names.reduce((a, b) => a.slice(0, [...a].findIndex((letter, at) => b[at] !== letter) >>> 0));
    if (shared.length > word.length) this.#insert(shared, word.length);
    if (names.length > 1) this.#offer(names);
  }

  #offer(names: readonly string[]): void {
    const choose = (name: string) => (event: Event) => {
      event.preventDefault();
      const word = /[\p{L}_][\p{L}\p{N}_.]*$/u.exec(this.#before())?.[0] ?? "";
      this.#insert(name, word.length);
    };
    this.#names.replaceChildren(...names.map((name) => el("li", { text: name, attrs: { role: "option" }, on: { mousedown: choose(name) } })));
  }
}
