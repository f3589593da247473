// Tabs that share one store and one leader, and connections that end in all ways, over a small server.

import assert from "node:assert";
import { beforeEach, test } from "node:test";

import { memoryStore } from "../../../router/web/dstm/dstm.js";
import { Locks, newName, RECORD, Server, tab, until } from "./small_server.mjs";

beforeEach(() => Object.defineProperty(globalThis, "navigator", { value: { locks: new Locks() }, configurable: true }));

test("what a tab changes is committed by the one that leads, and nobody ever sees it twice or not at all", async () => {
  const [server, shared] = [new Server(), { store: memoryStore(), name: newName() }];
  const [leader, other] = [await tab(server, shared), await tab(server, shared)];
  await until(() => leader.state === "live" && other.state === "live");
  const seen = [[], []];
  leader.watch("/n", (n) => seen[0].push(n));
  other.watch("/n", (n) => seen[1].push(n));
  const change = await other.mutate("inc", 5).done;
  await until(() => other.space.get("/n") === 5);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual([change.status, change.version, server.sessions.size], ["committed", 1, 1]);
  assert.deepEqual(seen, [[0, 5], [0, 5]]);
  other.close();
  leader.close();
});

test("when the tab that leads closes, the other one connects and goes on", async () => {
  const [server, shared] = [new Server(), { store: memoryStore(), name: newName() }];
  const [leader, other] = [await tab(server, shared), await tab(server, shared)];
  await until(() => other.state === "live");
  leader.close();
  const change = await other.mutate("inc", 2).done;
  assert.deepEqual([change.status, server.n], ["committed", 2]);
  await until(() => server.sessions.size === 1);
  other.close();
  await until(() => server.sessions.size === 0);
});

test("a tab that has closed does not come to lead", async () => {
  const [server, shared] = [new Server(), { store: memoryStore(), name: newName() }];
  const [first, second, third] = [await tab(server, shared), await tab(server, shared), await tab(server, shared)];
  await until(() => third.state === "live");
  second.close();
  first.close();
  await third.mutate("inc", 1).done;
  assert.equal(server.n, 1);
  third.close();
});

test("what another tab had decided before it ended is not done again", async () => {
  const [server, name] = [new Server(), newName()];
  let end;
  navigator.locks.request(`dstm ${name}`, { signal: {} }, () => new Promise((ended) => (end = ended)));
  const other = await tab(server, { name });
  const channel = new BroadcastChannel(`dstm ${name}`);
  channel.postMessage({ kind: "added", record: RECORD, from: "the first tab" });
  await until(() => other.pending === 1);
  end(); // and the store has nothing of it any more
  await until(() => other.pending === 0);
  await other.mutate("inc", 10).done;
  assert.deepEqual([other.changes[0].status, server.n], ["unknown", 10]);
  channel.close();
  other.close();
});

test("what is decided while a tab loads is known to it", async () => {
  const [server, name] = [new Server(), newName()];
  let end;
  navigator.locks.request(`dstm ${name}`, { signal: {} }, () => new Promise((ended) => (end = ended)));
  const channel = new BroadcastChannel(`dstm ${name}`);
  const store = memoryStore();
  const slow = {
    ...store,
    load: async () => {
      const loaded = await store.load();
      channel.postMessage({ kind: "decided", id: RECORD.id, status: "rejected", reason: { message: "no" }, from: "the first tab" });
      await store.forgetMutation(RECORD.id);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return loaded;
    },
  };
  await store.saveMutation(RECORD);
  const other = await tab(server, { name, store: slow });
  await until(() => other.pending === 0);
  assert.equal(other.changes[0].status, "rejected");
  channel.close();
  other.close();
  end();
});

test("a refusal whose answer did not come is no commit for the next page", async () => {
  const [server, store] = [new Server(), memoryStore()];
  const body = { tx: `${"a".repeat(32)}:1`, epoch: "e", base: 0, reads: ["/n"], ops: [] };
  await store.saveMutation({ id: RECORD.id, name: "tooMuch", args: [], body });
  const board = await tab(server, { store });
  await until(() => board.pending === 0);
  const [change] = board.changes;
  assert.deepEqual([change.status, change.reason.message], ["rejected", "0 is too much"]);
  board.close();
});

test("while the space is refused, changes wait, and sessions are not heaped up", async () => {
  const server = new Server();
  server.refusal = "wamp.error.not_authorized";
  const board = await tab(server);
  const change = board.mutate("inc", 1);
  await until(() => board.state === "refused" || board.state === "detached");
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual([change.status, server.sessions.size < 2], ["pending", true]);
  server.refusal = undefined;
  await change.done;
  assert.deepEqual([change.status, server.n, server.sessions.size], ["committed", 1, 1]);
  board.close();
});

test("a server that falls silent is left for a new session", async () => {
  const server = new Server();
  const board = await tab(server, { aliveMs: 40 });
  await until(() => board.state === "live");
  const [first] = server.sessions;
  server.isSilent = true;
  const change = board.mutate("inc", 3);
  await until(() => !server.sessions.has(first));
  server.isSilent = false;
  await change.done;
  assert.deepEqual([change.status, server.n], ["committed", 3]);
  board.close();
});

test("a session that is lost twice ends nothing but itself", async () => {
  const server = new Server();
  const board = await tab(server);
  await until(() => board.state === "live");
  const [first] = server.sessions;
  first.lost("cut");
  await until(() => board.state === "live");
  first.lost("closed");
  assert.equal(board.state, "live");
  board.close();
});

test("a change that cannot be kept is rejected, and does not stop the others", async () => {
  const [server, store] = [new Server(), memoryStore()];
  let fails = true;
  const full = { ...store, saveMutation: (record) => (fails ? Promise.reject(new Error("the disk is full")) : store.saveMutation(record)) };
  const board = await tab(server, { store: full });
  await until(() => board.state === "live");
  const refused = board.mutate("inc", 1);
  fails = false;
  const change = board.mutate("inc", 2);
  await Promise.all([refused.done, change.done]);
  assert.deepEqual([refused.status, refused.reason.message, change.status, server.n], ["rejected", "the disk is full", "committed", 2]);
  board.close();
});

test("a page to which its browser gives no locks is refused", async () => {
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  globalThis.isSecureContext = false;
  await assert.rejects(tab(new Server()), /needs a page with TLS/);
  delete globalThis.isSecureContext;
});
