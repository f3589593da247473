// The rows of a document: the same as of one that is flattened as a whole, whatever is opened and changed.

import assert from "node:assert";
import { test } from "node:test";

import { placeOf, sortedSlowly } from "../../console/src/views/dstm/order.js";
import { Tree } from "../../console/src/views/dstm/tree.js";
import { Document, freeze, isArray, isObject } from "../../router/web/dstm/document.js";
import { SharedMap } from "../../router/web/dstm/map.js";
import { below } from "../../router/web/dstm/pointer.js";

/** Give a generator of numbers from 0 to 1, the same for the same seed. */
function chance(seed) {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

/** Flatten a document in the plain way. */
function* flattened(node, pointer, depth, isOpen) {
  yield [pointer, depth];
  if (!isOpen(pointer) || !(isObject(node) || isArray(node))) return;
  const members = [...node];
  if (isObject(node)) members.sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [token, under] of members) yield* flattened(under, below(pointer, token), depth + 1, isOpen);
}

function rowsOf(tree) {
  return Array.from({ length: tree.count }, (_, index) => {
    const { pointer, depth } = tree.row(index);
    assert.equal(tree.indexOf(pointer), index, pointer);
    return [pointer, depth];
  });
}

function finish(tree) {
  while (tree.work(performance.now() + 5));
}

test("any document, opened and changed at random, has the rows of a plain flattening", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = chance(seed);
    const pick = (list) => list[Math.floor(random() * list.length)];
    const value = (depth) => {
      const kind = random();
      if (depth > 3 || kind < 0.4) return pick([1, "a", null, true]);
      const count = Math.floor(random() * 6);
      if (kind < 0.6) return Array.from({ length: count }, () => value(depth + 1));
      return Object.fromEntries(Array.from({ length: count }, () => [pick(["a", "b", "c/d", "e~", "", "1", "10", "2"]), value(depth + 1)]));
    };
    let document = Document.of(value(0));
    const tree = new Tree();
    for (let step = 0; step < 40; step++) {
      tree.show(document.root);
      finish(tree);
      const expected = [...flattened(document.root, "", 0, (pointer) => tree.isOpen(pointer))];
      assert.deepEqual(rowsOf(tree), expected, `seed ${seed}, step ${step}`);
      const [pointer] = pick(expected);
      if (random() < 0.5) {
        if (pointer !== "") tree.toggle(pointer);
      } else if (random() < 0.3 && pointer !== "") {
        document = document.remove(pointer);
      } else {
        document = document.put(pointer, freeze(value(1)));
      }
    }
  }
});

test("a large object is sorted in slices, and stays in order while it changes", () => {
  const count = 50_000;
  const names = Array.from({ length: count }, (_, index) => `k${(index * 7919) % count}`);
  let document = Document.of(Object.fromEntries(names.map((name) => [name, 1])));
  const tree = new Tree();
  tree.show(document.root);
  assert.equal(tree.count, 1, "its members are not shown before they are in order");
  assert.equal(tree.row(0).isReady, false);
  let slices = 0;
  for (; tree.work(0); slices++) {
    document = document.put(`/new${slices}`, 2).remove(`/k${slices}`);
    tree.show(document.root);
  }
  assert.ok(slices > 10, `sorted in ${slices} slices`);
  const sorted = [...document.root.members.keys()].sort();
  assert.equal(tree.count, sorted.length + 1);
  for (const index of [0, 1, 777, sorted.length - 1]) assert.equal(tree.row(index + 1).token, sorted[index]);
  assert.equal(tree.indexOf("/new3"), placeOf(sorted, "new3") + 1);
});

test("keys are sorted as sort does", () => {
  for (const count of [0, 1, 4095, 4096, 4097, 20_000]) {
    const members = SharedMap.of(Array.from({ length: count }, (_, index) => [`${(index * 31) % 1000}-${index}`, 1]));
    const sorting = sortedSlowly(members);
    let step = sorting.next();
    while (!step.done) step = sorting.next();
    assert.deepEqual(step.value, [...members.keys()].sort());
  }
});

test("what was open is open again when it comes back", () => {
  const tree = new Tree();
  tree.show(freeze({ a: { b: { c: 1 } } }));
  tree.openTo("/a/b/c");
  assert.equal(tree.indexOf("/a/b/c"), 3);
  tree.show(freeze({ x: 1 }));
  assert.equal(tree.count, 2);
  assert.equal(tree.indexOf("/a/b/c"), -1);
  tree.show(freeze({ a: { b: { c: 2 } } }));
  assert.equal(tree.indexOf("/a/b/c"), 3);
  tree.toggle("/a");
  assert.equal(tree.count, 2);
  tree.toggle("/a");
  assert.equal(tree.indexOf("/a/b/c"), 3);
});

test("a document that is one value has one row", () => {
  const tree = new Tree();
  assert.equal(tree.count, 0);
  tree.show(freeze(null));
  assert.deepEqual([tree.count, tree.row(0).node], [1, null]);
});
