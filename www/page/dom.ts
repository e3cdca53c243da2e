// What is shown comes from strangers, so all text goes in as text nodes; nothing here parses HTML.

type Child = Node | string | number | null | undefined | false;

interface Props {
  class?: string;
  text?: string;
  title?: string;
  on?: Partial<Record<string, (event: Event) => void>>;
  attrs?: Record<string, string | boolean | undefined>;
}

/** Makes an element; strings become text nodes. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: readonly (Child | readonly Child[])[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  if (props.class !== undefined) node.className = props.class;
  if (props.title !== undefined) node.title = props.title;
  if (props.text !== undefined) node.textContent = props.text;
  for (const [name, value] of Object.entries(props.attrs ?? {})) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  for (const [name, listener] of Object.entries(props.on ?? {})) if (listener) node.addEventListener(name, listener);
  append(node, ...children);
  return node;
}

/** Appends children; strings become text nodes, nothing is skipped. */
export function append(parent: Node, ...children: readonly (Child | readonly Child[])[]): void {
  for (const child of children) {
    if (isList(child)) append(parent, ...child);
    else if (child !== null && child !== undefined && child !== false) {
      parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
    }
  }
}

function isList(child: Child | readonly Child[]): child is readonly Child[] {
  return Array.isArray(child);
}

/** Replaces all children. */
export function fill(parent: Element, ...children: readonly (Child | readonly Child[])[]): void {
  parent.replaceChildren();
  append(parent, ...children);
}

/** The element with an id that the page's own HTML has. */
export function byId<T extends Element>(id: string, kind: new () => T): T {
  const node = document.getElementById(id);
  if (!(node instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return node;
}

/** A button; `kind` chooses its look. */
export function button(label: Child, onClick: () => void, kind = "", title?: string): HTMLButtonElement {
  const props: Props = { class: `button ${kind}`.trim(), attrs: { type: "button" }, on: { click: onClick } };
  if (title !== undefined) props.title = title;
  return el("button", props, label);
}

const SVG = "http://www.w3.org/2000/svg";

/** Makes an SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attrs: Record<string, string | number> = {},
  ...children: readonly SVGElement[]
): SVGElementTagNameMap[K] {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

const ICONS = {
  directory: "M3 6.5A1.5 1.5 0 0 1 4.5 5h3.6l1.8 2h5.6A1.5 1.5 0 0 1 17 8.5v6a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 3 14.5z",
  object: "M10 2.8 16.2 6.4v7.2L10 17.2 3.8 13.6V6.4zM3.8 6.4 10 10l6.2-3.6M10 10v7.2",
  chevron: "m7.5 5 5 5-5 5",
  copy: "M7 7h8v9H7zM5 13V4h8",
  plus: "M10 4v12M4 10h12",
  trash: "M4.5 6h11M8 6V4h4v2m-6 0 .6 10h6.8L14 6",
  pencil: "m4 16 .8-3.4L13 4.4l2.6 2.6-8.2 8.2zM11.4 6l2.6 2.6",
  play: "M7 4.5v11l8.5-5.5z",
  refresh: "M15.5 10a5.5 5.5 0 1 1-1.7-4M14 2.8V6h-3.2",
  clock: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM10 6.5V10l2.6 1.6",
  link: "M8.5 11.5 15 5m-4.5 0H15v4.5M13 11.5V15H5V7h3.5",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h13",
} as const;

/** The name of an icon. */
export type IconName = keyof typeof ICONS;

/** An icon drawn with the colour of its text. */
export function icon(name: IconName): SVGSVGElement {
  return svg("svg", { viewBox: "0 0 20 20", class: `icon icon-${name}`, "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

/** A button with an icon before its label. */
export function iconButton(name: IconName, label: string, onClick: () => void, kind = ""): HTMLButtonElement {
  const made = button(icon(name), onClick, kind);
  made.append(el("span", { text: label }));
  return made;
}
