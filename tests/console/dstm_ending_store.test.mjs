// What was deleted does not come back.

import assert from "node:assert";
import { test } from "node:test";

import { EndingStore } from "../../console/src/views/dstm/ending_store.js";
import { memoryStore } from "../../router/web/dstm/store.js";

test("it writes until it ends, and nothing after that", async () => {
  const below = memoryStore();
  const store = new EndingStore(below);
  await store.saveMutation({ id: "1" });
  await store.saveReplica({ document: "one", version: 1 });
  await store.end();
  await Promise.all([store.saveMutation({ id: "2" }), store.saveReplica({ document: "two", version: 2 }), store.forgetMutation("1")]);
  const { replica, mutations } = await below.load();
  assert.equal(replica.version, 1);
  assert.deepEqual(mutations, [{ id: "1" }]);
  assert.deepEqual(await store.load(), await below.load());
});

test("its end waits for what is being written, also if that fails", async () => {
  const finish = [];
  const writing = () => new Promise((resolve, reject) => finish.push({ resolve, reject }));
  const store = new EndingStore({ saveReplica: writing, saveMutation: writing });
  const failed = assert.rejects(store.saveReplica({}), /disk/);
  const saved = store.saveMutation({});
  let isOver = false;
  const end = store.end().then(() => (isOver = true));
  finish[0].reject(new Error("disk full"));
  await failed;
  assert.equal(isOver, false);
  finish[1].resolve();
  await Promise.all([saved, end]);
  assert.equal(isOver, true);
});
