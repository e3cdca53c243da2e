// Times listings of a large directory against raw streams of the same bytes in turn, and posts the figures.
import { connect } from "/emerge-client/index.js";
import { post } from "./figures.js";

const query = new URLSearchParams(location.search);
const token = query.get("token");
const [runs, objects] = ["runs", "objects"].map((name) => Number(query.get(name)));
/** Times in one run, on each side. */
const TIMES = 5;

/** A raw socket that streams the pages when it is asked to, each as a message. */
async function openStream() {
  const socket = new WebSocket(`ws://${location.host}/bench/stream`);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("the stream does not open"));
  });
  return (messages) => new Promise((resolve) => {
    let left = messages;
    let bytes = 0;
    socket.onmessage = ({ data }) => {
      bytes += data.byteLength;
      left -= 1;
      if (left === 0) resolve(bytes);
    };
    socket.send(new Uint8Array(1));
  });
}

async function measure() {
  const fs = await connect(`ws://${location.host}`, { token });
  const stream = await openStream();
  const pages = Math.ceil(objects / 1000);
  const list = async () => {
    let count = 0;
    // The properties are looked at, as a page that shows them does.
    let size = 0;
    for (const meta of await fs.list("/bench").toArray()) {
      count += 1;
      size += meta.name.length + meta.size + meta.version;
    }
    if (count !== objects || !(size > objects)) throw new Error(`${count} members of ${objects} were listed`);
  };
  const time = async (operation) => {
    const begun = performance.now();
    for (let left = TIMES; left > 0; left -= 1) await operation();
    return (performance.now() - begun) / TIMES;
  };
  const figures = { lists: [], streams: [] };
  for (let run = -1; run < runs; run += 1) {
    const streams = await time(() => stream(pages));
    const lists = await time(list);
    if (run >= 0) {
      figures.streams.push(streams);
      figures.lists.push(lists);
    }
  }
  return figures;
}

await post(measure);
