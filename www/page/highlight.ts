import { el } from "./dom.js";

/** A run of source text of one kind. */
export interface Token {
  readonly kind: "keyword" | "string" | "number" | "comment" | "call" | "constant" | "plain";
  readonly text: string;
}

const KEYWORDS: Record<string, ReadonlySet<string>> = {
  javascript: new Set(
    (
      "async await break case catch class const continue debugger default delete do else export extends finally for " +
      "function get if import in instanceof let new of return set static super switch this throw try typeof var void while with yield"
    ).split(" "),
  ),
  python: new Set(
    (
      "and as assert async await break class continue def del elif else except finally for from global if import in is " +
      "lambda match nonlocal not or pass raise return self try while with yield case"
    ).split(" "),
  ),
};
const CONSTANTS = new Set(["true", "false", "null", "undefined", "NaN", "Infinity", "None", "True", "False"]);

// Good enough for reading: strings, comments, numbers and words. Each alternative consumes at least one character and
// none can backtrack over another's text, so the time is linear in the source.
const JAVASCRIPT =
  /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<string>"(?:\\[\s\S]|[^"\\\n])*"?|'(?:\\[\s\S]|[^'\\\n])*'?|`(?:\\[\s\S]|[^`\\])*`?)|(?<number>\b(?:0[xob][\da-fA-F_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)n?\b)|(?<word>[\p{L}_$][\p{L}\p{N}_$]*)|(?<plain>[^])/gu;
const PYTHON =
  /(?<comment>#[^\n]*)|(?<string>"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\[\s\S]|[^"\\\n])*"?|'(?:\\[\s\S]|[^'\\\n])*'?)|(?<number>\b\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?j?\b)|(?<word>[\p{L}_][\p{L}\p{N}_]*)|(?<plain>[^])/gu;

/** Splits source into coloured runs; all runs together are the source again. */
export function tokenize(source: string, language: string): Token[] {
  const keywords = KEYWORDS[language];
  if (keywords === undefined) return [{ kind: "plain", text: source }];
  const tokens: Token[] = [];
  let plain = "";
  const push = (kind: Token["kind"], text: string) => {
    if (kind === "plain") {
      plain += text;
      return;
    }
    if (plain !== "") tokens.push({ kind: "plain", text: plain });
    plain = "";
    tokens.push({ kind, text });
  };
  for (const match of source.matchAll(language === "python" ? PYTHON : JAVASCRIPT)) {
    const { comment, string, number, word } = match.groups ?? {};
    if (comment !== undefined) push("comment", comment);
    else if (string !== undefined) push("string", string);
    else if (number !== undefined) push("number", number);
    else if (word === undefined) push("plain", match[0]);
    else if (keywords.has(word)) push("keyword", word);
    else if (CONSTANTS.has(word)) push("constant", word);
    else push(source[match.index + word.length] === "(" ? "call" : "plain", word);
  }
  if (plain !== "") tokens.push({ kind: "plain", text: plain });
  return tokens;
}

/** A block of source with colours. */
export function code(source: string, language: string, label: string): HTMLElement {
  const inner = el("code");
  for (const token of tokenize(source, language)) {
    inner.append(token.kind === "plain" ? token.text : el("span", { class: `tok-${token.kind}`, text: token.text }));
  }
  return el("pre", { class: "code", attrs: { tabindex: "0", "aria-label": label } }, inner);
}
