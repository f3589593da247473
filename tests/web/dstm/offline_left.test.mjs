// What one tab has left to another: every change once, however the tab before has ended.

import assert from "node:assert";
import { beforeEach, test } from "node:test";

import { memoryStore } from "../../../router/web/dstm/dstm.js";
import { Locks, newName, RECORD, Server, tab, until } from "./small_server.mjs";

beforeEach(() => Object.defineProperty(globalThis, "navigator", { value: { locks: new Locks() }, configurable: true }));

const CLIENT = "a".repeat(32);
const body = (number) => ({ tx: `${CLIENT}:${number}`, epoch: "e", base: 0, reads: [], ops: [{ op: "inc", path: "/n", value: 1 }] });

/** Lead in place of a tab, and give what ends that. */
function leading(name) {
  let end;
  navigator.locks.request(`dstm ${name}`, { signal: {} }, () => new Promise((ended) => (end = ended)));
  return () => end();
}

/** A store whose `load` waits, from the second time on, until `go` is called. */
function slowStore(store) {
  let loads = 0;
  let go;
  const gate = new Promise((resolve) => (go = resolve));
  const load = async () => {
    loads += 1;
    if (loads > 1) await gate;
    return store.load();
  };
  return { ...store, load, go, isAsked: () => loads > 1 };
}

test("who comes to lead submits nothing before it has read what was submitted", async () => {
  const [server, name, store] = [new Server(), newName(), memoryStore()];
  const leader = await tab(server, { name, store });
  const slow = slowStore(store);
  const other = await tab(server, { name, store: slow });
  await until(() => other.state === "live");
  server.holdsAnswers = true;
  leader.mutate("inc", 5);
  await until(() => server.n === 5 && other.pending === 1);
  leader.close();
  server.holdsAnswers = false;
  await until(slow.isAsked);
  const change = other.mutate("inc", 1);
  await change.kept;
  await new Promise((resolve) => setTimeout(resolve, 0));
  slow.go();
  await change.done;
  assert.deepEqual([server.n, other.changes.map(({ status }) => status)], [6, ["committed", "committed"]]);
  other.close();
});

test("the body that counts is the one that was kept last", async () => {
  const [server, name, store] = [new Server(), newName(), memoryStore()];
  const end = leading(name);
  await store.saveMutation({ ...RECORD, body: body(1) });
  const other = await tab(server, { name, store });
  server.conflicts.add(body(1).tx);
  server.commit(body(2));
  await store.saveMutation({ ...RECORD, body: body(2) });
  end();
  await until(() => other.pending === 0);
  assert.deepEqual([server.n, other.changes[0].status, other.changes[0].version], [1, "committed", 1]);
  other.close();
});

test("what is known to be decided is not done again, where it could not be forgotten any more", async () => {
  const [server, name, store] = [new Server(), newName(), memoryStore()];
  const end = leading(name);
  await store.saveMutation(RECORD);
  const other = await tab(server, { name, store });
  const channel = new BroadcastChannel(`dstm ${name}`);
  channel.postMessage({ kind: "decided", id: RECORD.id, status: "rejected", reason: { message: "no" }, from: "the first tab" });
  await until(() => other.pending === 0);
  end();
  await other.mutate("inc", 10).done;
  assert.deepEqual([server.n, other.changes.map(({ status }) => status)], [10, ["rejected", "committed"]]);
  assert.deepEqual((await store.load()).mutations, []);
  channel.close();
  other.close();
});

test("a change is not done again when it is told late", async () => {
  const [server, name, store] = [new Server(), newName(), memoryStore()];
  await store.saveMutation(RECORD);
  const board = await tab(server, { name, store });
  await until(() => board.pending === 0 && server.n === 1);
  const channel = new BroadcastChannel(`dstm ${name}`);
  channel.postMessage({ kind: "added", record: RECORD, from: "a busy tab" });
  const heard = new Promise((resolve) => (channel.onmessage = ({ data }) => data.kind === "decided" && data.id === RECORD.id && resolve()));
  await heard; // the busy tab is told what became of it
  await board.mutate("inc", 10).done;
  assert.deepEqual([server.n, board.pending], [11, 0]);
  channel.close();
  board.close();
});

