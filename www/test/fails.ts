// What must fail.

import assert from "node:assert/strict";
import { EmergeError, type ErrorCode } from "../src/index.js";

/** Waits for a failure with this code and a message like this, and gives it. */
export async function fails(code: ErrorCode, names: RegExp, promise: Promise<unknown>): Promise<EmergeError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof EmergeError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, names);
    return error;
  }
  assert.fail(`it should have failed with ${code}`);
}
