import { hideText } from "./text.js";
import { call } from "./call.js";
import { load, scope } from "./classes.js";
import { failure } from "./failure.js";
import { file } from "./file.js";
import { freezeIntrinsics } from "./frozen.js";
import * as client from "./client.js";
import { natives } from "./natives.js";
import { split, success, textOf } from "./parts.js";

/** Sets up the global object, and gives the functions that the host runs. */
export function boot(): ((input: Uint8Array) => Uint8Array | Promise<Uint8Array>)[] {
  hideText();
  // A clock that is finer than the call's, and memory that others could share.
  for (const name of ["performance", "SharedArrayBuffer", "Atomics"]) Reflect.deleteProperty(globalThis, name);
  Object.defineProperty(Math, "random", { value: () => natives.random(), writable: true, configurable: true });
  Object.defineProperty(globalThis, CLIENT, { value: client });
  freezeIntrinsics();
  return [
    () => success(words(scope.keys()), words(Object.getOwnPropertyNames(globalThis))),
    guarded((parts) => {
      load(parts);
      return success();
    }),
    guarded(call),
    guarded(file),
    guarded((parts) => {
      const [text, name] = parts.map(textOf) as [string, string];
      natives.parse(text, name);
      return success();
    }),
  ];
}

/** What is thrown becomes an output. */
function guarded(work: (parts: Uint8Array[]) => Uint8Array | Promise<Uint8Array>): (input: Uint8Array) => Promise<Uint8Array> {
  return async (input) => {
    try {
      return await work(split(input));
    } catch (thrown) {
      return failure(thrown);
    }
  };
}

/** Where the module `emerge-client` finds what it exports (`src/natives.rs`). */
const CLIENT = "emerge-client";

function words(names: Iterable<string>): Uint8Array {
  return natives.encodeText([...names].join(" "));
}
