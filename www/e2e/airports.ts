import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseCsv } from "../examples/csv.js";

/** A row of the real data. */
export interface Row {
  readonly iata: string;
  readonly name: string;
  readonly city: string;
  readonly latitude: number;
  readonly longitude: number;
}

/** The file of the real data. */
export function airportsFile(): string {
  const require = createRequire(join(process.env["WWW"] ?? "", "package.json"));
  return join(dirname(require.resolve("vega-datasets")), "../data/airports.csv");
}

export function readAirports(): Row[] {
  return parseCsv(readFileSync(airportsFile(), "utf8")).map(({ iata = "", name = "", city = "", latitude, longitude }) => ({
    iata,
    name,
    city,
    latitude: Number(latitude),
    longitude: Number(longitude),
  }));
}

/** Kilometres between two places, by the spherical law of cosines: another way than the page's own. */
export function distance(row: Row, lat: number, lon: number): number {
  const [a, b, turn] = [row.latitude, lat, lon - row.longitude].map((degrees) => (degrees * Math.PI) / 180) as [number, number, number];
  const cosine = Math.sin(a) * Math.sin(b) + Math.cos(a) * Math.cos(b) * Math.cos(turn);
  return 6371.0088 * Math.acos(Math.min(1, Math.max(-1, cosine)));
}

/** The codes of the nearest, and how far they are. */
export function nearest(rows: readonly Row[], lat: number, lon: number): { code: string; distance: number }[] {
  const all = rows.map((row) => ({ code: row.iata, distance: distance(row, lat, lon) }));
  return all.sort((a, b) => a.distance - b.distance).slice(0, 10);
}
