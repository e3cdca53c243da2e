import type { Description, FileSystem, Stored, VersionInfo } from "emerge-client";
import { el, fill } from "./dom.js";
import { ago, bytes, many } from "./format.js";
import { code } from "./highlight.js";
import { methodList } from "./methods.js";
import { problem } from "./problem.js";
import { fragment, type Route } from "./route.js";
import { tabs } from "./tabs.js";
import { render } from "./value.js";

/** Shows an object: its fields, methods, versions, source and properties. */
export async function objectView(host: HTMLElement, fs: FileSystem, route: Route, again: () => void): Promise<void> {
  const { path, version } = route;
  const [first, about] = await Promise.all([
    fs.get(path, version === undefined ? undefined : { version }),
    fs.describe(path),
  ]);
  let object = first;
  const earlier = version !== undefined && (await fs.stat(path)).version !== version;
  // A call that changed the object: its result stays in view, and the other panes show the new version.
  const changed = (): void => {
    again();
    const follow = async (): Promise<void> => {
      if (!earlier) object = await fs.get(path);
      panes.renew();
    };
    follow().catch((error: unknown) => host.append(problem(error)));
  };
  const versions = (): HTMLElement => lazily(fs.history(path).then((all) => versionTable(path, all, object.meta.version)));
  const panes = tabs([
    { id: "fields", label: "Fields", show: () => fieldTable(object, about) },
    { id: "methods", label: "Methods", count: about.methods.length, show: () => methodsPane(fs, path, about, changed) },
    { id: "versions", label: "Versions", show: versions },
    { id: "source", label: "Source", show: () => sourcePane(about) },
    { id: "properties", label: "Properties", show: () => properties(object) },
  ]);
  fill(host, earlier && banner(path, version), panes.element);
}

function banner(path: string, version: number): HTMLElement {
  return el(
    "div",
    { class: "banner", attrs: { role: "status" } },
    `This is version ${version}, an earlier one. `,
    el("a", { text: "Show the current version", attrs: { href: fragment(path) } }),
  );
}

/** Shows a pane at once, and what it holds when that has come. */
function lazily(coming: Promise<HTMLElement>): HTMLElement {
  const host = el("div", {}, el("div", { class: "busy", text: "Loading …" }));
  coming.then(
    (pane) => fill(host, pane),
    (error: unknown) => fill(host, problem(error)),
  );
  return host;
}

function fieldTable(object: Stored, about: Description): HTMLElement {
  const declared = new Map(about.fields.map((field) => [field.name, field]));
  const entries = Object.entries(object);
  if (entries.length === 0) return el("p", { class: "muted", text: "It has no fields." });
  return el(
    "div",
    { class: "table-wrap" },
    el(
      "table",
      { class: "table fields" },
      el(
        "tbody",
        {},
        entries.map(([name, value]) => {
          const field = declared.get(name);
          return el(
            "tr",
            {},
            el("th", { attrs: { scope: "row" } }, name, field?.doc != null && el("div", { class: "hint", text: field.doc })),
            el("td", { class: "type" }, field && el("span", { class: "tag", text: field.type })),
            el("td", { class: "value" }, render(value, { declared: field?.type })),
          );
        }),
      ),
    ),
  );
}

function methodsPane(fs: FileSystem, path: string, about: Description, changed: (version: number) => void): HTMLElement {
  return el(
    "div",
    {},
    el("p", { class: "muted", text: "They run on the node, in a sandbox, on the current version." }),
    methodList(about.methods, { fs, path, each: false, changed }),
  );
}

function versionTable(path: string, versions: readonly VersionInfo[], shown: number): HTMLElement {
  const rows = versions.map((version) =>
    el(
      "tr",
      { attrs: { "aria-current": version.version === shown ? "true" : undefined } },
      el("td", {}, el("a", { text: `version ${version.version}`, attrs: { href: fragment(path, version.version) } })),
      el("td", {}, el("time", { text: ago(version.modified), title: version.modified.toISOString() })),
      el("td", { text: version.author }),
      el("td", {}, version.method === null ? "stored" : el("code", { text: `${version.method}()` })),
      el("td", { class: "number", text: bytes(version.size) }),
    ),
  );
  const head = ["Version", "When", "By", "How", "Size"].map((text) => el("th", { text, attrs: { scope: "col" } }));
  return el(
    "div",
    {},
    el("p", { class: "muted", text: `${many(versions.length, "version")}, newest first. Any of them can be read.` }),
    el("div", { class: "table-wrap" }, el("table", { class: "table" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows))),
  );
}

function sourcePane(about: Description): HTMLElement {
  const bases = about.bases.length > 0 ? ` · extends ${about.bases.join(", ")}` : "";
  return el(
    "div",
    {},
    el("p", { class: "muted", text: `${about.name}, version ${about.version} of the class · ${about.language} · by ${about.owner}${bases}` }),
    about.doc !== null && el("p", { text: about.doc }),
    code(about.source, about.language, `source of ${about.name}`),
  );
}

function properties(object: Stored): HTMLElement {
  const facts = Object.entries(object.meta.toJSON()).filter(([, value]) => value !== null && value !== undefined);
  return el(
    "dl",
    { class: "facts wide" },
    facts.flatMap(([name, value]) => [el("dt", { text: name }), el("dd", {}, name === "size" ? bytes(Number(value)) : render(value))]),
  );
}