test("a change that is decided before its tab knows that it is kept is told of no more", async () => {
  const [server, name, store] = [new Server(), newName(), memoryStore()];
  const end = leading(name);
  let kept;
  const slow = { ...store, saveMutation: () => new Promise((resolve) => (kept = resolve)) };
  const other = await tab(server, { name, store: slow });
  const channel = new BroadcastChannel(`dstm ${name}`);
  const told = [];
  channel.onmessage = ({ data }) => told.push(data.kind);
  const change = other.mutate("inc", 1);
  channel.postMessage({ kind: "decided", id: change.id, status: "rejected", reason: { message: "no" }, from: "who leads" });
  await change.done;
  kept();
  await change.kept;
  other.close();
  await until(() => told.includes("bye"));
  assert.deepEqual([change.status, told.includes("added")], ["rejected", false]);
  channel.close();
  end();
});

test("a tab that finds a change which is decided already comes to know it", async () => {
  const [server, name, store] = [new Server(), newName(), memoryStore()];
  await store.saveMutation(RECORD);
  const board = await tab(server, { name, store });
  await until(() => board.pending === 0);
  const late = { ...store, load: async () => ({ ...(await store.load()), mutations: [RECORD] }) };
  const other = await tab(server, { name, store: late });
  await until(() => other.pending === 0);
  assert.deepEqual([server.n, other.changes[0].status], [1, "committed"]);
  other.close();
  board.close();
});

test("a change whose tab ended before it could tell of it is submitted by the tab that leads", async () => {
  const [server, name, store] = [new Server(), newName(), memoryStore()];
  const board = await tab(server, { name, store });
  await until(() => board.state === "live");
  await store.saveMutation(RECORD); // crashed
  const other = await tab(server, { name, store });
  await until(() => server.n === 1 && other.pending === 0);
  other.mutate("inc", 2); // closed at once
  other.close();
  await until(() => server.n === 3);
  await until(() => board.pending === 0);
  assert.deepEqual((await store.load()).mutations, []);
  board.close();
});

test("what was submitted waits for the permission to ask for it again", async () => {
  const [server, name, store] = [new Server(), newName(), memoryStore()];
  server.commit(body(1));
  server.refusal = "wamp.error.not_authorized";
  await store.saveMutation({ ...RECORD, body: body(1) });
  const board = await tab(server, { name, store });
  await until(() => server.refused > 2);
  assert.equal(board.changes[0].status, "pending");
  server.refusal = undefined;
  await board.changes[0].done;
  assert.deepEqual([server.n, board.changes[0].status], [1, "committed"]);
  board.close();
});

test("a page that its browser has kept aside for a while is up to date again", async () => {
  const [server, name, store, events] = [new Server(), newName(), memoryStore(), new EventTarget()];
  const board = await tab(server, { name, store });
  globalThis.addEventListener = events.addEventListener.bind(events);
  const other = await tab(server, { name, store });
  delete globalThis.addEventListener;
  await until(() => other.state === "live");
  events.dispatchEvent(new Event("pagehide"));
  await board.mutate("inc", 1).done;
  events.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await until(() => other.state === "live" && other.space.get("/n") === 1);
  await other.mutate("inc", 1).done;
  assert.equal(server.n, 2);
  other.close();
  board.close();
});

test("a page that could not load what was kept does not lead for ever", async () => {
  const [server, name, store] = [new Server(), newName(), memoryStore()];
  const broken = { ...store, load: () => Promise.reject(new Error("the database is closed")) };
  await assert.rejects(tab(server, { name, store: broken }), /the database is closed/);
  const board = await tab(server, { name, store });
  await board.mutate("inc", 1).done;
  assert.equal(server.n, 1);
  board.close();
});

test("who leads reads again what it could not read", async () => {
  const [server, store] = [new Server(), memoryStore()];
  let loads = 0;
  const failing = { ...store, load: () => (++loads === 2 ? Promise.reject(new Error("the database is busy")) : store.load()) };
  const board = await tab(server, { store: failing });
  await board.mutate("inc", 1).done;
  assert.deepEqual([server.n, loads], [1, 3]);
  board.close();
});

test("changes keep their order when the clock has gone back", async () => {
  const [server, store] = [new Server(), memoryStore()];
  const future = `${String((Date.now() + 3_600_000) * 1000).padStart(18, "0")} x`;
  await store.saveMutation({ id: future, name: "inc", args: [1] });
  const connect = () => Promise.reject(new Error("nobody is there"));
  const board = await tab(server, { store, connect });
  await board.mutate("inc", 2).kept;
  board.close();
  const later = await tab(server, { store, connect });
  assert.deepEqual(later.changes.map(({ args }) => args), [[1], [2]]);
  later.close();
});
