import { type Connection, connect, EmergeError } from "emerge-client";
import { indicator } from "../page/connection.js";
import { byId, el, fill } from "../page/dom.js";
import { count, many, millis } from "../page/format.js";
import { code as sourceCode } from "../page/highlight.js";
import { problem } from "../page/problem.js";
import { Airport } from "./airport.js";
import { parseCsv } from "./csv.js";
import { AirportMap } from "./map.js";
import type { Place } from "./projection.js";
import { outlines, type Topology } from "./states.js";

const DIRECTORY = "/airports";
const NEAREST = 10;

const state = indicator(byId("state", HTMLElement));
const map = new AirportMap(byId("map", HTMLElement));
const storeButton = byId("store", HTMLButtonElement);
const allButton = byId("all", HTMLButtonElement);
const progress = byId("progress", HTMLProgressElement);
const storedText = byId("stored", HTMLElement);
const allText = byId("all-result", HTMLElement);
const lat = byId("lat", HTMLInputElement);
const lon = byId("lon", HTMLInputElement);

async function load(name: string): Promise<Response> {
  const response = await fetch(`/examples/data/${name}`);
  if (!response.ok) throw new Error(`the node does not serve ${name}: ${response.status}`);
  return response;
}

async function loadAirports(): Promise<Map<string, Airport>> {
  const rows = parseCsv(await (await load("airports.csv")).text());
  return new Map(
    rows.map((row) => {
      const { iata = "", name = "", city = "", state = "", country = "", latitude, longitude } = row;
      return [iata, new Airport({ iata, name, city, state, country, latitude: Number(latitude), longitude: Number(longitude) })];
    }),
  );
}

/** The codes that are stored already, as by an earlier visit. */
async function storedCodes(fs: Connection): Promise<Set<string>> {
  const codes = new Set<string>();
  try {
    for await (const member of fs.list(DIRECTORY)) codes.add(member.name);
  } catch (error) {
    if (!(error instanceof EmergeError && error.code === "not_found")) throw error;
  }
  return codes;
}

class Page {
  readonly #fs: Connection;
  readonly #airports: ReadonlyMap<string, Airport>;
  readonly #stored: Set<string>;
  #painting = false;
  /** Counts the searches, so that a new point ends the search for the old one. */
  #turn = 0;

  constructor(fs: Connection, airports: ReadonlyMap<string, Airport>, stored: Set<string>) {
    this.#fs = fs;
    this.#airports = airports;
    this.#stored = stored;
    map.airports = [...airports.values()];
    progress.max = airports.size;
    byId("codes", HTMLDataListElement).append(
      ...[...airports.values()].map((airport) => el("option", { text: airport.name, attrs: { value: airport.iata } })),
    );
    this.#paint();
    storeButton.addEventListener("click", () => void this.#run(storeButton, () => this.#storeAll()));
    allButton.addEventListener("click", () => void this.#run(allButton, () => this.#callAll()));
    byId("one", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#run(undefined, () => this.#callOne(byId("code", HTMLInputElement).value.trim().toUpperCase()));
    });
    byId("point", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
    for (const input of [lat, lon]) input.addEventListener("input", () => this.#choose([lat.valueAsNumber, lon.valueAsNumber]));
    map.onchoose = (place) => {
      [lat.value, lon.value] = [place[0].toFixed(4), place[1].toFixed(4)];
      this.#choose(place);
      if (this.#stored.size > 0) void this.#run(allButton, () => this.#callAll());
    };
    this.#choose(this.#place());
    storeButton.disabled = stored.size === airports.size;
  }

  #place(): Place {
    return [lat.valueAsNumber, lon.valueAsNumber];
  }

  #choose(place: Place): void {
    if (place.some(Number.isNaN)) return;
    this.#turn += 1;
    map.chosen = place;
    map.nearest(place, []);
    map.distances = new Map();
    allText.textContent = "";
    fill(byId("nearest", HTMLElement));
  }

  /** Runs what a button asked for, and shows what went wrong. */
  async #run(button: HTMLButtonElement | undefined, work: () => Promise<void>): Promise<void> {
    const host = byId("problem", HTMLElement);
    fill(host);
    if (button) button.disabled = true;
    try {
      await work();
    } catch (error) {
      fill(host, problem(error));
    } finally {
      if (button) button.disabled = button === storeButton && this.#stored.size === this.#airports.size;
    }
  }

  async #storeAll(): Promise<void> {
    const missing = [...this.#airports.values()].filter((airport) => !this.#stored.has(airport.iata));
    const started = performance.now();
    // `create` would refuse an airport that another tab has stored meanwhile; nothing is ever stored twice.
    await this.#fs.storeAll(
      missing.map((airport) => [`${DIRECTORY}/${airport.iata}`, airport] as const),
      {
        create: true,
        onProgress: ({ path }) => {
          this.#stored.add(path.slice(DIRECTORY.length + 1));
          this.#paint();
        },
      },
    );
    storedText.textContent = `All ${count(this.#airports.size)} stored in ${millis(performance.now() - started)}`;
  }

