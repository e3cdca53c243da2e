// Asks one question of Pyodide in workers, and posts the figures.
import { post } from "./figures.js";

const query = new URLSearchParams(location.search);
const runs = Number(query.get("runs"));

/** What a new worker with a Python of its own answers. */
function ask(runs) {
  const worker = new Worker(`pyodide_worker.js${location.search}&runs=${runs}`, { type: "module" });
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => resolve({ error: event.message || "the worker does not start" });
  }).finally(() => worker.terminate());
}

async function measure() {
  if (query.get("question") !== "start") return ask(runs);
  // Python starts but once in each worker; the first one fills the browser's caches.
  const figures = { ours: [] };
  for (let run = -1; run < runs; run++) {
    const answer = await ask(1);
    if (answer.error) return answer;
    if (run >= 0) figures.ours.push(...answer.ours);
  }
  return figures;
}

await post(measure);
