// The history of a space, over answers as the router gives them.

import assert from "node:assert";
import { test } from "node:test";

import { Assembly } from "../../console/src/views/dstm/assembly.js";
import { Past } from "../../console/src/views/dstm/past.js";
import { Document, freeze, isArray, isObject, thaw } from "../../router/web/dstm/document.js";
import { below } from "../../router/web/dstm/pointer.js";

/** A router's side: `documents[version]`, and the changes that led there; documents before `oldest` are forgotten. */
class Log {
  asked = [];

  constructor({ documents, changes, oldest = 0, epoch = "e1", pageParts = Infinity }) {
    Object.assign(this, { documents, changes, oldest, epoch, pageParts });
  }

  get version() {
    return this.documents.length - 1;
  }

  call = async (procedure, args = [], kwargs = {}) => {
    this.asked.push([procedure.split(".").at(-1), ...args]);
    return { args: [], kwargs: {}, ...this[procedure.split(".").at(-1)](args, kwargs) };
  };

  status() {
    return { kwargs: { version: this.version, horizon: this.oldest } };
  }

  history([first, last = this.version], { limit }) {
    const from = first < 0 ? Math.max(1, this.version + 1 + first) : first;
    const until = Math.min(last, from + limit - 1);
    const entries = this.changes.map((changes, at) => ({ version: at + 1, time: 0, authid: "ann", changes })).filter(({ version }) => version >= from && version <= until);
    return { kwargs: { epoch: this.epoch, version: this.version, entries, ...(until < last && { next: until + 1 }) } };
  }

  get([wanted], { at, page }) {
    if (page !== undefined) return this.part(page);
    if (at < this.oldest) throw Object.assign(new Error("stale"), { uri: "dstm.error.stale", kwargs: { horizon: this.oldest } });
    const document = Document.of(this.documents[at]);
    if (!Array.isArray(wanted)) {
      this.parts = [...partsOf("", document.root)];
      return this.parts.length > this.pageParts ? this.part(0) : { args: [thaw(document.root)] };
    }
    const values = wanted.map((pointer) => document.plain(pointer));
    return { args: [values.map((value) => value ?? null)], kwargs: { missing: wanted.filter((_, index) => values[index] === undefined) } };
  }

  part(from) {
    const next = from + this.pageParts;
    return { kwargs: { part: this.parts.slice(from, next), ...(next < this.parts.length && { next }) } };
  }
}

function* partsOf(pointer, node) {
  if (!isObject(node) && !isArray(node)) return yield [pointer, node];
  yield [pointer, isArray(node) ? [] : {}];
  for (const [token, under] of node) yield* partsOf(below(pointer, token), under);
}

const set = (path, value) => [{ op: "replace", path, value }];

async function begun(log) {
  let told;
  const past = new Past("demo", log.call, () => told?.());
  await past.begin();
  return {
    past,
    async look(version, base) {
      const arrived = new Promise((resolve) => (told = () => past.at?.version === version && resolve()));
      past.look(version, base);
      await arrived;
      return past.at;
    },
  };
}

const COUNTING = { documents: [{}, { a: 1 }, { a: 2 }, { a: 2, b: [1] }, { b: [1] }], changes: [set("/a", 1), set("/a", 2), [{ op: "add", path: "/b", value: [1] }], [{ op: "remove", path: "/a" }]] };

test("a version is what it has changed, before and after, and its document", async () => {
  const { past, look } = await begun(new Log(COUNTING));
  assert.deepEqual([past.newest, past.oldest, past.entries.map(({ version }) => version)], [4, 0, [4, 3, 2, 1]]);
  const { changes, document, entry } = await look(2);
  assert.deepEqual(changes, [{ pointer: "/a", before: { value: 1 }, after: { value: 2 } }]);
  assert.deepEqual(document.plain(""), { a: 2 });
  assert.equal(entry.authid, "ann");
  assert.deepEqual((await look(3)).changes, [{ pointer: "/b", before: {}, after: { value: [1] } }]);
  assert.deepEqual((await look(4)).changes, [{ pointer: "/a", before: { value: 2 }, after: {} }]);
  assert.deepEqual((await look(0)).changes, []);
});

