// SharedMap against Map: whatever is done in whatever order, and every version stays as it was.

import assert from "node:assert";
import { test } from "node:test";

import { SharedMap } from "../../../router/web/dstm/map.js";

function random(seed) {
  return () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32);
}

for (const seed of [1, 2, 3]) {
  test(`any order of changes, seed ${seed}`, () => {
    const draw = random(seed);
    let map = new SharedMap();
    const expected = new Map();
    const versions = [];
    for (let step = 0; step < 20_000; step++) {
      const key = `k${Math.floor(draw() * 700)}`;
      if (draw() < 0.5) {
        map = map.set(key, step);
        expected.set(key, step);
      } else {
        map = map.delete(key);
        expected.delete(key);
      }
      if (step % 2_000 === 0) versions.push([map, new Map(expected)]);
    }
    for (const [one, other] of [...versions, [map, expected]]) {
      assert.equal(one.size, other.size);
      assert.deepEqual(new Map(one), other);
      for (const key of other.keys()) assert.ok(one.has(key));
    }
  });
}

test("keys whose hashes are equal", () => {
  // FNV-1a of 32 bits, found by search.
  const [one, other] = ["k32728", "k261234"];
  let map = SharedMap.of([[one, 1], [other, 2]]);
  assert.equal(map.get(one), 1);
  assert.equal(map.get(other), 2);
  map = map.set(one, 3).delete(other);
  assert.equal(map.get(one), 3);
  assert.equal(map.get(other), undefined);
  assert.equal(map.size, 1);
});

test("made of entries at once, and changed afterwards", () => {
  const entries = Array.from({ length: 5_000 }, (_, n) => [`key ${n}`, n]);
  const map = SharedMap.of(entries);
  const changed = map.set("key 7", "other").delete("key 8");
  assert.deepEqual(new Map(map), new Map(entries));
  assert.equal(changed.get("key 7"), "other");
  assert.equal(changed.size, 4_999);
});
