// Builds www/dist: the npm package in emerge-client/, the node's page in index.html and assets/, the examples, and in notebook/ all that
// the notebook's origin serves.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bringPyodide } from "./pyodide.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const at = (...parts) => join(here, ...parts);
const dist = (...parts) => at("dist", ...parts);
const require = createRequire(import.meta.url);

if (!existsSync(at("pkg/emerge_wasm_bg.wasm"))) {
  console.error("www/pkg is missing: build the client's wasm first, with: cargo xtask build");
  process.exit(1);
}

const common = { bundle: true, format: "esm", target: "es2022", charset: "utf8", legalComments: "none", logLevel: "warning" };

/** Pages import the client by the address at which the node serves it, so that it and its wasm are loaded once. */
const clientFrom = (address) => ({
  name: "client",
  setup: ({ onResolve }) => onResolve({ filter: /^emerge-client$/ }, () => ({ path: address, external: true })),
});

const pyodideFrom = (address) => ({
  name: "pyodide",
  setup: ({ onResolve }) => onResolve({ filter: /^pyodide$/ }, () => ({ path: address, external: true })),
});

rmSync(dist(), { recursive: true, force: true });
await Promise.all([
  build({
    ...common,
    entryPoints: [at("src/index.ts")],
    outfile: dist("emerge-client/index.js"),
    // On one line, and so whole: Vite finds the wasm by the expression that names it.
    minify: true,
    external: ["ws", "node:*"],
  }),
  build({
    ...common,
    entryPoints: { explorer: at("page/explorer.ts"), style: at("page/style.css") },
    outdir: dist("assets"),
    minify: true,
    plugins: [clientFrom("../emerge-client/index.js")],
    external: ["*.svg"],
  }),
  build({
    ...common,
    entryPoints: [at("examples/airports.ts"), at("examples/airports.css")],
    outdir: dist("examples"),
    minify: true,
    plugins: [clientFrom("../emerge-client/index.js")],
    external: ["./airport.js"],
  }),
  build({
    ...common,
    entryPoints: { notebook: at("notebook/notebook.ts"), worker: at("notebook/worker.ts"), style: at("notebook/notebook.css") },
    outdir: dist("notebook/assets"),
    minify: true,
    loader: { ".py": "text" },
    plugins: [clientFrom("../emerge-client/index.js"), pyodideFrom("../pyodide/pyodide.mjs")],
  }),
]);
cpSync(at("pkg/emerge_wasm_bg.wasm"), dist("emerge-client/emerge_wasm_bg.wasm"));
cpSync(at("page/index.html"), dist("index.html"));
cpSync(at("page/icon.svg"), dist("assets/icon.svg"));
cpSync(at("examples/airports.html"), dist("examples/airports.html"));
// As it was written, comments and all: the source of the class is what travels.
const airport = readFileSync(at("examples/airport.js"), "utf8").replace('"emerge-client"', '"../emerge-client/index.js"');
writeFileSync(dist("examples/airport.js"), airport);
const data = join(dirname(require.resolve("vega-datasets")), "../data");
mkdirSync(dist("examples/data"), { recursive: true });
cpSync(join(data, "airports.csv"), dist("examples/data/airports.csv"));
cpSync(join(data, "us-10m.json"), dist("examples/data/us-10m.json"));

cpSync(at("notebook/index.html"), dist("notebook/index.html"));
cpSync(at("page/icon.svg"), dist("notebook/assets/icon.svg"));
cpSync(dist("emerge-client"), dist("notebook/emerge-client"), { recursive: true });
bringPyodide(dist("notebook/pyodide"));
// The Python package, when it was built.
const wheels = at("../target/wheels");
for (const name of existsSync(wheels) ? readdirSync(wheels).filter((name) => /^emerge-.*wasm32\.whl$/.test(name)) : []) {
  cpSync(join(wheels, name), dist("notebook/wheels", name));
}

const types = spawnSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", at("tsconfig.types.json")], {
  stdio: "inherit",
});
process.exitCode = types.status ?? 1;
