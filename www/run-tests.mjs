// Compiles the tests of the named folders, or the named tests, and runs them with Node's own runner.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const folders = process.argv.slice(2);
const out = join(here, "../test-results/www", folders.join("-").replaceAll("/", "-"));
rmSync(out, { recursive: true, force: true });

const entryPoints = folders.flatMap((folder) =>
  folder.endsWith(".ts")
    ? [join(here, folder)]
    : readdirSync(join(here, folder)).filter((name) => /\.test\.ts$/.test(name)).map((name) => join(here, folder, name)),
);
await build({
  entryPoints,
  outdir: out,
  outbase: here,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  // The tests use the package as it was built, so the paths of tsconfig.json, which name its sources, do not count.
  tsconfigRaw: { compilerOptions: { target: "ES2022", strict: true, verbatimModuleSyntax: true } },
  sourcemap: "inline",
  logLevel: "warning",
  define: { "process.env.WWW": JSON.stringify(here) },
});
const files = entryPoints.map((file) => join(out, file.slice(here.length + 1).replace(/\.ts$/, ".mjs")));
const args = ["--enable-source-maps", "--test", "--test-concurrency=1", "--test-reporter=spec", ...files];
const ended = spawnSync(process.execPath, args, { stdio: "inherit", cwd: here });
process.exitCode = ended.status ?? 1;
