import type { FileSystem, Meta } from "emerge-client";
import { el, icon } from "./dom.js";
import { many } from "./format.js";
import { basename, fragment, go, join } from "./route.js";

/** Members fetched at a time. */
const PAGE = 100;

interface Item {
  readonly path: string;
  readonly element: HTMLLIElement;
  readonly label: HTMLAnchorElement;
  /** Where a directory's members go; absent for what has none. */
  readonly members: HTMLUListElement | undefined;
  /** The name to go on after; null when all are there, undefined before the first page. */
  next: string | null | undefined;
  loading: Promise<void> | undefined;
  readonly known: Set<string>;
}

/** The tree of directories and objects: lazy, paged, and usable with the keyboard alone. */
export class Tree {
  readonly #fs: FileSystem;
  readonly #host: HTMLElement;
  readonly #items = new Map<string, Item>();
  #root: Item;
  #selected: Item | undefined;
  /** Counts what was asked to be revealed, so that a slow answer does not take the mark from a later one. */
  #turn = 0;

  constructor(host: HTMLElement, fs: FileSystem) {
    this.#fs = fs;
    this.#host = host;
    host.setAttribute("role", "tree");
    this.#root = this.#item("/", "directory", 1);
    host.replaceChildren(this.#root.element);
    this.#root.label.tabIndex = 0;
    host.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Opens what leads to a path and marks it. */
  async reveal(path: string, type: Meta["type"]): Promise<void> {
    const turn = (this.#turn += 1);
    let item = this.#root;
    await this.#open(item);
    const segments = path.split("/").filter((segment) => segment !== "");
    for (const [at, segment] of segments.entries()) {
      const child = join(item.path, segment);
      const last = at === segments.length - 1;
      const found = this.#items.get(child) ?? this.#add(item, segment, last ? type : "directory");
      if (!found) break;
      item = found;
      if (!last || type === "directory") await this.#open(item);
    }
    if (turn === this.#turn) this.#select(item);
  }

  /** Lists a directory anew, as after a change in it. */
  async refresh(path: string): Promise<void> {
    const item = this.#items.get(path);
    if (!item?.members) return;
    for (const known of [...this.#items.keys()]) {
      if (known !== path && known.startsWith(path === "/" ? "/" : `${path}/`)) this.#items.delete(known);
    }
    item.members.replaceChildren();
    item.known.clear();
    item.next = undefined;
    item.loading = undefined;
    if (item.element.getAttribute("aria-expanded") === "true" || item === this.#root) await this.#open(item);
  }

  #item(path: string, type: Meta["type"], level: number): Item {
    const directory = type === "directory";
    const label = el(
      "a",
      { class: "tree-label", attrs: { href: fragment(path), tabindex: "-1" } },
      el("span", { class: "tree-chevron" }, directory && icon("chevron")),
      icon(directory ? "directory" : "object"),
      el("span", { class: "tree-name", text: path === "/" ? "/" : basename(path) }),
    );
    label.style.setProperty("--level", String(level - 1));
    const members = directory ? el("ul", { attrs: { role: "group" } }) : undefined;
    const element = el(
      "li",
      { attrs: { role: "treeitem", "aria-level": String(level), "aria-selected": "false", "aria-expanded": directory ? "false" : undefined } },
      label,
      members,
    );
    const item: Item = { path, element, label, members, next: undefined, loading: undefined, known: new Set() };
    label.querySelector(".tree-chevron")?.addEventListener("click", (event) => {
      event.preventDefault();
      event.stopPropagation();
      if (directory) void this.#toggle(item);
    });
    this.#items.set(path, item);
    return item;
  }

  /** Adds a member that is not there yet, before the row that asks for more. */
  #add(parent: Item, name: string, type: Meta["type"]): Item | undefined {
    if (!parent.members || parent.known.has(name)) return undefined;
    parent.known.add(name);
    const level = Number(parent.element.getAttribute("aria-level")) + 1;
    const item = this.#item(join(parent.path, name), type, level);
    parent.members.insertBefore(item.element, parent.members.querySelector(":scope > .tree-more"));
    return item;
  }

  async #open(item: Item): Promise<void> {
    if (!item.members) return;
    item.element.setAttribute("aria-expanded", "true");
    if (item.next === undefined) await this.#load(item);
  }

  async #toggle(item: Item): Promise<void> {
    if (item.element.getAttribute("aria-expanded") === "true") item.element.setAttribute("aria-expanded", "false");
    else await this.#open(item);
  }

  #load(item: Item): Promise<void> {
    item.loading ??= this.#fetch(item).finally(() => (item.loading = undefined));
    return item.loading;
  }

  async #fetch(item: Item): Promise<void> {
    const busy = el("li", { class: "tree-busy", text: "…", attrs: { role: "none" } });
    item.members?.querySelector(":scope > .tree-more")?.remove();
    item.members?.append(busy);
    try {
      const after = item.next ?? undefined;
      const { members, next } = await this.#fs.page(item.path, { pageSize: PAGE, after });
      busy.remove();
      for (const member of members) this.#add(item, member.name, member.type);
      item.next = next;
      if (next !== null) item.members?.append(this.#more(item));
    } catch {
      // The view beside the tree tells what is wrong; here the row can be tried again.
      busy.remove();
      item.members?.append(this.#more(item));
    }
  }

  #more(item: Item): HTMLLIElement {
    const shown = item.known.size;
    const label = shown === 0 ? "Try again" : `More after ${many(shown, "member")}`;
    const load = (): void => {
      void this.#load(item);
    };
    const more = el("button", { class: "tree-more-button", text: label, attrs: { type: "button" }, on: { click: load } });
    more.style.setProperty("--level", item.element.getAttribute("aria-level") ?? "1");
    return el("li", { class: "tree-more", attrs: { role: "none" } }, more);
  }

  #select(item: Item): void {
    const before = this.#selected;
    before?.element.setAttribute("aria-selected", "false");
    if (before) before.label.tabIndex = -1;
    this.#root.label.tabIndex = -1;
    this.#selected = item;
    item.element.setAttribute("aria-selected", "true");
    item.label.tabIndex = 0;
    item.label.scrollIntoView({ block: "nearest" });
  }

  #key(event: KeyboardEvent): void {
    const target = event.target;
    if (!(target instanceof HTMLElement)) return;
    const stops = [...this.#host.querySelectorAll<HTMLElement>(".tree-label, .tree-more-button")].filter(
      (stop) => stop.offsetParent !== null,
    );
    const at = stops.indexOf(target);
    const item = [...this.#items.values()].find((known) => known.label === target);
    const open = item?.element.getAttribute("aria-expanded") === "true";
    const focus = (stop: HTMLElement | undefined): void => stop?.focus();
    switch (event.key) {
      case "ArrowDown":
        focus(stops[at + 1]);
        break;
      case "ArrowUp":
        focus(stops[at - 1]);
        break;
      case "Home":
        focus(stops[0]);
        break;
      case "End":
        focus(stops.at(-1));
        break;
      case "ArrowRight":
        if (item?.members && !open) void this.#open(item);
        else if (open) focus(stops[at + 1]);
        break;
      case "ArrowLeft":
        if (item && open) item.element.setAttribute("aria-expanded", "false");
        else focus(target.closest("ul")?.closest("li")?.querySelector<HTMLElement>(":scope > .tree-label") ?? undefined);
        break;
      case " ":
        if (!item) return;
        go(item.path);
        break;
      default:
        return;
    }
    event.preventDefault();
  }
}
