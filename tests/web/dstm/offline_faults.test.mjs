// Pages, mutators and servers that do what they should not: everything else goes on.

import assert from "node:assert";
import { beforeEach, test } from "node:test";

import { memoryStore, Space } from "../../../router/web/dstm/dstm.js";
import { Locks, mutators, Server, tab, until } from "./small_server.mjs";

let reported = [];

beforeEach(() => {
  Object.defineProperty(globalThis, "navigator", { value: { locks: new Locks() }, configurable: true });
  reported = [];
  globalThis.reportError = function (error) {
    if (this !== undefined && this !== globalThis) throw new TypeError("Illegal invocation"); // as browsers do
    reported.push(error.message);
  };
});

test("callbacks that throw are reported, and harm nothing else", async () => {
  const server = new Server();
  const board = await tab(server);
  await until(() => board.state === "live");
  const seen = [];
  board.watch("/n", (n) => {
    if (n > 0) throw new Error(`${n} was shown`);
  });
  board.watch("/n", (n) => seen.push(n));
  board.onStatus(() => {
    throw new Error("status");
  });
  const changes = [board.mutate("inc", 1), board.mutate("inc", 2)];
  await Promise.all(changes.map(({ done }) => done));
  assert.deepEqual([server.n, seen.at(-1), board.pending], [3, 3, 0]);
  assert.ok(reported.includes("1 was shown") && reported.includes("status"));
  board.close();
});

test("a watch of a space that throws is reported", async () => {
  const server = new Server();
  const space = await new Space("board").attach(await server.connect(() => {}));
  const seen = [];
  space.watch("/n", () => {
    throw new Error("no");
  });
  space.watch("/n", (n) => seen.push(n));
  await space.atomically((tx) => tx.inc("/n", 1));
  assert.deepEqual([reported, seen], [["no"], [1]]);
  space.close();
});

test("a callback may change what is shown", async () => {
  const server = new Server();
  const board = await tab(server);
  await until(() => board.state === "live");
  board.watch("/n", (n) => n === 1 && board.mutate("inc", 10));
  board.mutate("inc", 1);
  await until(() => server.n === 11 && board.pending === 0);
  board.close();
});

test("each run of a mutator has arguments of its own", async () => {
  const [server, store] = [new Server(), memoryStore()];
  const more = { mutators: { ...mutators, first: (tx, list) => tx.inc("/n", list.shift()) } };
  const board = await tab(server, { store, ...more });
  await until(() => board.state === "live");
  const list = [1, 20, 300];
  const change = board.mutate("first", list);
  list.length = 0;
  await change.kept;
  await change.done;
  assert.deepEqual([server.n, change.args], [1, [[1, 20, 300]]]);
  board.close();
});

test("a mutator that waits for something is rejected, and one that changes the board too", async () => {
  const server = new Server();
  let board;
  const wrong = {
    later: async (tx) => tx.retry(),
    inside: () => board.mutate("inc", 1),
  };
  board = await tab(server, { mutators: { ...mutators, ...wrong } });
  await until(() => board.state === "live");
  const changes = [board.mutate("later"), board.mutate("inside"), board.mutate("inc", 5)];
  await Promise.all(changes.map(({ done }) => done));
  assert.deepEqual(changes.map(({ status }) => status), ["rejected", "rejected", "committed"]);
  assert.match(changes[0].reason.message, /must not be async/);
  assert.match(changes[1].reason.message, /a transaction function runs/);
  assert.equal(server.n, 5);
  board.close();
});

test("nothing is sent before it is kept, over the next session either", async () => {
  const server = new Server();
  const space = await new Space("board").attach(await server.connect(() => {}));
  let kept;
  const keep = () => new Promise((resolve) => (kept = resolve));
  const outcome = new Promise((settle) => space.submit({ each: (tx) => tx.inc("/n", 1), args: [], keep }, settle));
  space.detach();
  await space.attach(await server.connect(() => {}));
  assert.equal(server.n, 0);
  kept();
  assert.equal((await outcome).version, 1);
  assert.equal(server.n, 1);
  space.close();
});

test("a server that is silent from the beginning is left for a new session", async () => {
  const server = new Server();
  server.isSilent = true;
  const board = await tab(server, { aliveMs: 40 });
  await until(() => server.sessions.size === 1);
  const [first] = server.sessions;
  const change = board.mutate("inc", 3);
  await until(() => !server.sessions.has(first));
  server.isSilent = false;
  await change.done;
  assert.deepEqual([change.status, server.n], ["committed", 3]);
  board.close();
});

test("a session that the space has left, or over which it is refused, is replaced", async () => {
  const server = new Server();
  const board = await tab(server, { aliveMs: 40 });
  await until(() => board.state === "live");
  const [first] = server.sessions;
  board.space.detach();
  await until(() => board.state === "live");
  const [second] = server.sessions;
  assert.ok(second !== first);
  server.refusal = "wamp.error.not_authorized";
  second.tell({ argsList: [[5, 6, [], { hash: "0".repeat(32), time: 1 }]], argsDict: { epoch: "e" } }); // a gap, after which it syncs
  await until(() => board.state === "refused");
  server.refusal = undefined;
  await board.mutate("inc", 1).done;
  assert.equal(server.n, 1);
  board.close();
});

test("a replica that was kept and makes no sense is fetched anew", async () => {
  const [server, store] = [new Server(), memoryStore()];
  server.n = 7;
  for (const replica of [{ version: NaN, epoch: "e" }, { version: 3 }, { version: 3, epoch: "e" }]) {
    const broken = { ...store, load: async () => ({ replica, mutations: [] }) };
    const board = await tab(server, { store: broken });
    await until(() => board.state === "live");
    assert.equal(board.get("/n"), 7);
    board.close();
  }
});

test("an attempt to connect that does not end is given up", async () => {
  const server = new Server();
  let attempts = 0;
  const connect = (lost) => (++attempts === 1 ? new Promise(() => {}) : server.connect(lost));
  const board = await tab(server, { connect, aliveMs: 40 });
  await board.mutate("inc", 1).done;
  assert.deepEqual([server.n, attempts], [1, 2]);
  board.close();
});

test("thousands of changes are shown and submitted in bounded time", async () => {
  const server = new Server();
  const board = await tab(server);
  await until(() => board.state === "live");
  const began = performance.now();
  const changes = Array.from({ length: 3_000 }, () => board.mutate("inc", 1));
  assert.equal(board.get("/n"), 3_000);
  await Promise.all(changes.map(({ done }) => done));
  assert.ok(performance.now() - began < 8_000); // 0.6 s; 20 s where each change does all others anew
  assert.equal(server.n, 3_000);
  board.close();
});
