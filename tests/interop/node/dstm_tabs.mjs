// Tabs that change a bank over connections that are cut, on a router that is killed: every change happens once.
//
//     node dstm_tabs.mjs LIBRARY PORT SECONDS SEED COMMAND...     the command starts the router on PORT
//
// People have a browser each, whose tabs share what is kept and elect one that leads. Tabs close and crash, and others are
// opened. At the end all is quiet: what was kept has happened once or was refused, in the order of each tab, the money is
// all there, and all replicas are equal.

import { spawn } from "node:child_process";
import { mkdtempSync, existsSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { Worker } from "node:worker_threads";

const [library, portText, secondsText, seedText, ...command] = process.argv.slice(2);
const [port, seconds, seed] = [portText, secondsText, seedText].map(Number);
const [ACCOUNTS, TOTAL] = [5, 500];
const PEOPLE = [
  { name: "ann", client: "wampy" },
  { name: "bob", client: "autobahn" },
  { name: "eve", client: "wampy", paths: ["/accounts", "/lists", "/bound"] },
];
const directory = mkdtempSync(`${tmpdir()}/dstm-tabs-`);
const counted = { tabs: 0, crashes: 0, closes: 0, kills: 0, cuts: 0, silences: 0, versions: 0 };
const wrong = [];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let random = Math.random;

/** A number of [0, n), of a sequence that the seed decides. */
function chance(n) {
  return Math.floor(random() * n);
}

function seeded(state) {
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

// The router

let router;

function start() {
  router = spawn(command[0], command.slice(1), { stdio: ["ignore", "ignore", "inherit"] });
}

function kill() {
  if (router.killed) return; // it is about to end, and another one to start
  counted.kills += 1;
  router.kill("SIGKILL");
  router.once("exit", start);
}

// The network

const pairs = new Map(); // [socket of the tab, socket of the router] -> when it was opened

const proxy = net.createServer((near) => {
  const far = net.connect(port, "127.0.0.1");
  const pair = [near, far];
  pairs.set(pair, Date.now());
  const end = () => {
    pairs.delete(pair);
    pair.forEach((socket) => socket.destroy());
  };
  for (const socket of pair) socket.on("error", end).on("close", end);
  near.pipe(far);
  far.pipe(near);
});

function anyPair(ageMs = 0) {
  const old = [...pairs.keys()].filter((pair) => Date.now() - pairs.get(pair) >= ageMs);
  return old[chance(old.length)];
}

function cut() {
  counted.cuts += 1;
  anyPair()?.forEach((socket) => socket.destroy());
}

/** Nothing goes through any more, one way at least, and nobody is told. Who joins would wait long for that: it is spared. */
function silence() {
  counted.silences += 1;
  const [near, far] = anyPair(1_000) ?? [];
  if (!near) return;
  far.unpipe(near);
  if (chance(2)) near.unpipe(far);
}

// The tabs

const locks = new Map(PEOPLE.map(({ name }) => [name, []])); // who holds it, then who waits
const tabs = new Set();

function open(person) {
  counted.tabs += 1;
  const { name, client, paths } = person;
  const workerData = {
    library, url: `ws://127.0.0.1:${proxy.address().port}/ws`, client, paths, directory: `${directory}/${name}`, name: `${name} ${directory}`,
    tab: `${name}${counted.tabs}`, seed: seed + counted.tabs, accounts: ACCOUNTS, total: TOTAL, aliveMs: 1_000,
  };
  const worker = new Worker(new URL("dstm_tab.mjs", import.meta.url), { workerData });
  const tab = { person, worker, seen: undefined };
  tabs.add(tab);
  worker.on("message", (message) => hear(tab, message));
  worker.on("error", (error) => wrong.push(`${workerData.tab}: ${error.stack}`));
  worker.on("exit", () => {
    tabs.delete(tab);
    release(tab);
  });
}

function hear(tab, message) {
  if (message.kind === "wrong") wrong.push(message.why);
  else if (message.kind === "seen") tab.seen(message);
  else if (message.kind === "unlock") release(tab);
  else if (message.kind === "lock" && tabs.has(tab)) {
    const queue = locks.get(tab.person.name);
    queue.push(tab);
    if (queue[0] === tab) tab.worker.postMessage({ kind: "granted" });
  }
}

function release(tab) {
  const queue = locks.get(tab.person.name);
  const at = queue.indexOf(tab);
  if (at >= 0) queue.splice(at, 1);
  if (at === 0) queue[0]?.worker.postMessage({ kind: "granted" });
}

function endOne() {
  const tab = [...tabs][chance(tabs.size)];
  if (!tab) return;
  if (chance(2)) {
    counted.crashes += 1;
    tab.worker.terminate();
  } else {
    counted.closes += 1;
    tab.worker.postMessage({ kind: "close" });
  }
}

function look() {
  return Promise.all([...tabs].map((tab) => new Promise((seen) => {
    tab.seen = seen;
    tab.worker.once("exit", () => seen({ isAt: false, versions: 0 }));
    tab.worker.postMessage({ kind: "look" });
  })));
}

// What happens

const EVENTS = [[cut, 6], [silence, 1], [endOne, 3], [kill, 1]];
const POOL = EVENTS.flatMap(([event, times]) => Array(times).fill(event));

async function trouble() {
  const end = Date.now() + seconds * 1_000;
  while (Date.now() < end && !wrong.length) {
    await pause(50 + chance(400));
    POOL[chance(POOL.length)]();
    for (const person of PEOPLE) if ([...tabs].filter((tab) => tab.person === person).length < 1 + chance(2)) open(person);
  }
}

async function rest() {
  for (const end = Date.now() + 60_000; ; ) {
    for (const person of PEOPLE) if (![...tabs].some((tab) => tab.person === person)) open(person);
    for (const { worker } of tabs) worker.postMessage({ kind: "quiet" });
    await pause(250);
    const seen = await look();
    counted.versions += seen.reduce((sum, { versions }) => sum + versions, 0);
    const documents = new Set(seen.map(({ document }) => document));
    if (seen.every(({ isAt }) => isAt) && documents.size === 1) return JSON.parse([...documents][0]);
    if (Date.now() > end) throw new Error(`no rest: ${documents.size} documents, ${JSON.stringify(seen.map(({ document, ...others }) => others))}`);
  }
}

/** Read what the tabs have told of their changes: "tab number" -> {kind, kept, statuses}. */
function changes() {
  const byId = new Map();
  for (const { name } of PEOPLE) {
    const log = `${directory}/${name}.log`;
    for (const line of existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []) {
      const { tab, number, kind, status } = JSON.parse(line);
      const change = byId.get(`${tab} ${number}`) ?? { kind, statuses: new Set() };
      byId.set(`${tab} ${number}`, change);
      change.statuses.add(status);
    }
  }
  return byId;
}

/** Compare what was told of the changes with what has happened. */
function judge({ accounts, lists }) {
  const done = new Set();
  for (const [tab, numbers] of Object.entries(lists)) {
    numbers.forEach((number, at) => {
      if (at && numbers[at - 1] >= number) wrong.push(`${tab}: ${numbers[at - 1]} is before ${number}`);
      done.add(`${tab} ${number}`);
    });
  }
  const all = changes();
  for (const [id, { kind, statuses }] of all) {
    const should = kind === "pay" && statuses.has("kept") ? true : statuses.has("committed") ? true : kind !== "pay" ? false : done.has(id);
    if (done.has(id) !== should || (done.has(id) && statuses.has("rejected"))) wrong.push(`${id}: ${kind}, ${[...statuses]}, done: ${done.has(id)}`);
  }
  const sum = Object.values(accounts).reduce((one, other) => one + other, 0);
  if (sum !== TOTAL) wrong.push(`the sum is ${sum}`);
  const of = (status) => [...all.values()].filter(({ statuses }) => statuses.has(status)).length;
  return { kept: of("kept"), committed: of("committed"), rejected: of("rejected"), unknown: of("unknown"), done: done.size };
}

async function begin() {
  const { Space, wampyConnector } = await import(library);
  const [{ Wampy }, { default: ws }] = await Promise.all([import("wampy"), import("ws")]);
  const connect = wampyConnector((options) => new Wampy(`ws://127.0.0.1:${port}/ws`, { realm: "interop", ws, ...options }));
  for (;;) {
    try {
      const session = await connect(() => {});
      const space = await new Space("bank").attach(session);
      const accounts = Object.fromEntries(Array.from({ length: ACCOUNTS }, (_, n) => [`a${n}`, TOTAL / ACCOUNTS]));
      await space.atomically((tx) => tx.set("", { accounts, lists: {}, bound: 0 }));
      return session.disconnect();
    } catch (error) {
      await pause(100); // the router is about to start
    }
  }
}

console.log("seed", seed);
random = seeded(seed);
start();
await begin();
await new Promise((listening) => proxy.listen(0, "127.0.0.1", listening));
PEOPLE.forEach(open);
await trouble();
let numbers = {};
try {
  if (!wrong.length) numbers = judge(await rest());
} catch (error) {
  wrong.push(error.message);
}
console.log(JSON.stringify({ ...counted, ...numbers }));
console.log("wrong:", wrong.length, wrong.slice(0, 10).join("\n"));
for (const { worker } of tabs) await worker.terminate();
router.removeAllListeners("exit");
router.kill("SIGKILL");
if (!wrong.length) rmSync(directory, { recursive: true });
else console.log(directory);
process.exit(wrong.length ? 1 : 0);
