// A document that comes in pages: put together as it was, a slice at a time, whatever its size.

import assert from "node:assert";
import { test } from "node:test";

import { Assembly, Document, DoesNotFit } from "../../../router/web/dstm/document.js";
import { Space } from "../../../router/web/dstm/dstm.js";

const plain = (assembly) => assembly.document.plain("");

test("parts are set in order, elements behind one another", () => {
  const assembly = new Assembly();
  for (const part of [["", {}], ["/a", {}], ["/a/b~1c", []], ["/a/b~1c/0", 1], ["/a/b~1c/-", { x: [2] }], ["/a/b~1c/2", null], ["/a/", "empty"]]) assembly.set(...part);
  assert.deepEqual(plain(assembly), { a: { "b/c": [1, { x: [2] }, null], "": "empty" } });
  assert.deepEqual(plain(new Assembly()), {});
});

test("parts that do not fit are refused", () => {
  const assembly = new Assembly();
  assembly.set("/list", [1]);
  for (const pointer of ["/list/0", "/list/2", "/list/x", "/list/0/a", "/no/a"]) assert.throws(() => assembly.set(pointer, 1), DoesNotFit, pointer);
  for (const pointer of ["/__proto__", "list", "/~2"]) assert.throws(() => assembly.set(pointer, 1), RangeError, pointer);
  assert.deepEqual(plain(assembly), { list: [1] });
});

test("an empty document that was made before is not changed by it", () => {
  const empty = Document.of({});
  new Assembly().set("/a", 1);
  assert.deepEqual([empty.plain(""), Document.of({}).plain("")], [{}, {}]);
});

/** A server that gives its document in pages of so many parts. */
function session(parts, size) {
  return {
    getOptions: () => ({}),
    subscribe: async () => ({}),
    unsubscribe: async () => ({}),
    async call(procedure, { argsDict: { page = "0" } = {} }) {
      const from = Number(page);
      const next = from + size < parts.length ? { next: String(from + size) } : {};
      return { argsList: [], argsDict: { epoch: "e", version: 7, hash: "0".repeat(32), part: parts.slice(from, from + size), ...next } };
    },
  };
}

test("a large document is put together in many turns, in which others have theirs", async () => {
  const list = Array.from({ length: 30_000 }, (_, index) => index);
  const parts = [["", {}], ["/list", []], ["/keys", {}], ...list.flatMap((index) => [[`/list/${index}`, index], [`/keys/k${index}`, index]])];
  const space = new Space("s");
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 0);
  await space.attach(session(parts, 20_000));
  clearInterval(timer);
  assert.deepEqual(space.get(""), { list, keys: Object.fromEntries(list.map((index) => [`k${index}`, index])) });
  assert.ok(turns >= 20, `${turns} turns of others`);
  space.close();
});

test("a session that ends in the middle of a page leaves nothing half done", async () => {
  const parts = [["", {}], ...Array.from({ length: 5000 }, (_, index) => [`/k${index}`, index])];
  const space = new Space("s");
  const gone = session(parts, 10_000);
  const attached = space.attach(gone);
  await new Promise((later) => setTimeout(later, 0));
  space.detach(gone);
  await assert.rejects(attached, /the session ended before the first sync/);
  assert.equal(space.hasReplica, false);
  await space.attach(session([["", { done: true }]], 10));
  assert.deepEqual(space.get(""), { done: true });
  space.close();
});