  /** Shows how many are stored, at most once a frame. */
  #paint(): void {
    progress.value = this.#stored.size;
    storedText.textContent =
      this.#stored.size === this.#airports.size
        ? `All ${count(this.#airports.size)} are stored`
        : `${count(this.#stored.size)} of ${count(this.#airports.size)}`;
    if (this.#painting) return;
    this.#painting = true;
    requestAnimationFrame(() => {
      this.#painting = false;
      map.stored = this.#stored;
    });
  }

  async #callOne(iata: string): Promise<void> {
    const output = byId("one-result", HTMLElement);
    const started = performance.now();
    output.textContent = "…";
    try {
      const distance = await this.#fs.call(`${DIRECTORY}/${iata}`, "distanceTo", ...this.#place());
      const kilometres = el("b", { text: `${Number(distance).toFixed(1)} km` });
      fill(output, kilometres, ` in ${millis(performance.now() - started)}`);
    } catch (error) {
      output.textContent = "";
      throw error;
    }
  }

  async #callAll(): Promise<void> {
    const turn = (this.#turn += 1);
    const place = this.#place();
    const distances = new Map<string, number>();
    const started = performance.now();
    let failed = 0;
    let next = 0;
    for await (const { name, result, error } of this.#fs.callEach(DIRECTORY, "distanceTo", place)) {
      if (turn !== this.#turn) return;
      if (error) failed += 1;
      else distances.set(name, Number(result));
      if (performance.now() < next) continue;
      next = performance.now() + 100;
      this.#showNearest(place, distances);
      allText.textContent = `${many(distances.size, "call")} …`;
    }
    if (turn !== this.#turn) return;
    this.#showNearest(place, distances);
    const errors = failed > 0 ? `, ${many(failed, "error")}` : "";
    allText.textContent = `${many(distances.size, "call")} in ${millis(performance.now() - started)}${errors}`;
  }

  #showNearest(place: Place, distances: ReadonlyMap<string, number>): void {
    const nearest = [...distances].sort(([, a], [, b]) => a - b).slice(0, NEAREST);
    map.distances = distances;
    map.nearest(place, nearest.map(([code]) => code));
    fill(
      byId("nearest", HTMLElement),
      nearest.map(([code, distance]) => {
        const airport = this.#airports.get(code);
        return el(
          "li",
          { attrs: { "data-code": code } },
          el("a", { text: code, attrs: { href: `/#${DIRECTORY}/${encodeURIComponent(code)}` } }),
          el("span", { class: "where", title: airport?.name ?? "" }, airport?.name, " ", el("span", { text: airport ? `${airport.city}, ${airport.state}` : "" })),
          el("span", { class: "distance", text: `${distance.toFixed(1)} km` }),
        );
      }),
    );
  }
}

fill(byId("source", HTMLElement), sourceCode(String(Airport), "javascript", "source of Airport"));
state.show("connecting");
try {
  void load("us-10m.json").then(async (response) => (map.land = outlines((await response.json()) as Topology)));
  const [airports, fs] = await Promise.all([loadAirports(), connect(undefined, { agent: "airports" })]);
  state.follow(fs);
  new Page(fs, airports, await storedCodes(fs));
} catch (error) {
  state.show("closed");
  storedText.textContent = "";
  fill(byId("problem", HTMLElement), problem(error));
}
