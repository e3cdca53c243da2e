// A real Chromium, and what every page must not do.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}

/** Collects what went wrong in a page unseen: exceptions, and what its Content-Security-Policy refused. */
export function watch(page: Page): string[] {
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    // A WebSocket that cannot connect while the node is down says so on the console; that is what a restart looks like.
    const text = message.text();
    if (message.type() === "error" && !/WebSocket connection to/.test(text)) problems.push(text);
  });
  return problems;
}

/** Leaves a picture in test-results. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = join(process.env["WWW"] ?? ".", "../test-results");
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), animations: "disabled" });
}
