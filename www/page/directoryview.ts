import type { FileSystem, Meta } from "emerge-client";
import { el, fill, icon, iconButton } from "./dom.js";
import { ago, bytes, count, many } from "./format.js";
import { methodList } from "./methods.js";
import { problem } from "./problem.js";
import { fragment } from "./route.js";
import { tabs } from "./tabs.js";

/** Rows that are shown at first and added each time. */
const PAGE = 200;

/** Shows a directory: its members with their properties, and the methods that they share. */
export async function directoryView(host: HTMLElement, fs: FileSystem, path: string, empty: () => HTMLElement): Promise<void> {
  const first = await fs.page(path, { pageSize: PAGE });
  if (first.members.length === 0) {
    fill(host, empty());
    return;
  }
  const sample = first.members.find((member) => member.type === "object");
  fill(
    host,
    tabs([
      { id: "members", label: "Members", show: () => memberTable(fs, path, first) },
      ...(sample ? [{ id: "each", label: "Call on each", show: () => eachPane(fs, path, sample) }] : []),
    ]).element,
  );
}

function memberTable(fs: FileSystem, path: string, first: { members: Meta[]; next: string | null }): HTMLElement {
  const rows = el("tbody");
  const status = el("p", { class: "muted", attrs: { role: "status" } });
  const actions = el("div", { class: "more-actions" });
  let next: string | null = null;
  let shown = 0;
  const add = (page: { members: Meta[]; next: string | null }): void => {
    rows.append(...page.members.map(row));
    shown += page.members.length;
    next = page.next;
    status.textContent = next === null ? many(shown, "member") : `The first ${count(shown)} members`;
    actions.hidden = next === null;
  };
  const load = async (pages: number): Promise<void> => {
    for (const button of actions.querySelectorAll("button")) button.disabled = true;
    try {
      for (let left = pages; left > 0 && next !== null; left -= 1) {
        status.textContent = `${count(shown)} members, loading …`;
        add(await fs.page(path, { pageSize: pages === 1 ? PAGE : 1000, after: next }));
      }
    } catch (error) {
      actions.after(problem(error));
    } finally {
      for (const button of actions.querySelectorAll("button")) button.disabled = false;
    }
  };
  actions.append(
    iconButton("plus", `Show ${PAGE} more`, () => void load(1)),
    iconButton("menu", "Show all", () => void load(Infinity)),
  );
  add(first);
  const columns = ["Name", "Class", "Version", "Modified", "Size", "Owner", "Rights"];
  return el(
    "div",
    {},
    status,
    el(
      "div",
      { class: "table-wrap" },
      el(
        "table",
        { class: "table listing" },
        el("thead", {}, el("tr", {}, columns.map((text) => el("th", { text, class: `col-${text.toLowerCase()}`, attrs: { scope: "col" } })))),
        rows,
      ),
    ),
    actions,
  );
}

function row(member: Meta): HTMLTableRowElement {
  const directory = member.type === "directory";
  return el(
    "tr",
    {},
    el(
      "td",
      { class: "col-name" },
      el("a", { class: "member", attrs: { href: fragment(member.path) } }, icon(directory ? "directory" : "object"), el("span", { text: member.name })),
    ),
    el("td", { class: "col-class" }, directory ? el("span", { class: "muted", text: "directory" }) : el("span", { class: "tag", text: member.class ?? member.type })),
    el("td", { class: "col-version number", text: directory ? "" : String(member.version) }),
    el("td", { class: "col-modified" }, el("time", { text: ago(member.modified), title: member.modified.toISOString() })),
    el("td", { class: "col-size number", text: directory ? "" : bytes(member.size) }),
    el("td", { class: "col-owner", text: member.owner }),
    el("td", { class: "col-rights mono", text: member.perms }),
  );
}

function eachPane(fs: FileSystem, path: string, sample: Meta): HTMLElement {
  const host = el("div", {}, el("div", { class: "busy", text: "Loading …" }));
  fs.describe(sample.path).then(
    (about) =>
      fill(
        host,
        el("p", { class: "muted", text: `Methods of ${about.name}, run on the node for each object of this directory; each call is a transaction of its own.` }),
        methodList(about.methods, { fs, path, each: true, changed: () => undefined }),
      ),
    (error: unknown) => fill(host, problem(error)),
  );
  return host;
}
