// Runs every example and every command of the guides, as it stands there, against a node of its own.
//
// `sh` blocks: each line is a command that must end well; lines `# …` right after it are what it prints ("…" stands
// for anything). `js` blocks: modules that must end well; `// …` after a `console.log(…);` is what it prints. `python` blocks
// likewise, with `# …` after a `print(…)`. `NODE` and `AUTH` are the node's address and the header with its token; who has no curl gets a
// small one. A block whose first line is `// NAME.js` or `# NAME.py` is saved under that name for
// the commands that follow.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const operations = readdirSync(join(root, "docs/operations")).map((page) => `docs/operations/${page}`);
const guides = ["README.md", "www/README.md", ...operations].filter((guide) => existsSync(join(root, guide)));
const program = process.env.EMERGE_BIN ?? join(root, "target/debug/emerge");
const patience = 120_000;
// The link that a node prints stands for that of this run's node.
const LINK = /(ws|http):\/\/(localhost|127\.0\.0\.1):5558[^"'`\s]*/g;

mkdirSync(join(root, "test-results"), { recursive: true });
const place = mkdtempSync(join(root, "test-results/guides-"));
mkdirSync(join(place, "bin"));
mkdirSync(join(place, "home"));
symlinkSync(program, join(place, "bin/emerge"));
symlinkSync(join(root, "target"), join(place, "target"));

if (spawnSync("curl", ["--version"]).status !== 0) {
  // No more than the examples ask of it.
  const curl = `#!/usr/bin/env node
const [headers, options, rest] = [new Headers(), {}, process.argv.slice(2)];
let address;
while (rest.length > 0) {
  const word = rest.shift();
  if (word === "-X") options.method = rest.shift();
  else if (/^-s?H$/.test(word)) headers.append(...rest.shift().split(/:\\s*(.*)/s));
  else if (word === "--json") {
    headers.set("Content-Type", "application/json");
    options.method ??= "POST";
    options.body = rest.shift();
  } else if (word !== "-s") address = word;
}
fetch(address, { ...options, headers }).then(async (answer) => process.stdout.write(await answer.text()));
`;
  writeFileSync(join(place, "bin/curl"), curl, { mode: 0o755 });
}

/** Starts a program in a group of its own, so that all of it can be ended, and waits for a line of its output. */
function startAndWait(command, args, env, limit, wanted) {
  const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"], detached: true });
  const stop = () =>
    new Promise((done) => {
      if (child.exitCode !== null || child.signalCode !== null) return done(child.exitCode);
      child.once("exit", (code) => done(code));
      process.kill(-child.pid, "SIGTERM");
    });
  const line = new Promise((found, failed) => {
    const timer = setTimeout(() => failed(new Error(`${command} ${args.join(" ")} was not ready in time`)), limit);
    child.once("exit", (code) => {
      clearTimeout(timer);
      failed(new Error(`${command} ${args.join(" ")} ended with ${code}`));
    });
    createInterface({ input: child.stdout }).on("line", (text) => {
      const match = wanted(text);
      if (!match) return;
      clearTimeout(timer);
      found(match);
    });
  });
  return { line, stop };
}

function blocksOf(guide) {
  const blocks = [];
  let block;
  for (const [index, text] of readFileSync(join(root, guide), "utf8").split("\n").entries()) {
    if (block) {
      if (text.trim() === "```") {
        blocks.push(block);
        block = undefined;
      } else block.lines.push(text);
    } else {
      const fence = /^```(\w+)$/.exec(text.trim());
      if (fence) block = { where: `${guide}:${index + 2}`, language: fence[1], lines: [] };
    }
  }
  return blocks;
}

function same(expected, printed) {
  const wanted = expected.map((line) => line.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("…", ".*"));
  return new RegExp(`^${wanted.join("\n")}$`, "s").test(printed.trimEnd());
}

function compare(expected, printed) {
  if (expected.length > 0 && !same(expected, printed)) {
    throw new Error(`it should print\n${expected.join("\n")}\nand printed\n${printed}`);
  }
}

function run(command, args, env, cwd) {
  const ended = spawnSync(command, args, { cwd, env, encoding: "utf8", timeout: patience, stdio: ["ignore", "pipe", "pipe"] });
  if (ended.error) throw ended.error;
  if (ended.status !== 0) throw new Error(`ended with ${ended.status ?? ended.signal}\n${ended.stdout}${ended.stderr}`);
  return ended.stdout;
}

function commandsOf(lines) {
  const commands = [];
  let open = false;
  for (const line of lines) {
    const last = commands.at(-1);
    if (last?.unfinished) {
      last.text += `\n${line}`;
      last.unfinished = line.endsWith("\\");
    } else if (line.startsWith("#")) {
      if (open) last.output.push(line.replace(/^# ?/, ""));
    } else if (line.trim() !== "") {
      commands.push({ text: line, output: [], unfinished: line.endsWith("\\") });
      open = true;
      continue;
    } else open = false;
  }
  return commands;
}

async function runCommand({ text, output }, env) {
  const plain = text.split(" #")[0].trim();
  // The tests that run now are what this line asks for.
  if (/^npm test( |$)/.test(plain)) return;
  if (/^npm start( |$)/.test(plain) || /^emerge node start( |$)/.test(plain)) {
    const words = plain.split(/\s+/);
    const flags = ["--port", "0", "--data", mkdtempSync(join(place, "data-"))];
    // Only the port and the folder differ from what stands there: tests share neither.
    const given = words.join(" ").replaceAll(/ --(port|data) \S+/g, "").split(" ");
    const args = words[0] === "npm" ? ["start", "--", "--no-open", ...given.slice(3), ...flags] : [...given.slice(1), ...flags];
    const node = startAndWait(words[0], args, env, words[0] === "npm" ? 10 * patience : patience, (line) => /http:\/\/\S*token=\S+/.exec(line)?.[0]);
    const address = (await node.line).replace(/\?.*/, "");
    const page = await fetch(address);
    const code = await node.stop();
    if (!page.ok) throw new Error(`its page answers ${page.status}`);
    // npm has an exit code of its own for a signal; the node has not.
    if (words[0] !== "npm" && code !== 0) throw new Error(`asked to stop it ended with ${code}`);
    await gone(address);
    return;
  }
  compare(output, run("bash", ["-euo", "pipefail", "-c", text.replaceAll(LINK, env.LINK)], env, place));
}

/** Waits until nobody listens at an address any more. */
async function gone(address) {
  for (const asked = Date.now(); Date.now() - asked < patience; await new Promise((done) => setTimeout(done, 50))) {
    try {
      await fetch(address);
    } catch {
      return;
    }
  }
  throw new Error(`it was asked to stop and still listens at ${address}`);
}

const python = process.env.EMERGE_PYTHON ?? join(root, "target/tools/python/bin/python");
const SCRIPTS = {
  js: { comment: "//", file: "example.mjs", printed: /console\.log\(.*\);\s*\/\/ (.*)$/, command: "node", env: {} },
  python: {
    comment: "#", file: "example.py", printed: /print\(.*\)\s*# (.*)$/, command: python,
    env: { PYTHONPATH: join(root, "pyodide/src") },
  },
};

function runScript(block, env) {
  const { comment, file, printed, command, env: more } = SCRIPTS[block.language];
  const name = new RegExp(`^${comment} ([\\w-]+\\.(?:m?js|py))$`).exec(block.lines[0] ?? "")?.[1];
  const source = block.lines.join("\n");
  if (name) {
    writeFileSync(join(place, name), source);
    return;
  }
  writeFileSync(join(place, file), source.replaceAll(LINK, env.LINK));
  const expected = block.lines.map((line) => printed.exec(line)?.[1]);
  compare(expected.filter((line) => line !== undefined), run(command, [join(place, file)], { ...env, ...more }, place));
}

// The examples find the node by what `emerge init` remembers, as a reader's do.
const base = { ...process.env, PATH: `${join(place, "bin")}:${process.env.PATH}`, XDG_CONFIG_HOME: join(place, "home") };
delete base.EMERGE_URL;
delete base.EMERGE_TOKEN;
// The node has native Python where that can be; where it cannot, what refuses it is what the page says, and its examples are not to be had.
const NATIVE = "docs/operations/native-python.md";
const venv = process.env.EMERGE_NATIVE_VENV ?? join(root, "target/tools/native-venv");
const doctor = spawnSync(join(place, "bin/emerge"), ["node", "doctor", "--json", "--native-python", venv], { encoding: "utf8" });
const native = doctor.stdout.split("\n").filter(Boolean).map(JSON.parse).find(({ check }) => check === "native Python");
if (!native.ok && !native.found.includes("cannot be confined here") && !native.found.includes("on Linux alone")) throw new Error(native.found);
if (!native.ok) {
  console.log(`${NATIVE}: ${native.found}`);
  guides.splice(guides.indexOf(NATIVE), 1);
}
const node = startAndWait(
  join(place, "bin/emerge"),
  ["node", "start", "--json", "--port", "0", "--data", join(place, "data"), ...(native.ok ? ["--native-python", venv] : [])],
  base,
  patience,
  (line) => line.startsWith("{") && JSON.parse(line),
);
let passed = 0;
let failed = 0;
try {
  const ready = await node.line;
  const link = new URL(ready.url);
  link.protocol = "http:";
  link.searchParams.set("token", ready.token);
  const env = { ...base, LINK: link.href, NODE: link.origin, AUTH: `Authorization: Bearer ${ready.token}` };
  for (const guide of guides) {
    for (const [, link] of readFileSync(join(root, guide), "utf8").matchAll(/\]\(([^)#]+)\)/g)) {
      if (/^https?:/.test(link) || existsSync(join(root, dirname(guide), link))) continue;
      failed += 1;
      console.log(`FAILED  ${guide}: it shows ${link}, which is not there`);
    }
    for (const block of blocksOf(guide)) {
      const steps =
        block.language === "sh"
          ? commandsOf(block.lines).map((command) => [command.text, () => runCommand(command, env)])
          : block.language in SCRIPTS
            ? [[block.language, () => runScript(block, env)]]
            : [];
      for (const [what, step] of steps) {
        try {
          await step();
          passed += 1;
          console.log(`ok      ${block.where} ${what.split("\n")[0]}`);
        } catch (error) {
          failed += 1;
          console.log(`FAILED  ${block.where} ${what}: ${error.message}`);
        }
      }
    }
  }
} catch (error) {
  failed += 1;
  console.log(`FAILED  ${error.message}`);
} finally {
  await node.stop();
  rmSync(place, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
