// What dstm.js keeps in IndexedDB, and what the tabs of a page do with it: in a browser alone.

import { indexedDbStore, offline, Space } from "/dstm/dstm.js";
import { Document } from "/dstm/document.js";

const mutators = { inc: (tx, n) => tx.inc("/n", n) };

const CASES = {
  async "a replica comes back as it was, and only what changed is written"() {
    const store = await indexedDbStore("replicas");
    const value = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`k${n}`, { n, l: [n] }]));
    let document = Document.of(value);
    await store.saveReplica({ document, version: 7, epoch: "e", hash: "aa" });
    document = document.put("/k5", "other").remove("/k6");
    await store.saveReplica({ document, version: 8, epoch: "e", hash: "bb" });
    const { replica } = await (await indexedDbStore("replicas")).load();
    same([replica.version, replica.epoch, replica.hash], [8, "e", "bb"]);
    same(replica.document.plain(""), document.plain(""));
  },

  async "a document that is no object"() {
    const store = await indexedDbStore("scalars");
    await store.saveReplica({ document: Document.of([1, 2]), version: 1, epoch: "e" });
    same((await store.load()).replica.document.plain(""), [1, 2]);
  },

  async "two saves at once leave the later one"() {
    const store = await indexedDbStore("twice");
    const document = Document.of({ k: 1, other: 1 });
    await store.saveReplica({ document, version: 1, epoch: "e" });
    await Promise.all([2, 1].map((k, at) => store.saveReplica({ document: document.put("/k", k), version: 2 + at, epoch: "e" })));
    const { replica } = await store.load();
    same([replica.version, replica.document.plain("/k"), replica.document.plain("/other")], [3, 1, 1]);
  },

  async "what another tab has saved meanwhile is written over as a whole"() {
    const [one, two] = [await indexedDbStore("both"), await indexedDbStore("both")];
    const document = Document.of({ a: 1, b: 1 });
    await one.saveReplica({ document, version: 1, epoch: "e" });
    await two.saveReplica({ document: document.put("/a", 2).put("/b", 2), version: 2, epoch: "e" });
    await one.load();
    await one.saveReplica({ document: document.put("/b", 3), version: 3, epoch: "e" });
    const { replica } = await two.load();
    same(["/a", "/b"].map((pointer) => replica.document.plain(pointer)), [1, 3]);
  },

  async "a database that is deleted or closed by the browser is opened again"() {
    const store = await indexedDbStore("deleted");
    const document = Document.of({ a: 1, b: 1 });
    await store.saveReplica({ document, version: 1, epoch: "e" });
    const request = indexedDB.deleteDatabase("deleted");
    await new Promise((resolve, reject) => {
      request.onsuccess = resolve;
      request.onblocked = () => reject(new Error("it is held open"));
    });
    await store.saveMutation({ id: "1", name: "inc", args: [1] });
    await store.saveReplica({ document: document.put("/b", 2), version: 2, epoch: "e" });
    const { replica, mutations } = await store.load();
    same([mutations.length, replica.document.plain("/a"), replica.document.plain("/b")], [1, 1, 2]);
  },

  async "callbacks that throw are reported"() {
    const reported = new Promise((resolve) => addEventListener("error", (event) => (event.preventDefault(), resolve(event.message)), { once: true }));
    const space = await new Space("board").attach(await new Server().connect());
    const seen = [];
    space.watch("/n", () => {
      throw new Error("it throws");
    });
    space.watch("/n", (n) => seen.push(n));
    await space.atomically((tx) => tx.inc("/n", 1));
    same([/it throws/.test(await reported), seen], [true, [1]]);
    space.close();
  },

  async "mutations are kept in their order, and forgotten"() {
    const store = await indexedDbStore("mutations");
    for (const id of ["1", "2", "3"]) await store.saveMutation({ id, name: "inc", args: [Number(id)] });
    await store.saveMutation({ id: "1", name: "inc", args: [1], body: { tx: "x:1" } });
    await store.forgetMutation("2");
    const { mutations } = await (await indexedDbStore("mutations")).load();
    same(mutations.map(({ id, body }) => [id, body?.tx ?? null]), [["1", "x:1"], ["3", null]]);
  },

  async "a change outlives the page that made it, offline"() {
    const connect = async () => {
      throw new Error("there is no network");
    };
    const page = async () => offline(new Space("board"), { mutators, store: await indexedDbStore("outlives"), connect });
    const before = await page();
    const change = before.mutate("inc", 4);
    await change.kept;
    before.close();
    const after = await page();
    same([after.pending, after.changes[0].args, after.state], [1, [4], "detached"]);
    after.close();
  },

  async "tabs with stores of their own, as of two people, have nothing in common"() {
    const server = new Server();
    const tab = async (person) => offline(new Space("board"), { mutators, store: await indexedDbStore(`of ${person}`), connect: server.connect });
    const [one, two] = [await tab("ann"), await tab("bob")];
    await until(() => one.state === "live" && two.state === "live");
    same(server.sessions, 2);
    one.close();
    two.close();
  },

  async "of two tabs one leads, the other sees its changes, and leads when it closes"() {
    const server = new Server();
    const tab = async () => offline(new Space("board"), { mutators, store: await indexedDbStore("tabs"), connect: server.connect });
    const one = await tab();
    await until(() => one.state === "live");
    const two = await tab();
    await until(() => two.state === "live");
    same(server.sessions, 1);
    const change = two.mutate("inc", 2);
    same((await change.done).status, "committed");
    await until(() => one.get("/n") === 2 && two.get("/n") === 2);
    one.close();
    await until(() => two.state === "live" && server.sessions === 2);
    same((await two.mutate("inc", 3).done).status, "committed");
    same([server.n, two.get("/n")], [5, 5]);
    two.close();
  },
};

/** Commits increments of /n. */
class Server {
  n = 0;
  version = 0;
  sessions = 0;
  #told = new Set();

  connect = async () => {
    this.sessions += 1;
    return { getOptions: () => ({}), call: (uri, message) => this.#call(uri, message), subscribe: async (_, take) => void this.#told.add(take), unsubscribe: async () => {} };
  };

  async #call(uri, { argsDict }) {
    const hash = "0".repeat(32);
    if (uri.endsWith("sync")) return { argsList: [], argsDict: { epoch: "e", version: this.version, hash, snapshot: { n: this.n } } };
    this.n += argsDict.ops[0].value;
    this.version += 1;
    const delta = [this.version - 1, this.version, [{ op: "add", path: "/n", value: this.n }], { hash, time: 1 }];
    setTimeout(() => this.#told.forEach((take) => take({ argsList: [delta], argsDict: { epoch: "e" } })));
    return { argsList: [], argsDict: { version: this.version, epoch: "e", time: 1 } };
  }
}

async function until(condition) {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 300) throw new Error(`still not: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function same(actual, expected) {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`expected ${other.slice(0, 200)}, got ${one.slice(0, 200)}`);
}

export async function runAll() {
  const results = [];
  for (const [name, test] of Object.entries(CASES)) {
    try {
      await test();
      results.push({ name });
    } catch (error) {
      results.push({ name, why: String(error?.stack ?? error) });
    }
  }
  return results;
}
