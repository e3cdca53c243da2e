// Runs the tests of pyodide/tests in Pyodide, against a real node: run-tests.mjs WHEEL FOLDER_OF_WHEELS URL.
// Plain calls wait by JavaScript Promise Integration, which needs Node 24 or later.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadPyodide } from "pyodide";

const [wheel, folder, url] = process.argv.slice(2);
const python = await loadPyodide();
// Where micropip puts them too, and where packages are told from a program's own modules.
const extractDir = python.runPython("import site; site.getsitepackages()[0]");
const unpack = (file) => python.unpackArchive(new Uint8Array(readFileSync(file)), "wheel", { extractDir });
unpack(wheel);
for (const file of readdirSync(folder)) if (file.endsWith(".whl")) unpack(join(folder, file));

python.FS.mkdirTree("/emerge/pyodide/tests");
const tests = join(import.meta.dirname, "tests");
// Threads, processes, numpy, the extension module and its wheel are CPython's own; what mypy reads nobody runs.
const elsewhere = ["test_cpython.py", "test_values_of_numpy.py", "test_wheel.py", "typed.py"];
for (const file of readdirSync(tests).filter((name) => name.endsWith(".py") && !elsewhere.includes(name))) {
  python.FS.writeFile(`/emerge/pyodide/tests/${file}`, readFileSync(join(tests, file), "utf8"));
}
python.FS.mkdirTree("/emerge/conformance");
python.FS.writeFile("/emerge/conformance/addresses.json", readFileSync(join(tests, "../../conformance/addresses.json"), "utf8"));
python.FS.mkdirTree("/emerge/target/classes");
for (const name of ["account.wasm", "counter.wasm"]) {
  python.FS.writeFile(`/emerge/target/classes/${name}`, readFileSync(join(tests, "../../target/classes", name)));
}
python.globals.set("url", url);
const code = await python.runPythonAsync(`
import os, sys
os.environ["EMERGE_TEST_URL"] = url
sys.dont_write_bytecode = True
import pytest
int(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "/emerge/pyodide/tests"]))
`);
process.exit(code);
