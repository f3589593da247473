// A space that works offline: what a page changes is shown at once, kept, and committed when the server can be reached.
//
//     const board = await offline(new Space("board"), {
//       store: await indexedDbStore("board"),
//       mutators: { move: (tx, id, x, y) => tx.merge(`/notes/${id}`, { x, y }) },
//       connect: wampyConnector(() => new Wampy(url, { realm: "realm1" })),
//     });
//     board.watch("/notes", draw);
//     const change = board.mutate("move", "n1", 10, 20);      // is shown now
//     change.done.then(({ status, version, reason }) => ...);
//
// - A change is a *mutator* with its arguments, so that it can be run again on any version, by any page. It is a transaction
//   function: synchronous, and it does nothing but read and write `tx`.
// - What is shown is the replica with all changes that are not decided done on it, in their order: they are done anew after
//   each move of the replica (rebased). One that does not fit at the moment is left out, and not forgotten.
// - Nothing is called committed before the server's durable reply. A change is "pending", then "committed" with its version,
//   "rejected" with the reason, or "unknown": it was sent, and the server can't say any more what became of it.
// - Changes are submitted one after the other, in their order. A change is kept before it is sent for the first time, and its
//   body is; after a crash the same body is sent again, so that it happens once.
// - Of all tabs of a page one leads: it has the connection, and submits. The others see and change the same.

import { Connection } from "./connection.js";
import { equal, thaw } from "./document.js";
import { DstmError, UNAVAILABLE, UnknownOutcome } from "./errors.js";
import { promised } from "./link.js";
import { Replica, Snapshot } from "./replica.js";
import { Tabs } from "./tabs.js";
import { normalized, randomId } from "./values.js";

const SAVE_MS = 500; // after a move of the replica, so that many moves are one save
const BEHIND_MS = 30; // that the answer to a change may come after its event, by way of another tab too
const KEPT = 100; // decided changes that can still be looked at
const ALIVE_MS = 20_000; // between two questions whether the server is there
const [ADDED, DECIDED] = ["added", "decided"];

/** Make an `OfflineSpace`: what was kept is there when the promise is fulfilled. */
export async function offline(space, options) {
  const shown = new OfflineSpace(space, options);
  await shown.load();
  return shown;
}

/** One change; `done` gives it when it is decided, and is never rejected. */
class Change {
  status = "pending";
  version; // of a committed one
  reason; // of one that was rejected or is unknown: an Error
  decision; // of another tab, until the replica is there: {status, version, reason, epoch}

  constructor({ id, name, args, body }, isKept = true) {
    Object.assign(this, { id, name, args, isKept });
    this.body = body; // that was submitted, if it was
    this.done = new Promise((resolve) => (this.decide = () => resolve(this)));
  }

  get record() {
    return { id: this.id, name: this.name, args: this.args, ...(this.body && { body: this.body }) };
  }
}

export class OfflineSpace {
  #mutators;
  #store;
  #tabs;
  #changes = []; // not decided, in their order
  #decided = [];
  #shown; // a Snapshot, or undefined before there is a replica
  #watches = new Set();
  #listeners = new Set();
  #submitting = false;
  #saving;
  #moving;
  #closed = false;
  #connection;

