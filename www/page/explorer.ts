import { type Connection, connect, EmergeError, type Meta } from "emerge-client";
import { indicator } from "./connection.js";
import { ask } from "./dialog.js";
import { directoryView } from "./directoryview.js";
import { byId, el, fill, icon, iconButton } from "./dom.js";
import { objectView } from "./objectview.js";
import { problem } from "./problem.js";
import { basename, fragment, go, join, parent, parse, type Route } from "./route.js";
import { Tree } from "./tree.js";
import { emptyDirectory, welcome } from "./welcome.js";

/** Where the client keeps the token of the page's link. */
const TOKEN_KEY = "emerge.token";
const main = byId("main", HTMLElement);
const crumbs = byId("crumbs", HTMLElement);
const state = indicator(byId("state", HTMLElement));

function breadcrumbs(path: string): void {
  const segments = path.split("/").filter((segment) => segment !== "");
  const links = [el("a", { text: "/", attrs: { href: "#/", "aria-label": "root" } })];
  let at = "/";
  for (const segment of segments) {
    at = join(at, segment);
    links.push(el("a", { text: segment, attrs: { href: fragment(at) } }));
  }
  links.at(-1)?.setAttribute("aria-current", "page");
  fill(crumbs, el("ol", {}, links.map((link) => el("li", {}, link))));
  document.title = path === "/" ? "Emerge" : `${basename(path)} · Emerge`;
}

class Explorer {
  readonly #fs: Connection;
  readonly #tree: Tree;
  /** Counts what was asked to be shown, so that a late answer does not replace a later one. */
  #turn = 0;

  constructor(fs: Connection) {
    this.#fs = fs;
    this.#tree = new Tree(byId("tree", HTMLElement), fs);
    window.addEventListener("hashchange", () => void this.show());
    byId("refresh", HTMLButtonElement).addEventListener("click", () => void this.#tree.refresh("/").then(() => this.show()));
  }

  async show(): Promise<void> {
    const turn = (this.#turn += 1);
    const route = parse(location.hash);
    breadcrumbs(route.path);
    document.body.classList.remove("tree-open");
    main.setAttribute("aria-busy", "true");
    const body = el("div", { class: "view" });
    try {
      const meta = await this.#fs.stat(route.path);
      await this.#view(body, meta, route);
      if (turn === this.#turn) fill(main, this.#heading(meta, route), body);
      await this.#tree.reveal(route.path, meta.type);
    } catch (error) {
      if (turn !== this.#turn) return;
      const up = route.path === "/" ? null : el("a", { class: "button", text: "Go up", attrs: { href: fragment(parent(route.path)) } });
      fill(main, el("div", { class: "view" }, problem(error), up));
    } finally {
      if (turn === this.#turn) main.removeAttribute("aria-busy");
    }
  }

  async #view(body: HTMLElement, meta: Meta, route: Route): Promise<void> {
    if (meta.type === "directory") {
      await directoryView(body, this.#fs, route.path, route.path === "/" ? welcome : emptyDirectory);
    } else {
      await objectView(body, this.#fs, route, () => this.#moved(route.path));
    }
  }

  /** A call changed the object: the heading's version follows, the view with the call's result stays. */
  #moved(path: string): void {
    if (parse(location.hash).path !== path) return;
    void this.#fs.stat(path).then((meta) => {
      const before = main.querySelector(".heading");
      before?.replaceWith(this.#heading(meta, { path }));
    });
  }

  #heading(meta: Meta, route: Route): HTMLElement {
    const { path } = route;
    const directory = meta.type === "directory";
    const facts = directory
      ? [meta.type, meta.perms, meta.owner]
      : [`version ${route.version ?? meta.version}`, meta.perms, meta.owner, `on ${meta.node}`];
    return el(
      "header",
      { class: "heading" },
      el("div", { class: `heading-icon ${meta.type}` }, icon(directory ? "directory" : "object")),
      el(
        "div",
        { class: "heading-text" },
        el("h1", { text: path === "/" ? "All objects" : basename(path) }),
        el(
          "p",
          { class: "heading-facts" },
          meta.class !== null && el("span", { class: "tag accent", text: meta.class }),
          facts.map((fact) => el("span", { text: fact })),
        ),
      ),
      el("div", { class: "heading-actions" }, this.#actions(path, directory)),
    );
  }

  #actions(path: string, directory: boolean): (HTMLElement | false)[] {
    const root = path === "/";
    return [
      directory && iconButton("plus", "New directory", () => void this.#mkdir(path)),
      !root && iconButton("pencil", "Rename", () => void this.#rename(path)),
      !root && iconButton("trash", "Delete", () => void this.#remove(path, directory), "quiet-danger"),
    ];
  }

  async #mkdir(path: string): Promise<void> {
    let made = path;
    const done = await ask({
      title: "New directory",
      text: `In ${path}. A name with slashes makes those above it too.`,
      confirm: "Create",
      input: { label: "Name", placeholder: "inventory" },
      run: async (name) => {
        made = join(path, name);
        await this.#fs.mkdir(made);
      },
    });
    if (!done) return;
    await this.#tree.refresh(path);
    go(made);
  }

  async #rename(path: string): Promise<void> {
    let to = path;
    const done = await ask({
      title: `Rename ${basename(path)}`,
      text: "Its identity and its versions stay. A whole path moves it elsewhere.",
      confirm: "Rename",
      input: { label: "New name or path", value: basename(path) },
      run: async (name) => {
        to = name.startsWith("/") ? name : join(parent(path), name);
        await this.#fs.mv(path, to);
      },
    });
    if (!done) return;
    await this.#tree.refresh(parent(path));
    if (parent(to) !== parent(path)) await this.#tree.refresh("/");
    go(to);
  }

  async #remove(path: string, directory: boolean): Promise<void> {
    const done = await ask({
      title: `Delete ${basename(path)}?`,
      text: directory ? `${path} and everything in it will be deleted.` : `${path} and all its versions will be deleted.`,
      confirm: "Delete",
      danger: true,
      run: () => this.#fs.rm(path, { recursive: directory }),
    });
    if (!done) return;
    await this.#tree.refresh(parent(path));
    go(parent(path));
  }
}

/** Without a token there is nothing to show but how to get one. */
function refused(error: unknown): HTMLElement {
  const why =
    error instanceof EmergeError && error.code === "unauthenticated"
      ? "Open the link that the node printed when it started: it carries the token."
      : "The page tries again when it is loaded again.";
  const reload = iconButton("refresh", "Load again", () => location.reload(), "primary");
  return el("div", { class: "view" }, problem(error), el("p", { class: "muted", text: why }), reload);
}

byId("menu", HTMLButtonElement).addEventListener("click", () => document.body.classList.toggle("tree-open"));
// The node gives the notebook a token of its own for this page's; this page's stays with the node.
byId("notebook", HTMLAnchorElement).addEventListener("click", (event) => {
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (token !== null) (event.currentTarget as HTMLAnchorElement).search = new URLSearchParams({ token }).toString();
});
state.show("connecting");
try {
  const fs = await connect(undefined, { agent: "explorer" });
  state.follow(fs);
  await new Explorer(fs).show();
} catch (error) {
  state.show("closed");
  fill(main, refused(error));
}
