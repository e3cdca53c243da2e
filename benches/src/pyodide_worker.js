// One Python with the package, and beside it the JavaScript client; answers one question and ends.
import { connect } from "/emerge-client/index.js";
import { loadPyodide } from "/bench/pyodide/pyodide.mjs";

const query = new URLSearchParams(location.search);
const [question, token, wheel] = ["question", "token", "wheel"].map((name) => query.get(name));
const [objects, runs] = [Number(query.get("objects")), Number(query.getAll("runs").at(-1))];
const SECONDS = 1;

/** Gets a second by the JavaScript client, one at a time. */
async function gets(fs) {
  const begun = performance.now();
  let done = 0;
  while (performance.now() - begun < SECONDS * 1000) {
    await fs.get(`/bench/k${String(done % objects).padStart(6, "0")}`);
    done += 1;
  }
  return done / ((performance.now() - begun) / 1000);
}

async function measure() {
  const python = await loadPyodide({ indexURL: "/bench/pyodide/", packages: ["micropip"] });
  await python.pyimport("micropip").install(`${location.origin}/bench/pyodide/${wheel}`);
  python.globals.set("setting", python.toPy({ url: `ws://${location.host}?token=${token}`, objects, seconds: SECONDS }));
  await python.runPythonAsync(await (await fetch("/bench/pyodide.py")).text());
  // By runPythonAsync, so that plain calls can wait in it.
  const run = (call) => python.runPythonAsync(`await ${call}`);
  if (question === "start") return { ours: [await run("start()")] };
  const figures = { ours: [], theirs: [] };
  let theirs = () => run("json_to_bytes()");
  if (question !== "dict_to_wire") {
    await run("start()");
    const fs = await connect(`ws://${location.host}`, { token });
    theirs = () => gets(fs);
  }
  // The first pair warms both sides up.
  for (let pair = -1; pair < runs; pair++) {
    const answers = [await run(`${question}()`), await theirs()];
    if (pair < 0) continue;
    figures.ours.push(answers[0]);
    figures.theirs.push(answers[1]);
  }
  return figures;
}

postMessage(await measure().catch((error) => ({ error: String(error?.message ?? error) })));
