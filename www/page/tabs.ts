import { el, fill } from "./dom.js";

interface Tab {
  readonly id: string;
  readonly label: string;
  readonly count?: number;
  /** Makes the pane when it is first shown. */
  readonly show: () => HTMLElement;
}

/** The tab that was last chosen stays chosen from one object to the next. */
let chosen = "";
let numbered = 0;

/** Panes of which one is shown. */
export interface Tabs {
  readonly element: HTMLElement;
  /** Makes all panes anew when they are next shown, but the one that is shown now. */
  readonly renew: () => void;
}

/** Panes, one of which is shown; arrow keys go from tab to tab. */
export function tabs(all: readonly Tab[]): Tabs {
  const prefix = `tabs-${(numbered += 1)}`;
  const pane = el("div", { class: "pane", attrs: { role: "tabpanel", id: `${prefix}-pane`, tabindex: "-1" } });
  const made = new Map<string, HTMLElement>();
  const buttons = all.map((tab) =>
    el(
      "button",
      {
        class: "tab",
        attrs: { type: "button", role: "tab", id: `${prefix}-${tab.id}`, "aria-controls": `${prefix}-pane`, "data-tab": tab.id },
        on: { click: () => choose(tab) },
      },
      tab.label,
      tab.count !== undefined && el("span", { class: "count", text: String(tab.count) }),
    ),
  );
  const choose = (tab: Tab): void => {
    chosen = tab.id;
    for (const [at, button] of buttons.entries()) {
      const is = all[at] === tab;
      button.setAttribute("aria-selected", String(is));
      button.tabIndex = is ? 0 : -1;
    }
    const content = made.get(tab.id) ?? tab.show();
    made.set(tab.id, content);
    pane.setAttribute("aria-labelledby", `${prefix}-${tab.id}`);
    fill(pane, content);
  };
  const list = el("div", { class: "tabs", attrs: { role: "tablist" } }, buttons);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const at = (buttons.findIndex((button) => button.tabIndex === 0) + step + buttons.length) % buttons.length;
    const tab = all[at];
    if (!tab) return;
    event.preventDefault();
    choose(tab);
    buttons[at]?.focus();
  });
  const first = all.find((tab) => tab.id === chosen) ?? all[0];
  const before = chosen;
  if (first) choose(first);
  // A view that lacks the chosen tab does not change what the next one shows.
  chosen = before || chosen;
  const renew = (): void => {
    const shown = all[buttons.findIndex((button) => button.tabIndex === 0)]?.id;
    for (const id of [...made.keys()]) if (id !== shown) made.delete(id);
  };
  return { element: el("div", {}, list, pane), renew };
}
