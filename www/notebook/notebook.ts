import { connect } from "emerge-client";
import { indicator } from "../page/connection.js";
import { byId, el } from "../page/dom.js";
import { problem } from "../page/problem.js";
import { Cell, type CellHost } from "./cell.js";
import { CELLS } from "./cells.js";
import { Kernel } from "./kernel.js";
import type { Setting } from "./messages.js";

const TOKEN_KEY = "emerge.notebook-token";

/** The notebook's token: from the link's fragment, which is taken out of the address bar, or what this tab had before. */
function token(): string {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return sessionStorage.getItem(TOKEN_KEY) ?? "";
  sessionStorage.setItem(TOKEN_KEY, given);
  history.replaceState(history.state, "", location.pathname);
  return given;
}

async function setting(): Promise<Setting> {
  const own = token();
  const response = await fetch("/node.json");
  if (!response.ok) throw new Error(`the node does not say where it is: ${response.status}`);
  const { url, wheel } = (await response.json()) as { url: string; wheel: string | null };
  return { url, token: own, wheel: wheel === null ? null : new URL(wheel, location.href).href };
}

const cells = byId("cells", HTMLElement);
const status = byId("python", HTMLElement);
const progress = byId("progress", HTMLProgressElement);
const state = indicator(byId("state", HTMLElement));

const CELLS_KEY = "emerge.notebook-cells";

/** The cells that this browser has kept; the examples when it has none. */
function kept(): readonly string[] {
  try {
    const cells: unknown = JSON.parse(localStorage.getItem(CELLS_KEY) ?? "null");
    if (Array.isArray(cells) && cells.length > 0 && cells.every((cell) => typeof cell === "string")) return cells;
  } catch {
    // What cannot be read is no notebook of ours.
  }
  return CELLS;
}

class Notebook implements CellHost {
  readonly #kernel: Kernel;
  #cells: Cell[] = [];

  constructor(at: Setting) {
    this.#kernel = new Kernel(at, {
      progress: (text, part) => this.#status("loading", text, part),
      ready: (python) => this.#status("ready", `Python ${python}`, 1),
      failed: (why) => this.#status("failed", why, 1),
    });
    for (const source of kept()) this.add(source);
    byId("add", HTMLButtonElement).addEventListener("click", () => this.add().focus());
    byId("reset", HTMLButtonElement).addEventListener("click", () => this.#reset());
    byId("run-all", HTMLButtonElement).addEventListener("click", () => void this.#runAll());
    byId("restart", HTMLButtonElement).addEventListener("click", () => this.#kernel.start());
    byId("interrupt", HTMLButtonElement).addEventListener("click", () => {
      if (!this.#kernel.interrupt()) this.#status("ready", "This browser cannot interrupt a busy cell here; restart Python", 1);
    });
  }

  add(source = ""): Cell {
    const cell = new Cell(this.#kernel, source, this);
    this.#cells.push(cell);
    cells.append(cell.element);
    return cell;
  }

  next(cell: Cell): void {
    (this.#cells[this.#cells.indexOf(cell) + 1] ?? this.add()).focus();
  }

  remove(cell: Cell): void {
    this.#cells = this.#cells.filter((other) => other !== cell);
    cell.element.remove();
    this.changed();
  }

  /** Keeps the cells over a reload of the page. */
  changed(): void {
    const sources = this.#cells.map((cell) => cell.source).filter((source) => source.trim() !== "");
    localStorage.setItem(CELLS_KEY, JSON.stringify(sources));
  }

  #reset(): void {
    if (!confirm("Put the example in the place of all cells?")) return;
    localStorage.removeItem(CELLS_KEY);
    for (const cell of this.#cells) cell.element.remove();
    this.#cells = [];
    for (const source of CELLS) this.add(source);
  }

  async #runAll(): Promise<void> {
    for (const cell of [...this.#cells]) if (!(await cell.run())) return;
  }

  #status(kind: string, text: string, part: number): void {
    status.dataset["state"] = kind;
    status.textContent = text;
    progress.value = part;
    progress.hidden = kind !== "loading";
  }
}

state.show("connecting");
try {
  const at = await setting();
  new Notebook(at);
  const node = new URL(at.url);
  byId("explorer", HTMLAnchorElement).href = `http://${node.host}/`;
  // The page's own connection shows how the node is, also while Python is busy.
  state.follow(await connect(at.url, { token: at.token, agent: "notebook" }));
} catch (error) {
  state.show("closed");
  const how = "Open the notebook by the link that the node printed when it started, or from its page: it carries a token.";
  byId("problem", HTMLElement).replaceChildren(problem(error), el("p", { class: "muted", text: how }));
}
