import { el } from "../page/dom.js";

const STRANGE = "script, iframe, object, embed, base, meta, link, form";

/** What a cell said: streams, values and its traceback, in their order. */
export class Output {
  readonly element = el("div", { class: "output", attrs: { "aria-live": "polite" } });

  clear(): void {
    this.element.replaceChildren();
  }

  stream(name: "stdout" | "stderr", text: string): void {
    const last = this.element.lastElementChild;
    const same = last instanceof HTMLElement && last.dataset["stream"] === name;
    if (same) last.append(text);
    else this.element.append(el("pre", { class: `stream ${name}`, text, attrs: { "data-stream": name } }));
  }

  display(data: Readonly<Record<string, string>>): void {
    const rich = data["text/html"] ?? data["image/svg+xml"];
    if (rich === undefined) this.element.append(el("pre", { class: "value", text: data["text/plain"] ?? "" }));
    else this.element.append(isolated(rich));
  }

  error(text: string): void {
    this.element.append(el("pre", { class: "traceback", text }));
  }
}

/** Rich output with styles of its own. The page's Content-Security-Policy lets nothing in it run; what could lead elsewhere is left out. */
function isolated(markup: string): HTMLElement {
  const host = el("div", { class: "rich" });
  const parsed = new DOMParser().parseFromString(markup, "text/html");
  for (const strange of parsed.querySelectorAll(STRANGE)) strange.remove();
  const style = el("style", { text: TABLES });
  host.attachShadow({ mode: "open" }).append(style, ...parsed.head.childNodes, ...parsed.body.childNodes);
  return host;
}

const TABLES = `
  :host { display: block; overflow: auto; }
  table { border-collapse: collapse; font-size: 0.9rem; }
  th, td { padding: 4px 12px; border-bottom: 1px solid var(--line); text-align: left; }
  th { color: var(--muted); font-weight: 600; }
  svg { max-width: 100%; }
`;