test("of a version whose document is forgotten it is known what the log tells, and nothing is made up", async () => {
  const { past, look } = await begun(new Log({ ...COUNTING, oldest: 3 }));
  assert.equal(past.oldest, 3);
  const at = await look(2);
  assert.equal(at.document, undefined);
  assert.deepEqual(at.changes, [{ pointer: "/a", before: null, after: { value: 2 } }]);
  assert.deepEqual((await look(3)).changes, [{ pointer: "/b", before: null, after: { value: [1] } }]);
  const parts = new Log({ documents: [{}, { a: { b: 2 } }], changes: [[...set("/a", {}), ...set("/a/b", 2)]], oldest: 2 });
  assert.deepEqual((await (await begun(parts)).look(1)).changes[0].after, null, "the log tells only parts of it");
});

test("a slider that is dragged asks for where it stands, not for all that it passed", async () => {
  const log = new Log(COUNTING);
  const { past, look } = await begun(log);
  for (const version of [3, 2, 1, 2]) past.look(version);
  log.asked = [];
  await look(4);
  assert.deepEqual(log.asked.filter(([what, wanted]) => what === "get" && wanted === "").length, 2);
  assert.equal(past.at.version, 4);
});

test("what is made since is read, and another history begins anew", async () => {
  const log = new Log(COUNTING);
  const { past } = await begun(log);
  Object.assign(log, { documents: [...COUNTING.documents, { b: 1 }], changes: [...COUNTING.changes, set("/b", 1)] });
  await past.newer();
  assert.deepEqual([past.newest, past.entries[0].version], [5, 5]);
  Object.assign(log, { documents: [{}, { x: 1 }], changes: [set("/x", 1)], epoch: "e2" });
  await past.newer();
  assert.deepEqual([past.epoch, past.newest, past.entries.length], ["e2", 1, 1]);
});

test("errors are told, and the next question is asked all the same", async () => {
  const log = new Log(COUNTING);
  const { past, look } = await begun(log);
  const { get } = log;
  log.get = () => {
    throw Object.assign(new Error("lost"), { uri: "concord.console.lost" });
  };
  assert.equal((await look(2)).error.uri, "concord.console.lost");
  log.get = get;
  assert.deepEqual((await look(3)).document.plain(""), { a: 2, b: [1] });
  assert.equal(past.error, null);
});

test("a large document comes in pages, and shares what it can with the present", async () => {
  const large = { m: Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, { v: index }])), list: [1, 2, 3], gone: 1 };
  const present = Document.of(large);
  const before = { ...large, m: { ...large.m, k7: "other" }, list: [1, 9], was: {} };
  delete before.gone;
  const { look } = await begun(new Log({ documents: [{}, before], changes: [set("/m/k7", "other")], pageParts: 100 }));
  const { document } = await look(1, present);
  assert.deepEqual(document.plain(""), before);
  assert.equal(document.find("/m/k8"), present.find("/m/k8"), "it is shared");
});

test("any two documents: the pages of one on top of the other give the one", () => {
  let seed = 1;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const value = (depth) => {
    const [kind, count] = [random(), Math.floor(random() * 4)];
    if (depth > 2 || kind < 0.3) return Math.floor(random() * 3);
    if (kind < 0.5) return Array.from({ length: count }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: count }, (_, index) => [["a", "b/c", "~", ""][index], value(depth + 1)]));
  };
  for (let turn = 0; turn < 500; turn++) {
    const [base, wanted] = [value(0), value(0)];
    const present = Document.of(base);
    const assembly = new Assembly(present);
    for (const part of partsOf("", freeze(wanted))) assembly.take([part]);
    assert.deepEqual(assembly.done().plain(""), wanted, JSON.stringify([base, wanted]));
    assert.deepEqual(present.plain(""), base, "what it shares with stays as it was");
  }
});
