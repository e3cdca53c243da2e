/** What a person typed for an argument: JSON when it is JSON, else the text itself. */
export function parseArgument(typed: string): unknown {
  const trimmed = typed.trim();
  if (trimmed === "") return "";
  try {
    return JSON.parse(trimmed) as unknown;
  } catch {
    // `[1, 2` was surely meant as JSON: storing it as a text would hide the mistake.
    if (/^[[{"]/.test(trimmed)) throw new SyntaxError(`${trimmed} is not complete JSON`);
    return trimmed;
  }
}
