// Values, pointers, and the persistent document beyond what the scenarios show.

import assert from "node:assert";
import { test } from "node:test";

import { Document, DoesNotFit } from "../../../router/web/dstm/document.js";
import { isWithin, parse, prefixes } from "../../../router/web/dstm/pointer.js";
import { InvalidValue, normalized } from "../../../router/web/dstm/values.js";

test("a value is copied, and says where it is wrong", () => {
  const given = { a: [1, { b: -0 }] };
  const copy = normalized(given);
  given.a[1].b = 5;
  assert.deepEqual(copy, { a: [1, { b: 0 }] });
  for (const [value, pointer] of [
    [{ a: [1, undefined] }, "/a/1"],
    [{ "x/y": { z: NaN } }, "/x~1y/z"],
    [{ a: new Date(0) }, "/a"],
    [{ a: 1n }, "/a"],
    [{ a: () => 1 }, "/a"],
    [{ a: 2 ** 53 }, "/a"],
  ]) {
    assert.throws(() => normalized(value), (error) => error instanceof InvalidValue && error.pointer === pointer);
  }
  let deep = [];
  for (let depth = 1; depth < 64; depth++) deep = [deep];
  assert.doesNotThrow(() => normalized(deep));
  assert.throws(() => normalized([deep]), /too deeply/);
});

test("pointers", () => {
  assert.deepEqual(parse("/a~1b/~0/"), ["a/b", "~", ""]);
  assert.deepEqual([...prefixes("/a/b")], ["", "/a", "/a/b"]);
  assert.deepEqual([...prefixes("")], [""]);
  assert.ok(isWithin("/a/b", "/a") && isWithin("/a", "/a") && isWithin("/a", ""));
  assert.ok(!isWithin("/ab", "/a") && !isWithin("/a", "/a/b"));
});

test("an edit leaves the version before as it was", () => {
  const one = Document.of({ a: { b: [1, 2, 3] }, c: 1 });
  const two = one.remove("/a/b/0").insert("/a/b/-", 9).put("/c", 2);
  assert.deepEqual(one.plain(""), { a: { b: [1, 2, 3] }, c: 1 });
  assert.deepEqual(two.plain(""), { a: { b: [2, 3, 9] }, c: 2 });
  assert.equal(one.put("/c", 5).find("/a"), one.find("/a"));
});

test("what does not fit", () => {
  const document = Document.of({ a: [1], b: 1 });
  for (const edit of [
    () => document.put("/a/1", 1),
    () => document.insert("/a/2", 1),
    () => document.put("/a/01", 1),
    () => document.insert("/b/x", 1),
    () => document.remove("/c"),
    () => document.remove(""),
    () => document.apply([{ op: "replace", path: "/c", value: 1 }]),
  ]) {
    assert.throws(edit, DoesNotFit);
  }
});

test("an edit of 100,000 members costs no more than its path", () => {
  const members = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`k${n}`, n]));
  let document = Document.of(members);
  const began = performance.now();
  for (let n = 0; n < 1_000; n++) document = document.put(`/k${n * 7}`, -n);
  assert.ok(performance.now() - began < 1_000); // 4 ms on a quiet machine; a copy of the members each time takes 10 s
  assert.equal(document.find("/k7"), -1);
});
