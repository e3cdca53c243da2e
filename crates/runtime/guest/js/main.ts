// The prelude of the JavaScript guest: evaluated once, when the guest boots. Its value is a function that takes what the Rust side gives, and gives the
// functions that the host runs, in the order of their numbers there (`src/sandbox/javascript.rs`).

import { setNatives } from "./natives.js";
import { boot } from "./boot.js";
import type { Natives } from "./natives.js";

export default function prelude(given: Natives): ((input: Uint8Array) => Uint8Array | Promise<Uint8Array>)[] {
  setNatives(given);
  return boot();
}
