// What a person does to a space: done where it is as they saw it, refused with what is there where it is not.

import assert from "node:assert";
import { test } from "node:test";

import { inWords, mutators, seenBy, seenOf, short } from "../../console/src/views/dstm/mutators.js";
import { Document, freeze, thaw } from "../../router/web/dstm/document.js";
import { Tx } from "../../router/web/dstm/tx.js";

/** Do `name` on `value`; give the value after it. */
function done(value, name, ...args) {
  const ran = run(value, name, ...args);
  if (ran.ended === "raised") throw ran.value;
  return thaw(ran.document.root);
}

const run = (value, name, ...args) => Tx.run(mutators[name], args, Document.of(value), 1);

const changed = (message) => ({ name: "Changed", uri: "concord.console.changed", message });

test("what is as it was seen is changed", () => {
  assert.deepEqual(done({ a: 1 }, "set", "/a", { b: [] }, { value: 1 }), { a: { b: [] } });
  assert.deepEqual(done({ a: { b: 1 } }, "set", "/a/c~1d", null, {}), { a: { b: 1, "c/d": null } });
  assert.deepEqual(done({ a: [1, 2] }, "set", "/a/0", 3, { value: 1 }), { a: [3, 2] });
  assert.deepEqual(done({ a: 1 }, "set", "", [1], { value: { a: 1 } }), [1]);
  assert.deepEqual(done({ a: [1] }, "append", "/a", 2), { a: [1, 2] });
  assert.deepEqual(done({ a: [1, 2], "": 0 }, "remove", "/a/0", { value: 1 }), { a: [2], "": 0 });
  assert.deepEqual(done({ a: { x: 1 } }, "move", "/a", "/b~0", { value: { x: 1 } }), { "b~": { x: 1 } });
  assert.deepEqual(done({ a: 1 }, "increment", "/a", -3), { a: -2 });
});

test("what others have changed is not overwritten: the error says what is there", () => {
  assert.throws(() => done({ a: 2 }, "set", "/a", 3, { value: 1 }), changed("/a is 2 now"));
  assert.throws(() => done({ a: 2 }, "set", "/a", 3, {}), changed("/a is 2 now"));
  assert.throws(() => done({}, "set", "/a", 3, { value: null }), changed("/a is not there any more"));
  assert.throws(() => done({ a: { b: 1, c: 2 } }, "remove", "/a", { value: { b: 1 } }), changed('/a is {"b":1,"c":2} now'));
  assert.throws(() => done({ a: 1, b: 2 }, "move", "/a", "/b", { value: 1 }), changed("something is at /b already"));
  assert.throws(() => done({}, "append", "/a", 1), changed("/a is not there any more"));
  assert.throws(() => done({}, "increment", "/a", 1), changed("/a is not there any more"));
  assert.throws(() => done({}, "remove", "/a", { kind: "object", size: 9000 }), changed("/a is not there any more"));
});

test("the router is asked whether that is still so: the value is among what the transaction has read", () => {
  for (const seen of [{ value: 1 }, { value: 0 }]) {
    assert.deepEqual(run({ a: 1 }, "set", "/a", 2, seen).reads, [{ kind: "value", pointer: "/a" }]);
  }
});

test("what was seen is plain JSON, and of large containers their kind and size", () => {
  const large = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`k${index}`, index]));
  assert.deepEqual(seenOf(freeze({ a: [1, { b: null }] })), { value: { a: [1, { b: null }] } });
  assert.deepEqual(seenOf(undefined), {});
  assert.deepEqual(seenOf(freeze(large)), { kind: "object", size: 3000 });
  assert.deepEqual(seenOf(freeze([[large]])), { kind: "array", size: 1 });
});

test("an edit knows what the person saw, whatever it was; what is done without looking has none", () => {
  assert.deepEqual(seenBy({ name: "set", args: ["/a", 1, { value: 5 }] }), { value: 5 });
  assert.deepEqual(seenBy({ name: "remove", args: ["/a", {}] }), {});
  assert.equal(seenBy({ name: "append", args: ["/a", 5] }), undefined);
  assert.equal(seenBy({ name: "increment", args: ["/a", 5] }), undefined);
});

test("edits are said in words", () => {
  assert.equal(inWords({ name: "set", args: ["/a", { b: 1 }, {}] }), 'Set /a to {"b":1}');
  assert.equal(inWords({ name: "remove", args: ["", {}] }), "Remove the document");
  assert.equal(inWords({ name: "move", args: ["/a", "/b", {}] }), "Move /a to /b");
  assert.equal(inWords({ name: "constructor", args: [] }), "constructor");
  assert.equal(short("x".repeat(100), 10), '"xxxxxxxx…');
  assert.equal(short(undefined), "nothing");
});
