// What was thrown, as the host is told of it. A method may throw anything, also what fights being looked at.

import { EmergeError } from "../../../../www/src/error.js";
import { natives } from "./natives.js";
import { join } from "./parts.js";

// Methods may replace what they find on globals; what is needed after they ran is kept from before.
const { stringify } = JSON;
const toText = String;

/** An output that says what went wrong. */
export function failure(thrown: unknown): Uint8Array {
  return join([Uint8Array.of(1), natives.encodeText(stringify(describe(thrown)).toWellFormed())]);
}

const LONGEST = 4096;

function describe(thrown: unknown): Record<string, unknown> {
  if (thrown instanceof EmergeError) {
    const { code, path, field, limit, trace } = thrown;
    return {
      name: "EmergeError",
      code,
      message: read(() => thrown.message),
      stack: read(() => thrown.stack),
      path,
      field,
      limit,
      trace,
    };
  }
  if (thrown instanceof Error) {
    return { name: read(() => thrown.name) || "Error", message: read(() => thrown.message), stack: read(() => thrown.stack) };
  }
  return { name: "threw", message: show(thrown), stack: "" };
}

/** A property as text; nothing when it is no text or refuses to be read. */
function read(get: () => unknown): string {
  try {
    const value = get();
    return typeof value === "string" ? value.slice(0, LONGEST) : "";
  } catch {
    return "";
  }
}

/** A value as a person reads it. */
export function show(value: unknown): string {
  try {
    switch (typeof value) {
      case "string":
        return value;
      case "bigint":
        return `${value}n`;
      case "function":
        return `[function ${value.name}]`;
      case "object": {
        if (value === null) return "null";
        if (value instanceof Error) return `${value.name}: ${value.message}`;
        if (value instanceof Map || value instanceof Set) return `${value.constructor.name} ${plain([...value])}`;
        return plain(value);
      }
      default:
        return toText(value);
    }
  } catch {
    return "[a value that cannot be shown]";
  }
}

function plain(value: object): string {
  return stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? `${inner}n` : inner)) ?? toText(value);
}
