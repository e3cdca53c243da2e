// The scenario's steps as commands, one process each, as a person types them.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestNode } from "./node.js";

export interface Step {
  readonly name: string;
  readonly op: string;
  readonly path: string;
  readonly gives?: unknown;
  readonly fails?: string;
  readonly [more: string]: unknown;
}

export interface Scenario {
  readonly passed: number;
  readonly steps: readonly Step[];
}

export interface Outcome {
  readonly passed: number;
  readonly failed: readonly string[];
}

/** How the classes and a stored object stand in a file of a language. */
export interface Language {
  readonly file: string;
  readonly classes: string;
  readonly search: readonly string[];
  object(path: string, name: string, fields: Record<string, unknown>): string;
}

export const LANGUAGES: Record<"javascript" | "python", Omit<Language, "classes">> = {
  javascript: {
    file: "objects.mjs",
    search: [],
    object: (path, name, fields) => `const objects = { ${JSON.stringify(path)}: new ${name}(${JSON.stringify(fields)}) };\n`,
  },
  python: {
    file: "objects.py",
    search: ["--python"],
    // A JSON text is a Python text, too.
    object: (path, name, fields) =>
      `import json\nobjects = {${JSON.stringify(path)}: ${name}(**json.loads(${JSON.stringify(JSON.stringify(fields))}))}\n`,
  },
};

/** Runs all steps by the `emerge` command. */
export async function runCommands(node: TestNode, scenario: Scenario, language: Language, base: string): Promise<Outcome> {
  const at = (value: unknown): string => String(value).replaceAll("~", base);
  const tx = base.slice(1).replaceAll("/", "-");
  const json = async (...args: string[]): Promise<unknown> => JSON.parse(await node.emerge("--json", ...args)) as unknown;
  const lines = async (...args: string[]): Promise<Record<string, unknown>[]> =>
    (await node.emerge("--json", ...args)).split("\n").filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>);
  const names = (found: Record<string, unknown>[]): unknown[] => found.map((each) => (each["meta"] as Record<string, unknown> | undefined ?? each)["name"]);
  const field = async (name: string, ...args: string[]): Promise<unknown> => ((await json(...args)) as Record<string, unknown>)[name];
  const table = (value: unknown): unknown => (value as { $table: unknown }).$table;

  async function store(step: Step, path: string, ...more: string[]): Promise<unknown> {
    const fields = Object.fromEntries(Object.entries(step["fields"] as object).map(([key, value]) => [key, typeof value === "string" ? at(value) : value]));
    const place = join(node.data, language.file);
    writeFileSync(place, `${language.classes}\n${language.object(path, String(step["class"]), fields)}`);
    return (await lines(...more, "store", "--from", place))[0]?.["version"];
  }

  const steps: Record<string, (step: Step) => Promise<unknown>> = {
    store: (step) => store(step, at(step.path)),
    call: (step) => field("result", "call", at(step.path), String(step["method"]), ...(step["args"] as unknown[]).map(at)),
    call_each: async (step) =>
      Object.fromEntries((await lines("call", at(step.path), String(step["method"]))).map((each) => [each["name"], each["result"]])),
    local: (step) => field("result", "call", "--local", "--trust", at(step.path), String(step["method"])),
    // A command is no proxy; it calls.
    proxy: (step) => field("result", "call", at(step.path), String(step["method"])),
    query: async (step) => table(await field("result", "query", at(step.path))),
    read: async (step) => table(await json("cat", at(step.path))),
    search: async (step) =>
      names(await lines("search", at(step.path), ...language.search, String(step[language.search.length > 0 ? "python" : "javascript"]), "--order", String(step["order"]))),
    list: async (step) => names(await lines("ls", at(step.path))),
    async get(step) {
      const got = await json("cat", at(step.path));
      if (typeof got !== "object" || got === null) return got;
      return { class: await field("class", "stat", at(step.path)), ...got };
    },
    mixin: async (step) =>
      ((await field("clashes", "mixin", at(step.path), at(step["other"]), at(step["to"]))) as { name: string }[]).map((clash) => clash.name),
    async add(step) {
      await store(step, at(step["to"]));
      return field("version", "add", at(step.path), String(step["field"]), at(step["to"]));
    },
    async remove(step) {
      await node.emerge("rm", at(step.path));
      return null;
    },
    edit: (step) => field("version", "set", `${at(step.path)}#${String(step["field"])}`, String(step["value"])),
    diff: async (step) =>
      ((await field("fields", "diff", at(step.path), String(step["from"]), String(step["to"]))) as Record<string, unknown>[]).map(
        (each) => [each["field"], each["old"], each["new"]],
      ),
    restore: (step) => field("version", "restore", at(step.path), String(step["version"])),
    async transaction(step) {
      await node.emerge("tx", "begin", tx);
      try {
        await store(step, at(step.path), "--tx", tx);
        await node.emerge("--json", "--tx", tx, "call", at(step["other"]), String(step["method"]));
      } finally {
        await node.emerge("tx", "rollback", tx);
      }
    },
    exists: (step) => node.emerge("stat", at(step.path)).then(() => true, () => false),
    open: async () => (await lines("tx", "list")).filter((each) => each["name"] === tx),
  };

  let passed = 0;
  const failed: string[] = [];
  for (const step of scenario.steps) {
    const wanted = JSON.stringify(step.fails ?? step.gives);
    const run = steps[step.op];
    if (!run) throw new Error(`the command has no ${step.op}`);
    let got: string;
    try {
      got = JSON.stringify(await run(step));
    } catch (error) {
      const stderr = (error as { stderr?: string }).stderr ?? "";
      got = JSON.stringify(step.fails === undefined ? `${String(error)} ${stderr}` : codeOf(stderr));
    }
    if (got === wanted) passed += 1;
    else failed.push(`${step.name}: ${wanted} was expected, ${got} came`);
  }
  return { passed, failed };
}

/** The code of an error that a command told as JSON. */
function codeOf(stderr: string): unknown {
  const last = stderr.trim().split("\n").pop() ?? "";
  try {
    return (JSON.parse(last) as { code?: unknown }).code;
  } catch {
    return last;
  }
}
