// The outlines of the states, from the us-10m.json of vega-datasets (TopoJSON: arcs of deltas on an integer grid).
import { type Point, project } from "./projection.js";

/** What of the file is read. */
export interface Topology {
  readonly transform: { readonly scale: readonly [number, number]; readonly translate: readonly [number, number] };
  readonly arcs: readonly (readonly (readonly [number, number])[])[];
  readonly objects: { readonly states: { readonly geometries: readonly Geometry[] } };
}
type Geometry =
  | { readonly type: "Polygon"; readonly arcs: readonly (readonly number[])[] }
  | { readonly type: "MultiPolygon"; readonly arcs: readonly (readonly (readonly number[])[])[] };

/** Points nearer than this on the map are one. */
const DETAIL = 0.8;

/** The states as one SVG path. */
export function outlines(topology: Topology): string {
  const arcs = new Map<number, readonly Point[]>();
  const arc = (number: number): readonly Point[] => {
    const known = arcs.get(number) ?? trace(topology, number);
    arcs.set(number, known);
    return known;
  };
  const parts: string[] = [];
  for (const geometry of topology.objects.states.geometries) {
    for (const ring of geometry.type === "Polygon" ? geometry.arcs : geometry.arcs.flat()) {
      const points = ring.flatMap((number) => (number < 0 ? arc(~number).toReversed() : arc(number)));
      if (points.length > 3) parts.push(`M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`);
    }
  }
  return parts.join("");
}

/** An arc on the map. Both states at a border get the same points, so that no gap opens between them. */
function trace(topology: Topology, number: number): Point[] {
  const { scale, translate } = topology.transform;
  const deltas = topology.arcs[number] ?? [];
  const points: Point[] = [];
  let [x, y] = [0, 0];
  for (const [at, [dx, dy]] of deltas.entries()) {
    x += dx;
    y += dy;
    const point = project([y * scale[1] + translate[1], x * scale[0] + translate[0]]);
    const last = points.at(-1);
    if (!point) continue;
    if (last && at < deltas.length - 1 && Math.hypot(point[0] - last[0], point[1] - last[1]) < DETAIL) continue;
    points.push(point);
  }
  return points;
}
