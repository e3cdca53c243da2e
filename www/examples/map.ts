import { svg } from "../page/dom.js";
import type { Airport } from "./airport.js";
import { HEIGHT, invert, type Place, type Point, project, WIDTH } from "./projection.js";

/** Colours by distance: how many, and the kilometres at which each ends. */
const RINGS = [250, 500, 1000, 1750, 2750, 4000, Infinity];

/** A map of the airports. Thousands of dots are a few paths: each a run of zero-length lines with round ends. */
export class AirportMap {
  readonly #svg: SVGSVGElement;
  readonly #land = svg("path", { class: "land" });
  readonly #waiting = svg("path", { class: "dots waiting" });
  readonly #stored = svg("path", { class: "dots stored" });
  readonly #rings = RINGS.map((_, at) => svg("path", { class: `dots ring ring-${at}` }));
  readonly #lines = svg("path", { class: "lines" });
  readonly #near = svg("path", { class: "dots near" });
  readonly #chosen = svg("g", { class: "chosen" }, svg("circle", { r: 13 }), svg("circle", { r: 4.5 }));
  readonly #points = new Map<string, Point>();
  /** Told the place that was clicked. */
  onchoose: (place: Place) => void = () => undefined;

  constructor(host: Element) {
    this.#svg = svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "map", role: "img", "aria-label": "Map of the airports; the point can also be typed" },
      this.#land,
      this.#waiting,
      this.#stored,
      ...this.#rings,
      this.#lines,
      this.#near,
      this.#chosen,
    );
    host.replaceChildren(this.#svg);
    this.#chosen.style.display = "none";
    this.#svg.addEventListener("click", (event) => {
      const place = this.#placeOf(event);
      if (place) this.onchoose(place);
    });
  }

  /** The states, as an SVG path. */
  set land(path: string) {
    this.#land.setAttribute("d", path);
  }

  /** All airports, of which some are stored. */
  set airports(all: readonly Airport[]) {
    this.#points.clear();
    for (const airport of all) {
      const point = project([airport.latitude, airport.longitude]);
      if (point) this.#points.set(airport.iata, point);
    }
    this.stored = new Set();
  }

  /** The codes of those that are stored. */
  set stored(codes: ReadonlySet<string>) {
    const all = [...this.#points.keys()];
    this.#draw(this.#stored, all.filter((code) => codes.has(code)));
    this.#draw(this.#waiting, all.filter((code) => !codes.has(code)));
  }

  /** The chosen place. */
  set chosen(place: Place) {
    const point = project(place);
    this.#chosen.style.display = point ? "" : "none";
    if (point) this.#chosen.setAttribute("transform", `translate(${point[0].toFixed(1)} ${point[1].toFixed(1)})`);
  }

  /** Colours the airports by their distances. */
  set distances(distances: ReadonlyMap<string, number>) {
    const rings: string[][] = RINGS.map(() => []);
    for (const [code, distance] of distances) rings[RINGS.findIndex((end) => distance < end)]?.push(code);
    for (const [at, codes] of rings.entries()) {
      const path = this.#rings[at];
      if (path) this.#draw(path, codes);
    }
  }

  /** Lines from the chosen place to the nearest airports. */
  nearest(place: Place, codes: readonly string[]): void {
    const from = project(place);
    let lines = "";
    for (const code of from ? codes : []) {
      const to = this.#points.get(code);
      if (from && to) lines += `M${from[0].toFixed(1)} ${from[1].toFixed(1)}L${to[0].toFixed(1)} ${to[1].toFixed(1)}`;
    }
    this.#lines.setAttribute("d", lines);
    this.#draw(this.#near, codes);
  }

  #draw(path: SVGPathElement, codes: readonly string[]): void {
    let d = "";
    for (const code of codes) {
      const point = this.#points.get(code);
      if (point) d += `M${point[0].toFixed(1)} ${point[1].toFixed(1)}h0`;
    }
    path.setAttribute("d", d);
  }

  #placeOf(event: MouseEvent): Place | undefined {
    const matrix = this.#svg.getScreenCTM()?.inverse();
    if (!matrix) return undefined;
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
    return invert([x, y]);
  }
}
