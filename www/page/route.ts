// The address bar names what is shown: `#/airports/SEA` and, for an earlier version, `#/airports/SEA@3`. Segments are
// percent-encoded, so a name with `@` or `#` is no version and no fragment.

/** What the page shows. */
export interface Route {
  /** An absolute path. */
  readonly path: string;
  /** An earlier version; the current one when absent. */
  readonly version?: number;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Reads the address bar's fragment. */
export function parse(fragment: string): Route {
  const match = /^#?(\/.*?)(?:@([1-9]\d*))?$/.exec(fragment);
  const segments = (match?.[1] ?? "/").split("/").filter((segment) => segment !== "");
  const path = `/${segments.map(decode).join("/")}`;
  return match?.[2] === undefined ? { path } : { path, version: Number(match[2]) };
}

/** The fragment that shows a route. */
export function fragment(path: string, version?: number): string {
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  return `#${encoded}${version === undefined ? "" : `@${version}`}`;
}

/** The path of a member of a directory. */
export function join(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** The directory that holds a path. */
export function parent(path: string): string {
  const at = path.lastIndexOf("/");
  return at <= 0 ? "/" : path.slice(0, at);
}

/** The last segment. */
export function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Shows another place. */
export function go(path: string, version?: number): void {
  location.hash = fragment(path, version);
}
