// Look at each view of the console as it is with much in it, and report the tasks of the page's thread.
//
// Rules of this file: a task is what Chromium's trace calls RunTask on the renderer's main thread; `dur` is the time that it took,
// `tdur` the CPU time that it used. What the page itself is told of long tasks (PerformanceObserver) is counted beside them.

import { createRequire } from "node:module";
import { setTimeout as wait } from "node:timers/promises";

const asked = JSON.parse(process.argv[2]);
const puppeteer = createRequire(asked.modules)("puppeteer-core");

const LONG_MS = 50;
const WORST = 5; // tasks of a view that are told of
const PATIENCE_MS = 30_000;
const TRACED = ["toplevel", "devtools.timeline", "blink.user_timing", "__metadata"];

const ROWS = ".table-row";
const VIEWS = [
  { view: "overview", there: ".uplot canvas" },
  { view: "sessions", there: ROWS, scrolled: ".table", filter: "anonymous" },
  { view: "registrations", there: ROWS, scrolled: ".table", filter: "99" },
  { view: "subscriptions", there: ROWS, scrolled: ".table", filter: "99" },
  { view: "slow", there: "main h1" },
  { view: "log", there: "main h1" },
  { view: "spaces/large", there: "[role=treeitem]", scrolled: "[role=tree]", open: "/all/key 002500" },
  { view: "spaces/large?view=history", there: "input[type=range]", step: "One version back" },
  { view: "call", there: "form" },
];

const browser = await puppeteer.launch({
  executablePath: asked.chromium,
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
  defaultViewport: { width: 1280, height: 800 },
  protocolTimeout: PATIENCE_MS,
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.evaluateOnNewDocument(() => {
    globalThis.seen = 0;
    new PerformanceObserver((list) => (globalThis.seen += list.getEntries().length)).observe({ type: "longtask", buffered: true });
  });
  await page.goto(asked.url);
  await page.locator('::-p-aria([name="Join"][role="button"])').click();
  await page.waitForSelector('.who[data-state="joined"]');
  const reports = [];
  for (const wanted of VIEWS.filter(({ view }) => !asked.only || view.startsWith(asked.only))) reports.push(await measured(page, wanted));
  console.log(JSON.stringify(reports));
} finally {
  await browser.close();
}

async function measured(page, wanted) {
  process.stderr.write(`  ${wanted.view}\n`);
  const before = await page.evaluate(() => globalThis.seen);
  await page.tracing.start({ categories: TRACED });
  await lookAt(page, wanted);
  const trace = JSON.parse(new TextDecoder().decode(await page.tracing.stop()));
  return { view: wanted.view, seen: (await page.evaluate(() => globalThis.seen)) - before, ...report(trace.traceEvents) };
}

/** Do in a view what a person does. */
async function lookAt(page, { view, there, scrolled, filter, open, step }) {
  const doing = (what) => page.evaluate((name) => void performance.mark(`doing ${name}`), what);
  await doing("opening");
  await page.evaluate((hash) => void (location.hash = hash), `#/${view}`);
  await page.waitForSelector(there);
  if (scrolled === ".table") await page.waitForFunction(() => !/reading/.test(document.querySelector("main").innerText), { polling: 250 });
  if (open) await goTo(page, open, doing);
  if (scrolled) {
    await doing("scrolling");
    await page.evaluate(scroll, scrolled);
    await doing("going to the end and back");
    await page.focus(scrolled);
    for (const key of ["End", "Home", "PageDown", "ArrowDown"]) await page.keyboard.press(key);
  }
  for (let count = 0; step && count < 5; count++) {
    await doing("stepping");
    await page.locator(`::-p-aria([name="${step}"][role="button"])`).click();
  }
  if (filter) await typeFilter(page, filter, doing);
  await doing("looking");
  await wait(asked.seconds * 1000);
}

async function goTo(page, pointer, doing) {
  await doing("going to a pointer");
  await page.locator("[data-pointer] input").fill(pointer);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("[role=treeitem][aria-selected=true]")?.getAttribute("aria-level") === "3");
}

async function typeFilter(page, text, doing) {
  await doing("filtering");
  await page.focus("[data-filter] input, input[data-filter]");
  await page.keyboard.type(text);
  for (const _ of text) await page.keyboard.press("Backspace");
}

/** In the page: scroll to the end, in 60 frames. */
async function scroll(selector) {
  const element = document.querySelector(selector);
  const end = element.scrollHeight - element.clientHeight;
  for (let step = 1; step <= 60; step++) {
    element.scrollTop = (end * step) / 60;
    await new Promise(requestAnimationFrame);
  }
}

/** Give the tasks of the page's thread, in numbers. */
function report(events) {
  const marks = events.filter(({ cat, name }) => cat.includes("blink.user_timing") && name.startsWith("doing "));
  const isMain = ({ pid, tid }) => marks.some((mark) => mark.pid === pid && mark.tid === tid);
  const ours = events.filter((event) => event.ph === "X" && isMain(event));
  const tasks = ours.filter(({ name }) => name.endsWith("RunTask")).map((task) => ({ ...task, ms: task.dur / 1000, cpu: (task.tdur ?? task.dur) / 1000 }));
  const count = (name) => tasks.filter((task) => task[name] > LONG_MS).length;
  const most = (name) => Math.max(0, ...tasks.map((task) => task[name]));
  const worst = tasks.filter(({ cpu }) => cpu > LONG_MS).sort((one, other) => other.cpu - one.cpu).slice(0, WORST);
  return {
    tasks: tasks.length, long: count("ms"), longOfCpu: count("cpu"), longest: most("ms"), longestOfCpu: most("cpu"),
    cpuSeconds: tasks.reduce((sum, { cpu }) => sum + cpu, 0) / 1000,
    worst: worst.map((task) => ({ cpu: task.cpu, doing: doneAt(marks, task.ts), what: partsOf(ours, task) })),
  };
}

function doneAt(marks, at) {
  return marks.filter(({ ts }) => ts <= at).at(-1)?.name.slice("doing ".length) ?? "opening";
}

/** Say what took longest within a task. */
function partsOf(events, task) {
  const parts = events.filter((event) => event !== task && event.ts >= task.ts && event.ts + event.dur <= task.ts + task.dur && event.dur > 5000 && !event.name.endsWith("RunTask"));
  const named = parts.map(({ name, dur, args }) => `${name} ${args.data?.functionName ?? args.data?.type ?? ""} ${Math.round(dur / 1000)} ms`.replace(/ +/g, " "));
  return [...new Set(named)].slice(0, 6).join(", ") || "one thing";
}
