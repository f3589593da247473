// Every view, dark and light, wide and narrow: what axe finds, what the page's policy forbids, how much is loaded.

import assert from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { gzipSync } from "node:zlib";

import { Browser } from "./person.mjs";
import { Router } from "./router.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const MOST_BYTES = 300_000; // compressed
const VIEWS = ["overview", "sessions", "registrations", "subscriptions", "slow", "log", "spaces", "spaces/demo", "spaces/demo?view=history", "call", "publish", "subscribe", "register", "shortcuts"];
const PICTURES = process.env.PICTURES; // a directory in which to leave pictures of all

let router;
let browser;
before(async () => {
  [router, browser] = await Promise.all([Router.start(), Browser.open()]);
  await router.client("call", "dstm.demo.put", "/list", '[1, "two", {"three": null}]');
  await router.client("call", "dstm.demo.put", "/flag", "true");
});
afterEach(() => browser.forget());
after(() => Promise.all([browser?.close(), router?.close()]));

/** Give what axe finds that is serious. */
async function findings(page) {
  await page.evaluate(`if (!globalThis.axe) { ${AXE} }`);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
}

async function look(person, name, view) {
  if (PICTURES) await person.page.screenshot({ path: join(PICTURES, `${name}-${view.replace(/\W+/g, "-")}.png`) });
  assert.deepEqual(await findings(person.page), [], `${name}, ${view}`);
  const isWide = await person.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.ok(!isWide, `${name}, ${view}: it is wider than the window`);
}

test("axe finds what it should", async () => {
  const person = await browser.person(router.url);
  await person.see("Join a realm of this router.");
  await person.page.evaluate(() => document.querySelector("label").remove());
  assert.match((await findings(person.page)).join(), /label|select-name/);
});

for (const scheme of ["light", "dark"]) {
  for (const width of [1280, 390]) {
    test(`${scheme}, ${width} pixels wide: nothing serious in any view`, async () => {
      const name = `${scheme}-${width}`;
      const person = await browser.person(router.url);
      await person.page.setViewport({ width, height: 800 });
      await person.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await person.page.evaluate(() => localStorage.clear());
      await person.page.reload();
      await person.see("Join a realm of this router.");
      await look(person, name, "login");
      await person.join({ Method: "Ticket", "Name (authid)": "tina", Ticket: "sesame" });
      await person.joined();
      for (const view of VIEWS) {
        await person.go(`#/${view}`);
        await person.page.waitForFunction((wanted) => document.querySelector('[aria-current="page"]')?.getAttribute("href") === `#/${wanted}`, { polling: 50 }, view.split(/[/?]/)[0]);
        if (view.startsWith("spaces/")) await person.page.waitForSelector("[role=treeitem]");
        if (view.endsWith("history")) await person.page.waitForSelector("input[type=range]");
        if (view === "overview") await person.page.waitForSelector(".uplot canvas");
        if (view === "sessions" || view === "spaces") await person.page.waitForSelector(".table-row");
        await look(person, name, view);
      }
      person.check();
    });
  }
}

test("all of the console is less than 300 kB, compressed", () => {
  const files = [".", "assets"].flatMap((folder) => readdirSync(join(process.env.CONSOLE, folder), { withFileTypes: true }).map((entry) => [folder, entry]));
  const bytes = files.filter(([, entry]) => entry.isFile()).reduce((sum, [folder, { name }]) => sum + gzipSync(readFileSync(join(process.env.CONSOLE, folder, name))).length, 0);
  assert.ok(bytes < MOST_BYTES, `${bytes} bytes`);
});
