// One tab of dstm_tabs.mjs: a worker, which can be ended at any place, changes a bank offline and online.
//
// What it keeps lies in files, which its next tab finds; that a change is kept is told to the program before anything else
// happens. A change pays between accounts, and appends its number to the tab's own list: whether it happened once and
// in its order can be read there.

import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";

const { library, url, client, directory, name, tab, seed, paths, accounts, total, aliveMs } = workerData;
const dstm = await import(pathToFileURL(library));
const { Document } = await import(new URL("document.js", pathToFileURL(library)));

/** Numbers of [0, n), the same ones for one seed. */
export function numbers(state) {
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
}

const random = numbers(seed);

let answered = Promise.resolve();

/** Wait for a while, and for all that was asked before. */
function late(ms) {
  answered = answered.then(() => new Promise((resolve) => setTimeout(resolve, random(ms))));
  return answered;
}

/** A store of files, each of which is written whole or not at all; its answers come late, as those of a database do. */
function fileStore() {
  mkdirSync(directory, { recursive: true });
  const write = (file, value) => {
    writeFileSync(`${directory}/${tab} ${file}.new`, JSON.stringify(value));
    renameSync(`${directory}/${tab} ${file}.new`, `${directory}/${file}`);
  };
  const read = (file) => JSON.parse(readFileSync(`${directory}/${file}`, "utf8"));
  return {
    async load() {
      const replica = existsSync(`${directory}/replica`) ? read("replica") : undefined;
      const mutations = readdirSync(directory).filter((file) => /^\d{18} \w+$/.test(file)).flatMap(readIfThere);
      await late(300);
      return { replica: replica && { ...replica, document: Document.of(replica.document) }, mutations };
    },
    saveReplica: async ({ document, version, epoch, hash }) => write("replica", { document: document.plain(""), version, epoch, hash }),
    async saveMutation(record) {
      write(record.id, record);
      await late(10);
    },
    async forgetMutation(id) {
      await late(10);
      rmSync(`${directory}/${id}`, { force: true });
    },
  };

  function readIfThere(file) {
    try {
      return [read(file)];
    } catch {
      return []; // another tab has forgotten it meanwhile
    }
  }
}

/** Web Locks, which the program keeps for its workers: each is free again when a worker has ended. */
const waiting = [];
Object.defineProperty(globalThis, "navigator", {
  configurable: true,
  value: {
    locks: {
      request(lock, options, callback) {
        parentPort.postMessage({ kind: "lock" });
        return new Promise((granted) => waiting.push(granted)).then(callback).then(() => parentPort.postMessage({ kind: "unlock" }));
      },
    },
  },
});

const CONNECT = {
  async wampy() {
    const [{ Wampy }, { default: ws }] = await Promise.all([import("wampy"), import("ws")]);
    return dstm.wampyConnector((options) => new Wampy(url, { realm: "interop", ws, ...options }));
  },
  async autobahn() {
    const { default: autobahn } = await import("autobahn");
    return dstm.autobahnConnector(autobahn, { url, realm: "interop" });
  },
};

const mutators = {
  pay(tx, giver, taker, amount, list, number) {
    tx.push(`/lists/${list}`, number);
    if (tx.get(`/accounts/${giver}`) < amount) return;
    tx.set(`/accounts/${giver}`, tx.get(`/accounts/${giver}`) - amount);
    tx.inc(`/accounts/${taker}`, amount);
  },
  refuse(tx, list, number) {
    tx.push(`/lists/${list}`, number);
    if (tx.get("/accounts/a0") >= 0) throw new Error("refused");
  },
  tooMuch(tx, list, number) {
    tx.push(`/lists/${list}`, number);
    tx.inc("/bound", 1, { max: 0 });
  },
};

const space = new dstm.Space("bank", { paths });
const board = await dstm.offline(space, { mutators, store: fileStore(), connect: await CONNECT[client](), name, aliveMs });
const sum = (held) => Object.values(held).reduce((all, one) => all + one, 0);
const tell = (message) => parentPort.postMessage(message);
let versions = 0;

function check(what, held) {
  if (held !== undefined && sum(held) !== total) tell({ kind: "wrong", why: `${what} has ${JSON.stringify(held)}` });
}

space.onMove(() => {
  versions += 1;
  if (space.hasReplica) check(`version ${space.version}`, space.get("/accounts"));
});
board.watch("/accounts", (held) => check("what is shown", held));

let last = 0;

async function change() {
  last += 1;
  const number = last;
  const [giver, taker] = [random(accounts), random(accounts)].map((n) => `a${n}`);
  const kind = ["pay", "pay", "pay", "refuse", "tooMuch"][random(5)];
  const made = kind === "pay" ? board.mutate(kind, giver, taker, 1 + random(60), tab, number) : board.mutate(kind, tab, number);
  made.done.then(({ status, version }) => log({ tab, number, kind, status, version }));
  await made.kept;
  log({ tab, number, kind, status: "kept" });
}

/** Write what a test has to know, before this worker can end. */
function log(line) {
  appendFileSync(`${directory}.log`, `${JSON.stringify(line)}\n`);
}

let isBusy = true;
const act = () => {
  if (!isBusy) return;
  for (let left = random(4) ? 1 : random(12); left > 0; left--) change();
  setTimeout(act, random(1_500));
};
act();

parentPort.on("message", ({ kind }) => {
  if (kind === "granted") waiting.shift()();
  else if (kind === "quiet") isBusy = false;
  else if (kind === "close") {
    isBusy = false;
    board.close();
    setTimeout(() => process.exit(0), 50);
  } else if (kind === "look") {
    const isAt = board.pending === 0 && board.state === "live";
    tell({ kind: "seen", isAt, version: isAt && space.version, document: isAt && JSON.stringify(sorted(board.get(""))), versions, pending: board.pending });
    versions = 0;
  }
});

function sorted(value) {
  if (Array.isArray(value) || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}
