// A person at a browser of their own: what they do to the page, and what they see there.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const PATIENCE_MS = 30_000;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

export class Person {
  errors = []; // exceptions of the page, and what it may not load

  /** Open a browser with a profile of its own, go to `url`, and tell the page one's name. */
  static async open(name, url, settings = {}) {
    const person = new Person();
    person.name = name;
    person.profile = mkdtempSync(join(tmpdir(), "whiteboard-"));
    person.browser = await puppeteer.launch({
      executablePath: CHROMIUM,
      userDataDir: person.profile,
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
      defaultViewport: { width: 1280, height: 800 },
      protocolTimeout: 60_000,
    });
    [person.page] = await person.browser.pages();
    person.listen(person.page);
    await person.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: settings.scheme ?? "light" }]);
    await person.page.goto(url);
    await person.page.waitForSelector("#naming[open]", { timeout: PATIENCE_MS });
    await person.page.$eval("#name", (input, text) => (input.value = text), name);
    await person.page.click("#naming button");
    return person;
  }

  listen(page) {
    page.on("pageerror", (error) => this.errors.push(String(error.stack ?? error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !/WebSocket connection|ERR_/.test(message.text())) this.errors.push(message.text());
    });
  }

  /** Wait until `look(...args)`, run in the page, gives something true, and give it. */
  async until(what, look, ...args) {
    try {
      const found = await this.page.waitForFunction(look, { timeout: PATIENCE_MS, polling: 50 }, ...args);
      return await found.jsonValue();
    } catch (error) {
      throw new Error(`${this.name} never saw: ${what} (${error.message}); the page says ${await this.page.$eval("body", (body) => body.innerText)}`);
    }
  }

  isOnline = () => this.until("Connected", () => document.querySelector("#state-text").textContent === "Connected");
  isOffline = () => this.until("Offline", () => document.querySelector("#state-text").textContent.startsWith("Offline"));
  /** The page can start without the network. */
  isKept = () => this.until("the page kept", () => navigator.serviceWorker.controller !== null);
  reload = () => this.page.reload();

  async fill(selector, text) {
    await this.page.focus(selector);
    await this.page.$eval(selector, (input) => input.select());
    await this.page.keyboard.type(text);
  }

  async say(text) {
    await this.fill("#text", text);
    await this.page.click("#say button");
  }

  /** Draw a line; places from 0 to 1. */
  async draw([x0, y0], ...places) {
    const { x, y, width, height } = await (await this.page.$("#strokes")).boundingBox();
    const { mouse } = this.page;
    await mouse.move(x + x0 * width, y + y0 * height);
    await mouse.down();
    for (const [x1, y1] of places) await mouse.move(x + x1 * width, y + y1 * height, { steps: 8 });
    await mouse.up();
  }

  async addNote(text) {
    await this.page.click("#add-note");
    await this.page.keyboard.type(text);
    await this.page.keyboard.press("Escape");
  }

  /** Write into the first note, in place of what is there. */
  async writeNote(text) {
    await this.page.focus(".note textarea");
    await this.page.$eval(".note textarea", (field) => field.select());
    await this.page.keyboard.type(text);
    await this.page.keyboard.press("Escape");
  }

  async sell(item, price) {
    await this.fill("#thing", item);
    await this.fill("#start", String(price));
    await this.page.click("#open button");
  }

  async bid(price) {
    await this.fill("#amount", String(price));
    await this.page.click("#bid button");
  }

  /** What is on this person's screen: all of it that others have too. */
  seen() {
    return this.page.evaluate(() => {
      const all = (selector, look) => [...document.querySelectorAll(selector)].map(look);
      return {
        strokes: all("#strokes path", (path) => `${path.dataset.id} ${path.dataset.colour} ${path.getAttribute("d")}`).sort(),
        notes: all(".note", ({ dataset, children }) => `${dataset.id} ${dataset.x},${dataset.y} ${children[1].value}`).sort(),
        messages: all("#messages li[data-id]", (line) => line.innerText),
        lot: [document.querySelector("#item").textContent, document.querySelector("#price").textContent],
      };
    });
  }

  people = () => this.page.$$eval("#people li", (found) => found.map((each) => each.textContent).sort());
  notices = () => this.page.$$eval("#notices span", (found) => found.map((each) => each.textContent));
  screenshot = (path) => this.page.screenshot({ path });

  async close() {
    await this.browser.close();
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
