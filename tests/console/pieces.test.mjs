// The console's modules that need no page: order of rows, numbers as text, typed JSON, waiting, many requests.

import assert from "node:assert";
import { test } from "node:test";

import { delayMs } from "../../console/src/connection/backoff.js";
import { errorOf, isDenied, LOST } from "../../console/src/connection/errors.js";
import { forAll } from "../../console/src/live/for_all.js";
import { bytes, milliseconds, number, span } from "../../console/src/ui/format.js";
import { inOrderOf, sortedBy } from "../../console/src/ui/order.js";
import { parsed } from "../../console/src/ui/parsed.js";

const COLUMNS = [{ name: "a" }, { name: "twice", value: ({ a }) => (a === undefined ? null : 2 * a) }];

test("rows are sorted by a column's value, and what has none comes last either way", () => {
  const rows = [{ a: 2 }, {}, { a: 10 }, { a: 1 }];
  const order = (sort) => sortedBy(rows, COLUMNS, sort).map(({ a }) => a);
  assert.deepEqual(order({ name: "a" }), [1, 2, 10, undefined]);
  assert.deepEqual(order({ name: "a", descending: true }), [10, 2, 1, undefined]);
  assert.deepEqual(order({ name: "twice" }), [1, 2, 10, undefined]);
  assert.deepEqual(order(null), [2, undefined, 10, 1]);
});

test("rows that were there keep their order; the newest version of each is given, those that are gone are not", () => {
  const key = ({ id }) => id;
  const now = [{ id: 1, n: "new" }, { id: 4 }, { id: 3 }];
  const ordered = inOrderOf([{ id: 3 }, { id: 2 }, { id: 1, n: "old" }], now, key);
  assert.deepEqual(ordered, [{ id: 3 }, { id: 1, n: "new" }, { id: 4 }]);
});

test("values as text", () => {
  assert.deepEqual([null, 0, 0.4444, 12, 12345.6].map(number), ["–", "0", "0.44", "12", "12,346"]);
  assert.deepEqual([undefined, 0, 1023, 1536, 5 * 2 ** 30, 2 ** 45].map(bytes), ["–", "0 B", "1,023 B", "1.5 KiB", "5 GiB", "32,768 GiB"]);
  assert.deepEqual([0.123, 999, 1500].map(milliseconds), ["0.12 ms", "999 ms", "1.5 s"]);
  assert.deepEqual([0, 61_000, 3_600_000, 90_061_000].map(span), ["0 s", "1 min 1 s", "1 h", "1 d 1 h"]);
});

test("typed JSON gives its value, or what is wrong with it", () => {
  assert.deepEqual(parsed(' {"a": [1]} ', "object"), { value: { a: [1] } });
  assert.deepEqual(parsed("  ", "array"), { value: undefined });
  assert.match(parsed("[1,").error, /^This is no JSON: /);
  assert.match(parsed("{}", "array").error, /list/);
  for (const text of ["[]", "null", "1"]) assert.match(parsed(text, "object").error, /object/);
});

test("the time before the next attempt grows to a bound, and is never the same for all", () => {
  const longest = [0, 1, 2, 5, 50, 5000].map((attempt) => delayMs(attempt, () => 1));
  assert.deepEqual(longest, [250, 500, 1000, 8000, 8000, 8000]);
  assert.equal(delayMs(0, () => 0), 125);
});

test("an error of the router is told from one of the connection", () => {
  const denied = errorOf({ errorUri: "wamp.error.not_authorized", argsList: ["not you"], argsDict: { a: 1 } });
  assert.deepEqual([denied.uri, denied.text, denied.kwargs, isDenied(denied)], ["wamp.error.not_authorized", "not you", { a: 1 }, true]);
  assert.equal(errorOf({ errorUri: "com.x", details: { message: "why" } }).text, "why");
  const lost = errorOf(new Error("Websocket error"));
  assert.deepEqual([lost.uri, isDenied(lost)], [LOST, false]);
});

test("many requests go out some at a time, and stop when they are not wanted any more", async () => {
  let open = 0;
  let most = 0;
  const done = [];
  const each = async (item) => {
    most = Math.max(most, ++open);
    await null;
    open -= 1;
    done.push(item);
  };
  const items = Array.from({ length: 100 }, (_, index) => index);
  await forAll(items, 7, each);
  assert.deepEqual([most, done], [7, items]);
  done.length = 0;
  await forAll(items, 3, each, () => done.length < 10);
  assert.ok(done.length >= 10 && done.length < 14);
  await forAll([], 3, each);
});
