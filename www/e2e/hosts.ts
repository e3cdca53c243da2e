// Runs what a test brings along in the hosts that a browser has: the explorer page, and Python in the notebook page.

import assert from "node:assert/strict";
import { launch } from "./browser.js";
import { cell, pythonIsReady } from "./cells.js";
import type { TestNode } from "./node.js";

/** Evaluates the body of an async function in the node's page, where `emerge` is the client's module; gives what it returns. */
export async function inPage<T>(node: TestNode, body: string): Promise<T> {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(node.page());
    await page.waitForSelector('#state[data-state="open"]');
    return await page.evaluate<T>(`(async () => { const emerge = await import("/emerge-client/index.js"); ${body} })()`);
  } finally {
    await browser.close();
  }
}

/** Runs cells of the notebook, each of which must end well; gives what the last one showed. */
export async function inNotebook(node: TestNode, ...sources: string[]): Promise<string> {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(node.notebook);
    await pythonIsReady(page);
    let text = "";
    for (const source of sources) {
      const shown = await cell(page, source);
      assert.ok(shown.ok, shown.text);
      text = shown.text;
    }
    return text;
  } finally {
    await browser.close();
  }
}