  /**
   * @param {Space} space without a session: this object attaches it
   * @param {{mutators: Object<string, Function>, store: Object, connect: function(Function): Promise<Object>, name?: string, aliveMs?: number}} options
   *   `store`: see store.js. `connect(lost)` opens a session, and calls `lost(reason)` when that ends; it is called again then,
   *   with back-off. `name`: of what the tabs share, by default the space's. `aliveMs`: between two questions whether the server
   *   is there
   */
  constructor(space, { mutators, store, connect, name = space.name, aliveMs = ALIVE_MS }) {
    this.space = space;
    this.#mutators = mutators;
    this.#store = store;
    this.name = name;
    this.#connection = new Connection({
      connect,
      aliveMs,
      isAlive: (session) => this.#isAlive(session),
      opened: (session) => this.#opened(session),
      lost: (session, reason) => {
        this.#tabs.connected(undefined);
        this.space.detach(session, reason);
      },
    });
  }

  /** Begin with what was kept. What other tabs tell meanwhile is heard after it. */
  async load() {
    let loaded;
    const begun = new Promise((resolve) => (loaded = resolve));
    this.#tabs = new Tabs(this.name, {
      lead: () => begun.then(() => this.#lead()),
      online: (session) => begun.then(() => this.space.attach(session)).catch(() => {}),
      offline: () => begun.then(() => this.space.detach()),
      hear: (message) => begun.then(() => this.#hear(message)),
    });
    const { replica, mutations } = await this.#store.load();
    this.#changes = mutations.sort((one, other) => (one.id < other.id ? -1 : 1)).map((record) => new Change(record));
    if (replica) this.space.restore(new Replica(replica.document, replica.version, replica.epoch, replica.hash));
    this.#rebase();
    this.space.onMove(() => this.#moved());
    loaded();
  }

  // Changes

  /**
   * Do a mutator now, in what is shown, and commit it in time.
   * @throws {RangeError} there is no such mutator, or the arguments are no JSON
   */
  mutate(name, ...args) {
    if (!Object.hasOwn(this.#mutators, name)) throw new RangeError(`no mutator ${name}: there are ${Object.keys(this.#mutators).join(", ")}`);
    const change = new Change({ id: newId(), name, args: normalized(args) }, false);
    this.#changes.push(change);
    this.#rebase();
    change.kept = this.#store.saveMutation(change.record);
    change.kept.then(
      () => {
        change.isKept = true;
        this.#tabs.tell({ kind: ADDED, record: change.record });
        this.#submit();
      },
      (error) => this.#decide(change, "rejected", { reason: error }),
    );
    return change;
  }

  /** The changes that are not decided, and the last that are, oldest first. */
  get changes() {
    return [...this.#decided, ...this.#changes];
  }

  get pending() {
    return this.#changes.length;
  }

  /** Do every pending change on the replica's version. */
  #rebase() {
    const before = this.#shown;
    if (this.space.hasReplica) {
      let snapshot = this.space.snapshot();
      for (const change of this.#changes) snapshot = this.#done(change, snapshot);
      this.#shown = snapshot;
    }
    this.#tell(before);
  }

  #done({ name, args }, snapshot) {
    const mutator = this.#mutators[name];
    if (!mutator) return snapshot; // of a newer page; it is submitted by one that knows it
    try {
      const ran = this.space.rehearse((tx) => mutator(tx, ...args), [], snapshot);
      return ran.ended === "done" ? new Snapshot(ran.document, snapshot.version, snapshot.epoch) : snapshot;
    } catch {
      return snapshot;
    }
  }

  /** Submit the first change, if this tab leads and none is on its way. */
  #submit() {
    const change = this.#changes[0];
    const each = change && this.#mutators[change.name];
    if (!each || !change.isKept || !this.#tabs.isLeader || this.#submitting || this.#closed) return;
    this.#submitting = true;
    const keep = async (body) => {
      change.body = body;
      await this.#store.saveMutation(change.record);
    };
    const run = (tx) => each(tx, ...change.args);
    // A body that only reads has changed nothing, and what it was for is not in it: the mutator runs anew.
    const body = change.body?.ops.length || change.body?.publish ? change.body : undefined;
    this.space.submit({ each: run, args: [], keep, body }, (outcome) => this.#settled(change, outcome));
  }

  #settled(change, outcome) {
    this.#submitting = false;
    if (outcome?.version !== undefined) this.#decide(change, "committed", outcome);
    else if (outcome instanceof UnknownOutcome && !this.#closed) this.#decide(change, "unknown", { reason: outcome });
    else if (outcome?.uri === UNAVAILABLE || this.space.state === "refused" || this.#closed) return; // it stays for the next connection or page
    else this.#decide(change, "rejected", { reason: outcome });
  }

  /** Tell the other tabs before it is forgotten: one that leads after this one must not do it again. */
  #decide(change, status, { version, epoch, reason }) {
    this.#tabs.tell({ kind: DECIDED, id: change.id, status, version, epoch, reason: reason && { uri: reason.uri, message: reason.message } });
    this.#store.forgetMutation(change.id).catch((error) => console.warn("a decided change could not be forgotten:", error));
    this.#finish(change, { status, version, reason });
    this.#submit();
  }

  #finish(change, { status, version, reason }) {
    Object.assign(change, { status, version, reason });
    this.#changes = this.#changes.filter((other) => other !== change);
    this.#decided = [...this.#decided, change].slice(-KEPT);
    this.#rebase();
    change.decide();
  }

  // Other tabs

  #hear({ kind, record, id, status, version, epoch, reason }) {
    if (kind === ADDED && !this.#changes.some((change) => change.id === record.id)) {
      this.#changes.push(new Change(record));
      this.#rebase();
      this.#submit();
    } else if (kind === DECIDED) {
      const change = this.#changes.find((other) => other.id === id);
      if (change) change.decision = { status, version, epoch, reason: reason && Object.assign(new Error(reason.message), reason) };
      this.#finishArrived();
    }
  }

  /** Finish what another tab has decided, when what it has changed is in this replica: until then it is shown as before. */
  #finishArrived(isEnd = false) {
    for (const change of [...this.#changes]) {
      const { decision } = change;
      const isAhead = decision?.status === "committed" && (!this.space.hasReplica || (this.space.epoch === decision.epoch && this.space.version < decision.version));
      if (decision && (isEnd || !isAhead)) this.#finish(change, decision);
    }
  }

  /** This tab leads: it connects, and goes on with what another one has left. */
  async #lead() {
    this.#finishArrived(true);
    const heard = this.#changes.filter((change) => change.isKept);
    const { mutations } = await this.#store.load();
    for (const record of mutations) {
      const known = this.#changes.find((change) => change.id === record.id);
      if (!known) this.#changes.push(new Change(record));
      else known.body ??= record.body;
    }
    const left = new Set(mutations.map(({ id }) => id));
    for (const change of heard.filter(({ id, status }) => status === "pending" && !left.has(id))) {
      // It was decided, and its tab has ended before that could be heard here.
      this.#finish(change, { status: "unknown", reason: new DstmError(UNAVAILABLE, "the tab that submitted it has ended") });
    }
    this.#changes.sort((one, other) => (one.id < other.id ? -1 : 1));
    this.#rebase();
    this.#submit();
    if (!this.#closed) this.#connection.open();
  }

  async #opened(session) {
    await this.space.attach(session);
    this.#tabs.connected(session);
    this.#submit();
  }

  /** Ask what a replica at this version lacks: nothing, usually; any answer will do. */
  #isAlive(session) {
    const { name, paths, state } = this.space;
    if (state !== "live") return Promise.resolve(); // it is being asked already
    const { version, epoch, hash } = this.space.replica;
    return promised(session).call(`dstm.${name}.sync`, [version, epoch, hash ?? null], paths ? { paths } : {});
  }

  // What is shown

  /** Give a copy of the value at `pointer` as it is shown, or `otherwise` where there is none. */
  get(pointer, otherwise = undefined) {
    return this.#shown ? this.#shown.get(pointer, otherwise) : otherwise;
  }

  has(pointer) {
    return this.#shown?.has(pointer) ?? false;
  }

  keys(pointer = "") {
    return this.#shown?.keys(pointer);
  }

  /** Whether the server can be reached: see Space.state. */
  get state() {
    return this.space.state;
  }

  /** Call `callback(value)` now, and whenever what is shown at `pointer` has changed. Gives what ends it. */
  watch(pointer, callback) {
    const watch = { pointer, callback };
    this.#watches.add(watch);
    callback(this.get(pointer));
    return () => this.#watches.delete(watch);
  }

  /** Call `callback()` when `changes` or `state` may be others. Gives what ends it. */
  onStatus(callback) {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** The replica has moved. That a change is decided may be told behind the event of it: until then it would be done twice. */
  #moved() {
    if (!this.#changes.length) this.#rebase();
    else this.#moving ??= setTimeout(() => this.#settleMoves(), BEHIND_MS);
    this.#saving ??= setTimeout(() => this.#save(), SAVE_MS);
  }

  #settleMoves() {
    this.#moving = undefined;
    this.#finishArrived();
    this.#rebase();
  }

  #save() {
    this.#saving = undefined;
    if (!this.#tabs?.isLeader || !this.space.hasReplica) return;
    this.#store.saveReplica(this.space.replica).catch((error) => console.warn("the replica could not be kept:", error));
  }

  #tell(before) {
    for (const { pointer, callback } of this.#watches) {
      const [old, now] = [before, this.#shown].map((snapshot) => snapshot?.document.find(pointer));
      if (old !== now && !(old !== undefined && now !== undefined && equal(now, thaw(old)))) callback(this.get(pointer));
    }
    for (const callback of this.#listeners) callback();
  }

  /** End; what is pending stays for the next page. */
  close() {
    this.#closed = true;
    this.#save();
    clearTimeout(this.#saving);
    clearTimeout(this.#moving);
    this.#connection.close();
    this.#tabs.close();
    this.space.close();
  }
}

let last = 0;

/** Make an id; later ones of a page are greater, and of other pages of the same time they are others. */
function newId() {
  last = Math.max(last + 1, Date.now() * 1000);
  return `${String(last).padStart(18, "0")} ${randomId()}`;
}
