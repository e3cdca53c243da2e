// Puts Pyodide together as the notebook's origin serves it: the npm package's runtime, the wheel of micropip from PyPI, and a lock file
// that names only what is there, so that nothing is ever looked for elsewhere.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const RUNTIME = ["pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip"];

const source = dirname(createRequire(import.meta.url).resolve("pyodide/package.json"));
/** Where `xtask` leaves the wheels of `pyodide-wheels.txt`. */
const wheels = fileURLToPath(new URL("../target/pyodide-wheels/", import.meta.url));
const pinned = fileURLToPath(new URL("pyodide-wheels.txt", import.meta.url));

/** The wheels that are pinned: name, version, hash. */
function pins() {
  const lines = readFileSync(pinned, "utf8").matchAll(/^(?<name>[\w-]+)==(?<version>\S+) --hash=sha256:(?<hash>[0-9a-f]{64})$/gm);
  return [...lines].map(({ groups }) => groups);
}

/** Fills `folder`. */
export function bringPyodide(folder) {
  mkdirSync(folder, { recursive: true });
  for (const name of RUNTIME) cpSync(join(source, name), join(folder, name));
  const lock = JSON.parse(readFileSync(join(source, "pyodide-lock.json"), "utf8"));
  const packages = {};
  for (const { name, version, hash } of pins()) {
    const file = `${name}-${version}-py3-none-any.whl`;
    const content = readFileSync(join(wheels, file));
    const found = createHash("sha256").update(content).digest("hex");
    if (found !== hash) throw new Error(`${file} has the hash ${found}, and ${hash} is wanted`);
    writeFileSync(join(folder, file), content);
    packages[name] = { ...lock.packages[name], file_name: file, version, sha256: hash };
  }
  writeFileSync(join(folder, "pyodide-lock.json"), JSON.stringify({ ...lock, packages }));
}
