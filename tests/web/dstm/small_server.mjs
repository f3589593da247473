// A small server that decides like the real one, tabs of one page over it, and the locks that browsers have.

import assert from "node:assert";

import { memoryStore, offline, Space } from "../../../router/web/dstm/dstm.js";

const HASH = "0".repeat(32);
export const mutators = {
  inc: (tx, n) => tx.inc("/n", n),
  tooMuch: (tx) => {
    throw new Error(`${tx.get("/n")} is too much`);
  },
};

/** Commits everything once, and tells the sessions that are open. */
export class Server {
  version = 0;
  n = 0;
  sessions = new Set();
  done = new Map(); // tx -> version
  refusal; // of everything, for want of a permission
  refused = 0;
  conflicts = new Set(); // tx of transactions that were decided so
  isSilent = false;
  holdsAnswers = false;

  connect = async (lost) => {
    const session = new Session(this, lost);
    this.sessions.add(session);
    return session;
  };

  sync(from = 0) {
    if (!Number.isInteger(from)) throw { errorUri: "dstm.error.invalid", argsList: ["from is a version"], argsDict: {} };
    return { epoch: "e", version: this.version, hash: HASH, snapshot: { n: this.n } };
  }

  commit({ tx, ops }) {
    if (this.conflicts.has(tx)) throw { errorUri: "dstm.error.conflict", argsList: ["no"], argsDict: { version: this.version, resync: true } };
    if (!this.done.has(tx)) {
      this.n += ops.reduce((sum, { value }) => sum + value, 0);
      if (ops.length) this.version += 1;
      this.done.set(tx, this.version);
      const delta = [this.version - 1, this.version, [{ op: "add", path: "/n", value: this.n }], { hash: HASH, time: 1 }];
      if (ops.length) queueMicrotask(() => this.sessions.forEach((session) => session.tell({ argsList: [delta], argsDict: { epoch: "e" } })));
    }
    return { version: this.done.get(tx), epoch: "e", time: 1 };
  }
}

class Session {
  #takes = [];

  constructor(server, lost) {
    Object.assign(this, { server, lost });
  }

  getOptions() {
    return {};
  }

  async call(procedure, { argsList, argsDict }) {
    if (this.server.isSilent) return new Promise(() => {});
    if (this.server.refusal) {
      this.server.refused += 1;
      throw { errorUri: this.server.refusal, argsList: ["no"], argsDict: {} };
    }
    if (procedure.endsWith(".get")) return { argsList: [[]], argsDict: {} };
    if (!procedure.endsWith(".commit")) return { argsList: [], argsDict: this.server.sync(...argsList) };
    const answer = { argsList: [], argsDict: this.server.commit(argsDict) };
    return this.server.holdsAnswers ? new Promise(() => {}) : answer;
  }

  async subscribe(topic, take) {
    this.#takes.push(take);
    return {};
  }

  tell(event) {
    if (!this.server.isSilent) this.#takes.forEach((take) => take(event));
  }

  async unsubscribe() {}

  async disconnect() {
    this.server.sessions.delete(this);
  }
}

/** What browsers have and old Nodes have not: each name is held by one at a time, in order. */
export class Locks {
  #queues = new Map(); // name -> who waits

  async request(name, { signal }, callback) {
    const before = this.#queues.get(name) ?? Promise.resolve();
    const turn = before.then(() => !signal.aborted && callback());
    this.#queues.set(name, turn);
    return turn;
  }
}

export async function until(condition) {
  for (let turn = 0; !condition(); turn++) {
    assert.ok(turn < 500, `still not: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

let names = 0;
export const newName = () => `tabs ${++names}`;
export const tab = (server, { store = memoryStore(), name = newName(), ...more } = {}) =>
  offline(new Space("board"), { mutators, store, connect: server.connect, name, ...more });

export const RECORD = { id: "000000000000000001 x", name: "inc", args: [1] };
