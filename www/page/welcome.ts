import { el, icon, iconButton } from "./dom.js";
import { code } from "./highlight.js";

/** For the console of this page: the README's example, with the node that served it. */
const EXAMPLE = `const { connect, EmergeObject, float, int } = await import("/emerge-client/index.js");

class InventoryItem extends EmergeObject {
  static fields = { unitPrice: float(0), quantityOnHand: int(0) };
  totalCost() { return this.unitPrice * this.quantityOnHand; }
}
const fs = await connect();
await fs.store("/inventory/widget1", new InventoryItem({ unitPrice: 3, quantityOnHand: 10 }));
console.log(await fs.call("/inventory/widget1", "totalCost")); // 30
`;

/** What a store without objects shows. */
export function welcome(): HTMLElement {
  const copied = el("span", { class: "hint", attrs: { role: "status" } });
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(EXAMPLE);
      copied.textContent = "Copied. Paste it into this page's console.";
    } catch {
      copied.textContent = "The browser did not allow it; select the text instead.";
    }
  };
  return el(
    "div",
    { class: "welcome" },
    el("h2", { text: "Nothing is stored here yet" }),
    el("p", {
      class: "lead",
      text: "An object is fields and methods under a path. Make its class in a page, store it, and call it: here, or on the node.",
    }),
    el(
      "div",
      { class: "cards" },
      el(
        "section",
        { class: "card" },
        el("h3", { text: "Ten lines" }),
        code(EXAMPLE, "javascript", "example"),
        el("div", { class: "card-actions" }, iconButton("copy", "Copy for the console", () => void copy(), "primary"), copied),
      ),
      el(
        "section",
        { class: "card" },
        el("h3", { text: "3,376 airports" }),
        el("p", {
          text: "A page that makes a class, stores every airport of a real data set, and finds the ten nearest to a point by calling a method on the node.",
        }),
        el("a", { class: "button primary", attrs: { href: "/examples/airports" } }, icon("link"), el("span", { text: "Open the airports example" })),
      ),
    ),
  );
}

/** What an empty directory shows. */
export function emptyDirectory(): HTMLElement {
  return el("div", { class: "welcome small" }, el("p", { class: "muted", text: "This directory is empty." }));
}
