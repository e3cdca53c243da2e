// `TextEncoder` and `TextDecoder` for the model library, which QuickJS does not have. Imported first, for modules make theirs when they are evaluated.

import { natives } from "./natives.js";

class Encoder {
  encode(text = ""): Uint8Array {
    return natives.encodeText(text.toWellFormed());
  }
}

class Decoder {
  readonly #fatal: boolean;

  constructor(_label?: string, options?: { fatal?: boolean }) {
    this.#fatal = options?.fatal ?? false;
  }

  decode(bytes: Uint8Array = new Uint8Array(0)): string {
    return natives.decodeText(bytes, this.#fatal);
  }
}

Object.assign(globalThis, { TextEncoder: Encoder, TextDecoder: Decoder });

/** Takes them back: a method sees ECMAScript and no host's objects. */
export function hideText(): void {
  for (const name of ["TextEncoder", "TextDecoder"]) Reflect.deleteProperty(globalThis, name);
}
