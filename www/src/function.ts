import { errorOf } from "./error.js";

const NAME = String.raw`[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*`;
/** How a function's text begins that stands by itself: `function`, `async function`, `(a) =>`, `async a =>`. */
const WRITTEN_OUT = new RegExp(String.raw`^(?:async\s+)?(?:function\b|\(|${NAME}\s*=>)|^async\s*\([^]*=>`, "u");
/** How a method's begins, which stands in an object or a class only: `test(o) {`. */
const METHOD = new RegExp(String.raw`^(async\s+)?(\*?)\s*(?:#?${NAME}|"[^"\\]*"|'[^'\\]*'|\d+)\s*(?=\()`, "u");

/**
 * The text of a function, which the node makes it of again. A method becomes a function without a name. Throws `bad_argument` for one whose
 * text is not to be had.
 */
export function sourceOf(wanted: (...args: never[]) => unknown, field: string): string {
  const text = Function.prototype.toString.call(wanted);
  // A bound one has the same text as one of the language's own.
  if (!/\{\s*\[native code\]\s*\}\s*$/u.test(text) && !/^class\b(?!\s*\()/u.test(text)) {
    if (WRITTEN_OUT.test(text)) return text;
    if (METHOD.test(text)) return text.replace(METHOD, "$1function$2 ");
  }
  const why = `the ${field} must be an arrow function or a function that is written out; a class, a bound function or one of the language's own has no text`;
  throw errorOf("bad_argument", why, { field });
}
