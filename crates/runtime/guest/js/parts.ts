// The form of inputs and outputs: parts, each with its length before it.

import { natives } from "./natives.js";

/** The parts of an input. */
export function split(input: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  for (let at = 0; at < input.length; ) {
    const length = view.getUint32(at, true);
    at += 4;
    parts.push(input.subarray(at, at + length));
    at += length;
  }
  return parts;
}

/** Parts as an output. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  const output = new Uint8Array(parts.reduce((sum, part) => sum + part.length + 4, 0));
  const view = new DataView(output.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    output.set(part, at + 4);
    at += part.length + 4;
  }
  return output;
}

/** A part's text. */
export function textOf(part: Uint8Array | undefined): string {
  return natives.decodeText(part ?? new Uint8Array(0), false);
}

/** An output that says that all went well. */
export function success(...parts: Uint8Array[]): Uint8Array {
  return join([Uint8Array.of(0), ...parts]);
}
