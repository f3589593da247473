// The service worker alone, over a server of files: which page one gets, the router's or the one that was kept.

import assert from "node:assert";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { after, afterEach, before, test } from "node:test";

import { Browser } from "./person.mjs";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
let status = 200; // of the page
let title = "Concord"; // in it
let isSilent = false;
let server;
let url;
let browser;

before(async () => {
  server = createServer((request, response) => {
    const name = normalize(new URL(request.url, "http://x").pathname).slice(1) || "index.html";
    if (isSilent) return;
    let body;
    try {
      body = readFileSync(join(process.env.CONSOLE, name));
    } catch {
      return response.writeHead(404).end();
    }
    if (name === "index.html") body = String(body).replace("<title>Concord</title>", `<title>${title}</title>`);
    response.writeHead(name === "index.html" ? status : 200, { "Content-Type": TYPES[extname(name)] ?? "text/plain" }).end(body);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  url = `http://127.0.0.1:${server.address().port}/`;
  browser = await Browser.open();
});
afterEach(() => {
  [status, title, isSilent] = [200, "Concord", false];
  return browser.forget();
});
after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});

/** Give a page whose worker has taken over. */
async function kept() {
  const { page } = await browser.person(url);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null, { polling: 50 });
  return page;
}

/** Load it again; give the title that it has then. */
async function again(page) {
  await page.reload();
  await page.waitForSelector(".login-form");
  return page.evaluate(() => document.title);
}

test("while the server answers, the page is its present one", async () => {
  const page = await kept();
  title = "Another";
  assert.equal(await again(page), "Another");
});

for (const [name, fail] of [
  ["is broken", () => (status = 502)],
  ["says nothing", () => (isSilent = true)],
]) {
  test(`where the server ${name}, the page is the one that was kept`, async () => {
    const page = await kept();
    title = "Another";
    fail();
    assert.equal(await again(page), "Concord");
  });
}

test("a page that is not the console's is never hidden by it", async () => {
  const page = await kept();
  status = 404;
  title = "Nothing here";
  const answer = await page.reload();
  assert.equal(answer.status(), 404);
});
