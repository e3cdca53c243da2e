import type { FileSystem, MethodInfo } from "emerge-client";
import { parseArgument } from "./arguments.js";
import { el, fill, icon } from "./dom.js";
import { many, millis } from "./format.js";
import { problem } from "./problem.js";
import { render } from "./value.js";

interface Target {
  readonly fs: FileSystem;
  readonly path: string;
  /** True when the path is a directory: the method runs on each member. */
  readonly each: boolean;
  /** Told the version that a call made, so that what is shown can follow. */
  readonly changed: (version: number) => void;
}

/** The methods of an object, each with a form that calls it. */
export function methodList(methods: readonly MethodInfo[], target: Target): HTMLElement {
  const callable = methods.filter((method) => !method.isStatic);
  if (callable.length === 0) return el("p", { class: "muted", text: "Its class has no methods." });
  return el("div", { class: "methods" }, callable.map((method) => card(method, target)));
}

let numbered = 0;

function card(method: MethodInfo, target: Target): HTMLElement {
  // Python's marks of how parameters are given are none themselves.
  const params = method.params.filter(({ name }) => name !== "/" && name !== "*");
  const inputs = params.map((param) => ({
    param,
    input: el("input", {
      class: "input mono",
      attrs: {
        id: `argument-${(numbered += 1)}`,
        type: "text",
        autocomplete: "off",
        spellcheck: "false",
        placeholder: param.default ?? (param.name.startsWith("...") ? "values, a JSON list" : "JSON or text"),
      },
    }),
  }));
  const output = el("div", { class: "output", attrs: { "aria-live": "polite" } });
  const run = el("button", { class: "button primary", attrs: { type: "submit" } }, icon("play"), el("span", { text: "Call" }));
  const form = el(
    "form",
    { class: "call-form" },
    inputs.map(({ param, input }) =>
      el("div", { class: "argument" }, el("label", { class: "mono", text: param.name, attrs: { for: input.id } }), input),
    ),
    run,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run.disabled = true;
    void call(method, inputs.map(({ param, input }) => ({ name: param.name, typed: input.value, optional: param.default !== undefined })), target, output).finally(
      () => (run.disabled = false),
    );
  });
  return el(
    "section",
    { class: "method" },
    el(
      "header",
      { class: "method-head" },
      el("code", { class: "signature" }, el("b", { text: method.name }), method.signature.slice(method.name.length)),
      method.isAsync && el("span", { class: "tag", text: "async" }),
      method.isProperty && el("span", { class: "tag", text: "property" }),
      el("span", { class: "hint", text: `from ${method.from}` }),
    ),
    method.doc !== undefined && el("p", { class: "method-doc", text: method.doc }),
    form,
    output,
  );
}

interface Typed {
  readonly name: string;
  readonly typed: string;
  readonly optional: boolean;
}

/** The arguments; those left empty at the end take their defaults. */
function argumentsOf(typed: readonly Typed[]): unknown[] {
  const given = [...typed];
  while (given.at(-1)?.typed.trim() === "" && (given.at(-1)?.optional === true || given.at(-1)?.name.startsWith("...") === true)) given.pop();
  return given.flatMap(({ name, typed: text }) => {
    const value = text.trim() === "" ? undefined : parseArgument(text);
    if (name.startsWith("...")) return Array.isArray(value) ? (value as unknown[]) : [value];
    return [value ?? null];
  });
}

async function call(method: MethodInfo, typed: readonly Typed[], target: Target, output: HTMLElement): Promise<void> {
  fill(output, el("div", { class: "busy", text: "Running on the node …" }));
  const started = performance.now();
  try {
    const args = argumentsOf(typed);
    if (target.each) {
      await callEach(target, method.name, args, output);
      return;
    }
    const called = await target.fs.invoke(target.path, method.name, args, { log: true });
    const facts = [`ran on the node, ${millis(performance.now() - started)}`];
    if (called.version !== null) facts.push(`made version ${called.version}`);
    fill(
      output,
      el("div", { class: "result" }, render(called.result)),
      called.log !== null && called.log !== "" && el("pre", { class: "code log", text: called.log, attrs: { "aria-label": "log" } }),
      el("p", { class: "hint", text: facts.join(" · ") }),
    );
    if (called.version !== null) target.changed(called.version);
  } catch (error) {
    fill(output, problem(error));
  }
}

/** How many members' results are shown; all are counted. */
const SHOWN = 200;

async function callEach(target: Target, method: string, args: readonly unknown[], output: HTMLElement): Promise<void> {
  const started = performance.now();
  const rows = el("tbody");
  const status = el("p", { class: "hint", text: "…" });
  fill(output, status, el("div", { class: "table-wrap short" }, el("table", { class: "table" }, rows)));
  let done = 0;
  let failed = 0;
  for await (const member of target.fs.callEach(target.path, method, args)) {
    done += 1;
    if (member.error) failed += 1;
    if (done <= SHOWN) {
      const shown = member.error ? el("span", { class: "v v-error", text: member.error.message }) : render(member.result, { nested: true });
      rows.append(el("tr", {}, el("th", { text: member.name, attrs: { scope: "row" } }), el("td", {}, shown)));
    }
    if (done % 50 === 0) status.textContent = `${many(done, "member")} …`;
  }
  const seconds = performance.now() - started;
  status.textContent = `${many(done, "member")}, ${many(failed, "error")}, ${millis(seconds)}${done > SHOWN ? `; the first ${SHOWN} are shown` : ""}`;
}
