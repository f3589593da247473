// The differences of two maps that share their structure.

import assert from "node:assert";
import { test } from "node:test";

import { SharedMap } from "../../../router/web/dstm/map.js";

// Texts of one FNV-1a hash, so that they are in one Clash.
const CLASHING = ["costarring", "liquid"];

test("exactly what differs is given, whatever was done", () => {
  let seed = 7;
  const random = (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const names = [...CLASHING, ...Array.from({ length: 300 }, (_, index) => `n${index}`)];
  let map = SharedMap.of(names.slice(0, 100).map((name) => [name, 0]));
  for (let round = 1; round < 200; round++) {
    const before = map;
    for (let count = random(30); count > 0; count--) {
      const name = names[random(names.length)];
      map = random(3) ? map.set(name, round) : map.delete(name);
    }
    const expected = names.filter((name) => map.get(name) !== before.get(name)).map((name) => [name, map.get(name), before.get(name)]);
    assert.deepEqual([...map.differences(before)].sort(), expected.sort());
  }
});

test("what is the same is not looked at", () => {
  const map = SharedMap.of(Array.from({ length: 100_000 }, (_, index) => [`k${index}`, index]));
  assert.deepEqual([...map.differences(map)], []);
  assert.deepEqual([...map.set("k5", "five").differences(map)], [["k5", "five", 5]]);
  assert.deepEqual([...new SharedMap().differences(new SharedMap())], []);
});
