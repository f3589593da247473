// A person at the console: what they do, by the names that are read aloud, and what they see.

import assert from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const PATIENCE_MS = 20_000;
const POLLING = { polling: 50 }; // a page behind another one draws nothing

/** One browser with a profile of its own. */
export class Browser {
  static async open() {
    const browser = new Browser();
    browser.profile = mkdtempSync(join(tmpdir(), "console-"));
    browser.chromium = await puppeteer.launch({
      executablePath: process.env.CHROMIUM,
      userDataDir: browser.profile,
      // Two pages of one browser are both looked at.
      args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows"],
      defaultViewport: { width: 1280, height: 800 },
      protocolTimeout: 60_000,
    });
    return browser;
  }

  /** Open a page of the console; pages share what the browser keeps, until `forget`. */
  async person(url, hash = "") {
    this.context ??= await this.chromium.createBrowserContext();
    const person = new Person(await this.context.newPage(), url);
    await person.page.goto(url + hash);
    return person;
  }

  /** Close all pages, and forget what the browser keeps. */
  async forget() {
    await this.context?.close();
    this.context = undefined;
  }

  async close() {
    await this.chromium.close();
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Person {
  /** Exceptions of the page, what its policy forbids, and requests to other hosts. */
  wrong = [];

  constructor(page, url) {
    this.page = page;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.wrong.push(String(error.stack ?? error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !/ERR_|WebSocket connection/.test(message.text())) this.wrong.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(url) && !/^(data|blob|about):/.test(request.url())) this.wrong.push(`asked for ${request.url()}`);
    });
  }

  /** Join as the form has it. `given` are its fields, by label. */
  async join(given = {}) {
    await this.see("Join a realm of this router.");
    for (const [label, value] of Object.entries(given)) await this.fill(label, value);
    await this.press("Join");
  }

  joined = () => this.page.waitForSelector('.who[data-state="joined"]');

  /** Wait until `text` is on the page, or in what `within` selects. */
  see(text, within = "body") {
    const found = (wanted, selector) => [...document.querySelectorAll(selector)].some((element) => element.innerText.replace(/\s+/g, " ").includes(wanted));
    return this.page.waitForFunction(found, POLLING, text, within).catch(async () => {
      assert.fail(`${JSON.stringify(text)} is not to be seen in ${within}:\n${await this.text()}`);
    });
  }

  /** Wait until it is gone. */
  miss(text, within = "body") {
    const gone = (wanted, selector) => ![...document.querySelectorAll(selector)].some((element) => element.innerText.replace(/\s+/g, " ").includes(wanted));
    return this.page.waitForFunction(gone, POLLING, text, within).catch(async () => assert.fail(`${JSON.stringify(text)} stays:\n${await this.text()}`));
  }

  text = () => this.page.evaluate(() => document.body.innerText);

  /** Press the button, link or switch of this name. */
  async press(name, role = "button") {
    await this.page.bringToFront();
    await this.page.locator(`::-p-aria([name="${name}"][role="${role}"])`).setTimeout(PATIENCE_MS).click();
  }

  /** Type into the field of this label, in place of what is there. */
  async fill(label, value) {
    await this.page.bringToFront();
    const field = await this.page.waitForFunction((text) => [...document.querySelectorAll("label")].find((each) => each.innerText.trim() === text)?.control, POLLING, label);
    if (await field.evaluate((element) => element.tagName === "SELECT")) return void (await field.select(...(await optionOf(field, value))));
    await field.evaluate((element) => (element.focus(), element.select()));
    await this.page.keyboard.press("Backspace");
    await field.type(value);
  }

  go(hash) {
    return this.page.evaluate((there) => void (location.hash = there), hash);
  }

  /** Press keys, one after the other; "Control+Enter" is both at once. */
  async keys(...keys) {
    for (const key of keys) {
      const [last, ...held] = key.split("+").reverse();
      for (const modifier of held) await this.page.keyboard.down(modifier);
      await this.page.keyboard.press(last);
      for (const modifier of held) await this.page.keyboard.up(modifier);
    }
  }

  /** Choose what is at `pointer` in the tree of a space. */
  async choose(pointer) {
    await this.page.waitForSelector("[role=treeitem]");
    await this.fill("Go to pointer", pointer);
    await this.keys("Enter");
    await this.page.waitForFunction((wanted) => document.querySelector("[role=treeitem][aria-selected=true]")?.id.endsWith(wanted), POLLING, pointer);
  }

  /** Give what the tree shows at `pointer`. */
  value(pointer) {
    return this.page.evaluate((wanted) => [...document.querySelectorAll("[role=treeitem]")].find(({ id }) => id.replace(/^[^/]*/, "") === wanted)?.lastElementChild.textContent, pointer);
  }

  sees(pointer, value) {
    const shows = (wanted, text) => [...document.querySelectorAll("[role=treeitem]")].some(({ id, lastElementChild }) => id.replace(/^[^/]*/, "") === wanted && lastElementChild.textContent === text);
    return this.page.waitForFunction(shows, POLLING, pointer, value).catch(async () => assert.fail(`${pointer} is ${await this.value(pointer)}, not ${value}`));
  }

  /** Nothing went wrong in this page. */
  check() {
    assert.deepEqual(this.wrong, []);
  }
}

async function optionOf(field, text) {
  return field.evaluate((element, wanted) => [...element.options].filter((option) => option.text === wanted).map((option) => option.value), text);
}
