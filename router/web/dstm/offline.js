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

import { UNAVAILABLE, UnknownOutcome } from "./errors.js";
import { equal, thaw } from "./document.js";
import { Replica, Snapshot } from "./replica.js";
import { delayMs, DEFAULTS } from "./settings.js";
import { Tabs } from "./tabs.js";
import { normalized } from "./values.js";

const SAVE_MS = 500; // after a move of the replica, so that many moves are one save
const KEPT = 100; // decided changes that can still be looked at
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

  constructor({ id, name, args, body }) {
    Object.assign(this, { id, name, args });
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
  #connect;
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
  #retry; // ends the wait for the next try to connect

  /**
   * @param {Space} space without a session: this object attaches it
   * @param {{mutators: Object<string, Function>, store: Object, connect: function(Function): Promise<Object>, name?: string}} options
   *   `store`: see store.js. `connect(lost)` opens a session, and calls `lost(reason)` when that ends; it is called again then,
   *   with back-off. `name`: of what the tabs share, by default the space's
   */
  constructor(space, { mutators, store, connect, name = space.name }) {
    this.space = space;
    this.#mutators = mutators;
    this.#store = store;
    this.#connect = connect;
    this.name = name;
  }

  /** Begin with what was kept. */
  async load() {
    const { replica, mutations } = await this.#store.load();
    this.#changes = mutations.sort((one, other) => (one.id < other.id ? -1 : 1)).map((record) => new Change(record));
    if (replica) this.space.restore(new Replica(replica.document, replica.version, replica.epoch, replica.hash));
    this.#rebase();
    this.space.onMove(() => this.#moved());
    this.#tabs = new Tabs(this.name, {
      lead: () => this.#lead(),
      online: (session) => this.space.attach(session).catch(() => {}),
      offline: () => this.space.detach(),
      hear: (message) => this.#hear(message),
    });
    globalThis.addEventListener?.("online", this.#online);
  }

  // Changes

  /**
   * Do a mutator now, in what is shown, and commit it in time.
   * @throws {RangeError} there is no such mutator, or the arguments are no JSON
   */
  mutate(name, ...args) {
    if (!Object.hasOwn(this.#mutators, name)) throw new RangeError(`no mutator ${name}: there are ${Object.keys(this.#mutators).join(", ")}`);
    const change = new Change({ id: newId(), name, args: normalized(args) });
    this.#changes.push(change);
    this.#rebase();
    change.kept = this.#store.saveMutation(change.record);
    change.kept.then(
      () => {
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
    if (!each || !this.#tabs?.isLeader || this.#submitting || this.#closed) return;
    this.#submitting = true;
    const keep = async (body) => {
      change.body = body;
      await this.#store.saveMutation(change.record);
    };
    const run = (tx) => each(tx, ...change.args);
    Promise.resolve(change.kept).then(() => this.space.submit({ each: run, args: [], keep, body: change.body }, (outcome) => this.#settled(change, outcome)));
  }

  #settled(change, outcome) {
    this.#submitting = false;
    if (outcome?.version !== undefined) this.#decide(change, "committed", { version: outcome.version });
    else if (outcome instanceof UnknownOutcome && !this.#closed) this.#decide(change, "unknown", { reason: outcome });
    else if (outcome.uri === UNAVAILABLE || this.#closed) return; // it stays for the next page
    else this.#decide(change, "rejected", { reason: outcome });
  }

  #decide(change, status, { version, reason }) {
    this.#store.forgetMutation(change.id).then(() => {
      this.#tabs.tell({ kind: DECIDED, id: change.id, status, version, reason: reason && { uri: reason.uri, message: reason.message } });
    });
    this.#finish(change, status, version, reason);
    this.#submit();
  }

  #finish(change, status, version, reason) {
    Object.assign(change, { status, version, reason });
    this.#changes = this.#changes.filter((other) => other !== change);
    this.#decided = [...this.#decided, change].slice(-KEPT);
    this.#rebase();
    change.decide();
  }

  // Other tabs

  #hear({ kind, record, id, status, version, reason }) {
    if (kind === ADDED && !this.#changes.some((change) => change.id === record.id)) {
      this.#changes.push(new Change(record));
      this.#rebase();
      this.#submit();
    } else if (kind === DECIDED) {
      const change = this.#changes.find((other) => other.id === id);
      if (change) this.#finish(change, status, version, reason && Object.assign(new Error(reason.message), reason));
    }
  }

  /** This tab leads: it connects, and goes on with what another one has left. */
  async #lead() {
    const { mutations } = await this.#store.load();
    for (const record of mutations) {
      const known = this.#changes.find((change) => change.id === record.id);
      if (!known) this.#changes.push(new Change(record));
      else known.body ??= record.body;
    }
    this.#changes.sort((one, other) => (one.id < other.id ? -1 : 1));
    this.#submit();
    for (let tries = 0; !this.#closed; ) {
      const began = Date.now();
      await this.#connection();
      tries = Date.now() - began > DEFAULTS.longestDelayMs ? 1 : tries + 1;
      if (!this.#closed) await this.#pause(delayMs({ firstDelayMs: 100, longestDelayMs: 5_000 }, tries, Math.random()));
    }
  }

  /** Have a session until it ends. */
  #connection() {
    return new Promise((ended) => {
      let current;
      const lost = (reason) => {
        if (current) {
          this.#tabs.connected(undefined);
          this.space.detach(current, reason);
        }
        ended();
      };
      Promise.resolve()
        .then(() => this.#connect(lost))
        .then(async (session) => {
          current = session;
          await this.space.attach(session);
          this.#tabs.connected(session);
          this.#submit();
        })
        .catch(lost);
    });
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#retry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #online = () => this.#retry?.();

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

  /** The replica has moved. The answer to a change comes right behind the event of it: until then it would be done twice. */
  #moved() {
    this.#moving ??= setTimeout(() => {
      this.#moving = undefined;
      this.#rebase();
    });
    this.#saving ??= setTimeout(() => this.#save(), SAVE_MS);
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
    globalThis.removeEventListener?.("online", this.#online);
    this.#tabs.close();
    this.space.close();
    this.#retry?.();
  }
}

/**
 * Connect by autobahn-js: `options` are those of `autobahn.Connection`.
 */
export function autobahnConnector(autobahn, options) {
  return (lost) =>
    new Promise((resolve, reject) => {
      const connection = new autobahn.Connection({ ...options, max_retries: 0 });
      connection.onopen = (session) => resolve(session);
      connection.onclose = (reason, details) => {
        const why = details?.reason ?? reason;
        reject(new Error(why));
        lost(why);
        return true; // connecting again is not its job
      };
      connection.open();
    });
}

/**
 * Connect by wampy.js: `make(options)` makes a client with these options and its own.
 */
export function wampyConnector(make) {
  return async (lost) => {
    const client = make({ autoReconnect: false, maxRetries: 0, onClose: () => lost("closed"), onError: () => {} });
    await client.connect();
    return client;
  };
}

let last = 0;

/** Make an id; later ones of a page are greater, and of other pages of the same time they are others. */
function newId() {
  last = Math.max(last + 1, Date.now() * 1000);
  return `${String(last).padStart(18, "0")} ${crypto.randomUUID()}`;
}
