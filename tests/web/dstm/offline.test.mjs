// Changes that outlive a connection and a page, over a small server that decides like the real one.

import assert from "node:assert";
import { test } from "node:test";

import { memoryStore, offline, Space } from "../../../router/web/dstm/dstm.js";

const HASH = "0".repeat(32);
const mutators = {
  inc: (tx, n) => tx.inc("/n", n),
  set: (tx, pointer, value) => tx.set(pointer, value),
  never: () => {
    throw new Error("not today");
  },
};

/** Commits everything, once for each tx, and tells the sessions that are open. */
class Server {
  version = 0;
  document = { n: 0 };
  sessions = new Set();
  done = new Map(); // tx -> version
  holdsAnswers = false;
  refuses = undefined;

  connect = async (lost) => {
    if (this.down) throw new Error("nobody is there");
    const session = new Session(this, lost);
    this.sessions.add(session);
    return session;
  };

  cut() {
    for (const session of this.sessions) session.lost("cut");
    this.sessions.clear();
  }

  commit({ tx, ops }) {
    if (this.refuses) throw { errorUri: this.refuses, argsList: ["no"], argsDict: {} };
    if (!this.done.has(tx)) {
      const changes = ops.map(({ op, path, value }) => {
        const name = path.slice(1);
        this.document[name] = op === "inc" ? (this.document[name] ?? 0) + value : value;
        return { op: "add", path, value: this.document[name] };
      });
      this.version += 1;
      this.done.set(tx, this.version);
      const delta = [this.version - 1, this.version, changes, { hash: HASH, time: 1 }];
      queueMicrotask(() => this.sessions.forEach((session) => session.take?.({ argsList: [delta], argsDict: { epoch: "e" } })));
    }
    return { version: this.done.get(tx), epoch: "e", time: 1 };
  }
}

class Session {
  constructor(server, lost) {
    Object.assign(this, { server, lost });
  }

  getOptions() {
    return {};
  }

  async call(procedure, { argsDict }) {
    if (procedure.endsWith(".sync")) {
      const { version, document } = this.server;
      return { argsList: [], argsDict: { epoch: "e", version, hash: HASH, snapshot: structuredClone(document) } };
    }
    const answer = this.server.commit(argsDict);
    if (this.server.holdsAnswers) return new Promise(() => {});
    return { argsList: [], argsDict: answer };
  }

  async subscribe(topic, take) {
    this.take = take;
    return {};
  }

  async unsubscribe() {}
}

async function until(condition) {
  for (let turn = 0; !condition(); turn++) {
    assert.ok(turn < 500, `still not: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

let pages = 0;

async function page(server, store = memoryStore(), more = {}) {
  pages += 1;
  const board = await offline(new Space("board"), { mutators: { ...mutators, ...more }, store, connect: server.connect, name: `page ${pages}` });
  return { board, store };
}

test("a change is shown at once, and committed", async () => {
  const server = new Server();
  const { board } = await page(server);
  await until(() => board.state === "live");
  const seen = [];
  board.watch("/n", (value) => seen.push(value));
  const change = board.mutate("inc", 5);
  assert.equal(board.get("/n"), 5);
  assert.equal(change.status, "pending");
  assert.equal(await change.done, change);
  assert.deepEqual([change.status, change.version, server.document.n], ["committed", 1, 5]);
  assert.deepEqual(seen, [0, 5]);
  board.close();
});

test("what the server refuses is taken back, with the reason", async () => {
  const server = new Server();
  server.refuses = "dstm.error.constraint";
  const { board } = await page(server);
  await until(() => board.state === "live");
  const change = board.mutate("inc", 5);
  await change.done;
  assert.deepEqual([change.status, change.reason.uri, board.get("/n")], ["rejected", "dstm.error.constraint", 0]);
  const wrong = board.mutate("never");
  await wrong.done;
  assert.deepEqual([wrong.status, wrong.reason.message], ["rejected", "not today"]);
  board.close();
});

test("changes that were made offline go out in their order", async () => {
  const server = new Server();
  const { board } = await page(server);
  await until(() => board.state === "live");
  server.down = true;
  server.cut();
  assert.equal(board.state, "detached");
  const changes = [board.mutate("set", "/a", 1), board.mutate("inc", 2), board.mutate("set", "/a", 3)];
  assert.deepEqual([board.get("/a"), board.get("/n"), board.pending], [3, 2, 3]);
  server.down = false;
  await Promise.all(changes.map((change) => change.done));
  assert.deepEqual(changes.map((change) => change.version), [1, 2, 3]);
  assert.deepEqual(server.document, { n: 2, a: 3 });
  board.close();
});

test("an answer that was lost is asked for with the same body: it happens once", async () => {
  const server = new Server();
  const { board, store } = await page(server);
  await until(() => board.state === "live");
  server.holdsAnswers = true;
  board.mutate("inc", 1);
  await until(() => server.version === 1);
  const [record] = (await store.load()).mutations;
  assert.ok(record.body.tx, "its body is kept before it is sent");
  board.close(); // the page dies

  server.holdsAnswers = false;
  server.sessions.clear();
  const { board: again } = await page(server, store);
  await until(() => again.pending === 0);
  assert.deepEqual([server.version, server.document.n, again.get("/n")], [1, 1, 1]);
  assert.deepEqual((await store.load()).mutations, []);
  again.close();
});

test("a page that begins offline shows what was kept, and what was changed", async () => {
  const server = new Server();
  const { board, store } = await page(server);
  await until(() => board.state === "live");
  await board.mutate("inc", 4).done;
  server.down = true;
  server.cut();
  board.mutate("inc", 1);
  await until(() => board.changes.at(-1).kept);
  board.close();
  const { board: later } = await page(server, store);
  assert.deepEqual([later.state, later.get("/n"), later.pending], ["detached", 5, 1]);
  later.close();
});

test("a change is done anew on what others have changed", async () => {
  const server = new Server();
  const { board } = await page(server, memoryStore(), { double: (tx) => tx.set("/n", tx.get("/n") * 2) });
  await until(() => board.state === "live");
  server.down = true;
  server.cut();
  board.mutate("double");
  server.document.n = 10; // somebody else, meanwhile
  server.version += 1;
  server.down = false;
  await until(() => board.pending === 0);
  assert.equal(server.document.n, 20);
  board.close();
});

test("a mutator that nobody knows, and arguments that are no JSON", async () => {
  const { board } = await page(new Server());
  assert.throws(() => board.mutate("no"), /no mutator no: there are inc, set, never/);
  assert.throws(() => board.mutate("inc", NaN), /finite/);
  assert.equal(board.pending, 0);
  board.close();
});
