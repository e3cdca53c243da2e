// Times gets against raw echoes in turn, and posts the figures.
import { connect } from "/emerge-client/index.js";
import { post } from "./figures.js";

const query = new URLSearchParams(location.search);
const token = query.get("token");
const [runs, depth, objects] = ["runs", "depth", "objects"].map((name) => Number(query.get(name)));
const MILLISECONDS = 1000;

/** Operations per second: `depth` chains, each beginning its next operation when the last has ended. */
async function rate(operation) {
  const end = performance.now() + MILLISECONDS;
  const begun = performance.now();
  let done = 0;
  const chain = async (number) => {
    while (performance.now() < end) {
      await operation(number);
      done += 1;
      number += depth;
    }
  };
  await Promise.all(Array.from({ length: depth }, (_, number) => chain(number)));
  return done / ((performance.now() - begun) / 1000);
}

/** A raw socket whose answers come in the order of its messages. */
async function openEcho() {
  const socket = new WebSocket(`ws://${location.host}/bench/echo`);
  socket.binaryType = "arraybuffer";
  const message = new Uint8Array(200).fill(7);
  const waiting = [];
  let first = 0;
  socket.onmessage = ({ data }) => {
    // What nobody looks at has not arrived.
    if (data.byteLength !== message.length) throw new Error("an echo of another length");
    waiting[first](undefined);
    waiting[first++] = undefined;
  };
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("the echo does not open"));
  });
  return () => new Promise((resolve) => {
    waiting.push(resolve);
    socket.send(message);
  });
}

async function measure() {
  const fs = await connect(`ws://${location.host}`, { token });
  const echo = await openEcho();
  const get = (number) => fs.get(`/bench/k${String(number % objects).padStart(6, "0")}`);
  const first = await get(1);
  if (first.code?.length !== 3) throw new Error(`an object has other fields: ${JSON.stringify(first)}`);
  const figures = { gets: [], echoes: [] };
  for (let run = -1; run < runs; run++) {
    const echoes = await rate(echo);
    const gets = await rate(get);
    if (run >= 0) {
      figures.echoes.push(echoes);
      figures.gets.push(gets);
    }
  }
  return figures;
}

await post(measure);
