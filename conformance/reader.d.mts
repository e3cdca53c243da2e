/** Runs the cases with a JavaScript client; gives how many passed, and what did not. */
export function runCases(emerge: object, fs: object, file: object): Promise<unknown>;
