// Drives the notebook page as its reader does.

import type { ElementHandle, Page } from "playwright-core";

/** What a cell showed. */
export interface Shown {
  readonly ok: boolean;
  readonly text: string;
  readonly element: ElementHandle<Element>;
}

/** Waits until Python is there. Loading it takes seconds. */
export async function pythonIsReady(page: Page): Promise<string> {
  await page.waitForSelector('#python:is([data-state="ready"], [data-state="failed"])', { timeout: 90_000 });
  return (await page.textContent("#python")) ?? "";
}

/** Adds a cell that holds `source`, and gives its number on the page. */
export async function addCell(page: Page, source: string): Promise<number> {
  await page.click("#add");
  const count = await page.locator(".cell").count();
  await page.locator(".cell .editor").nth(count - 1).fill(source);
  return count - 1;
}

/** Presses the cell's Run. */
export async function press(page: Page, cell: number): Promise<void> {
  await page.locator(".cell .run").nth(cell).click();
}

/** Waits until the cell has ended. */
export async function ended(page: Page, cell: number, timeout = 60_000): Promise<Shown> {
  await page.waitForFunction(
    (at) => ["done", "failed"].includes((document.querySelectorAll(".cell")[at] as HTMLElement).dataset["state"] ?? ""),
    cell,
    { timeout },
  );
  const place = page.locator(".cell").nth(cell);
  const element = await place.elementHandle();
  if (!element) throw new Error(`there is no cell ${cell}`);
  const text = (await place.locator(".output").innerText()).trim();
  return { ok: (await place.getAttribute("data-state")) === "done", text, element };
}

/** Runs `source` in a new cell. */
export async function cell(page: Page, source: string, timeout?: number): Promise<Shown> {
  const at = await addCell(page, source);
  await press(page, at);
  return ended(page, at, timeout);
}
