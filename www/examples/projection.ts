// Where places lie on the map: Albers' equal-area conic projection, with Alaska and Hawaii moved below the southwest.

/** Degrees north and east. */
export type Place = readonly [lat: number, lon: number];
/** On a map of {@link WIDTH} by {@link HEIGHT}. */
export type Point = readonly [x: number, y: number];

/** The map's size, in units of its own. */
export const WIDTH = 1000;
/** See {@link WIDTH}. */
export const HEIGHT = 620;

const RADIANS = Math.PI / 180;

interface Conic {
  forward(place: Place): Point;
  inverse(point: Point): Place;
}

/** Snyder, "Map Projections: A Working Manual" (1987), page 100, on a sphere of radius 1. */
function albers(lon0: number, lat0: number, south: number, north: number): Conic {
  const n = (Math.sin(south * RADIANS) + Math.sin(north * RADIANS)) / 2;
  const c = Math.cos(south * RADIANS) ** 2 + 2 * n * Math.sin(south * RADIANS);
  const rho = (lat: number): number => Math.sqrt(Math.max(0, c - 2 * n * Math.sin(lat * RADIANS))) / n;
  const rho0 = rho(lat0);
  return {
    forward: ([lat, lon]) => {
      // East of the date line lies west of Alaska.
      const east = ((lon - lon0 + 540) % 360) - 180;
      const theta = n * east * RADIANS;
      return [rho(lat) * Math.sin(theta), rho0 - rho(lat) * Math.cos(theta)];
    },
    inverse: ([x, y]) => {
      const theta = Math.atan2(x, rho0 - y);
      const r = Math.hypot(x, rho0 - y);
      const sine = (c - (r * n) ** 2) / (2 * n);
      return [Math.asin(Math.max(-1, Math.min(1, sine))) / RADIANS, lon0 + theta / n / RADIANS];
    },
  };
}

interface Region {
  readonly conic: Conic;
  readonly scale: number;
  readonly centre: Point;
  readonly holds: (place: Place) => boolean;
  /** The part of the map that is this region's, for the way back. */
  readonly box: readonly [left: number, top: number, right: number, bottom: number];
}

const REGIONS: readonly Region[] = [
  {
    conic: albers(-154, 50, 55, 65),
    scale: 420,
    centre: [125, 622],
    holds: ([lat, lon]) => lat > 50 && (lon < -129 || lon > 170),
    box: [0, 440, 245, HEIGHT],
  },
  {
    conic: albers(-157, 20.5, 8, 18),
    scale: 1280,
    centre: [325, 570],
    holds: ([lat, lon]) => lat > 17 && lat < 24 && lon > -162 && lon < -153,
    box: [245, 500, 400, HEIGHT],
  },
  {
    conic: albers(-96, 38, 29.5, 45.5),
    scale: 1280,
    centre: [500, 302],
    holds: ([lat, lon]) => lat > 24 && lat < 50.5 && lon > -126 && lon < -66,
    box: [0, 0, WIDTH, HEIGHT],
  },
];

/** Where a place lies on the map; nothing when it lies outside. */
export function project(place: Place): Point | undefined {
  const region = REGIONS.find(({ holds }) => holds(place));
  if (!region) return undefined;
  const [x, y] = region.conic.forward(place);
  return [region.centre[0] + x * region.scale, region.centre[1] - y * region.scale];
}

/** The place at a point of the map; nothing outside it. */
export function invert([x, y]: Point): Place | undefined {
  for (const { conic, scale, centre, box } of REGIONS) {
    if (x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3]) {
      return conic.inverse([(x - centre[0]) / scale, (centre[1] - y) / scale]);
    }
  }
  return undefined;
}
