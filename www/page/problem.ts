import { EmergeError } from "emerge-client";
import { el } from "./dom.js";

/** One line on what went wrong. */
export function describe(error: unknown): string {
  if (error instanceof Error) return error.message;
  return String(error);
}

/** What went wrong, with all that is known: code, path, field, limit, the user's own lines. */
export function problem(error: unknown): HTMLElement {
  const facts: [string, string][] = [];
  let trace: string | undefined;
  let log: string | undefined;
  let title = "Error";
  if (error instanceof EmergeError) {
    title = error.name;
    facts.push(["code", error.code]);
    if (error.path !== undefined) facts.push(["path", error.path]);
    if (error.field !== undefined) facts.push(["field", error.field]);
    if (error.limit !== undefined) facts.push(["limit", String(error.limit)]);
    if (error.effect === "unknown") facts.push(["effect", "unknown: the change may have happened"]);
    ({ trace, log } = error);
  } else if (error instanceof Error) {
    title = error.name;
  }
  return el(
    "div",
    { class: "problem", attrs: { role: "alert" } },
    el("div", { class: "problem-title", text: title }),
    el("p", { class: "problem-text", text: describe(error) }),
    facts.length > 0 &&
      el(
        "dl",
        { class: "facts" },
        facts.flatMap(([name, value]) => [el("dt", { text: name }), el("dd", { text: value })]),
      ),
    trace !== undefined && trace !== "" && el("pre", { class: "code trace", text: trace, attrs: { tabindex: "0" } }),
    log !== undefined && log !== "" && el("pre", { class: "code log", text: log, attrs: { "aria-label": "log" } }),
  );
}
