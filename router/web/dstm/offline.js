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

import { Change, Decisions, inOrder, newId } from "./change.js";
import { Connection } from "./connection.js";
import { Document, equal, thaw } from "./document.js";
import { DstmError, report, UNAVAILABLE, UnknownOutcome } from "./errors.js";
import { promised } from "./link.js";
import { checkAlone } from "./outbox.js";
import { Replica, Snapshot } from "./replica.js";
import { Tabs } from "./tabs.js";
import { normalized } from "./values.js";

const SAVE_MS = 500; // after a move of the replica, so that many moves are one save
const BEHIND_MS = 30; // that the answer to a change may come after its event, by way of another tab too
const MANY = 100; // pending changes, which take a while to be done anew
const KEPT = 100; // decided changes that can still be looked at
const ALIVE_MS = 20_000; // between two questions whether the server is there
const READ_AGAIN_MS = 1_000; // after what was left could not be read
const [ADDED, DECIDED, FOUND] = ["added", "decided", "found"];

/** Make an `OfflineSpace`: what was kept is there when the promise is fulfilled. */
export async function offline(space, options) {
  const shown = new OfflineSpace(space, options);
  await shown.load();
  return shown;
}

export class OfflineSpace {
  #mutators;
  #store;
  #tabs;
  #changes = []; // not decided, in their order
  #decided = [];
  #decisions = new Decisions();
  #leads = false; // this tab leads, and has read what was left
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
   *   with back-off. `name`: of what the tabs share, by default the store's, or the space's. `aliveMs`: between two questions whether the server
   *   is there
   */
  constructor(space, { mutators, store, connect, name = store.name ?? space.name, aliveMs = ALIVE_MS }) {
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
      leave: () => this.#tellUnkept(),
      back: () => begun.then(() => this.#ask()),
    });
    const { replica, mutations } = await this.#store.load().catch((error) => {
      this.#tabs.close(); // another try may lead
      throw error;
    });
    this.#changes = mutations.sort(inOrder).map((record) => new Change(record));
    if (isReplica(replica)) this.space.restore(new Replica(replica.document, replica.version, replica.epoch, replica.hash));
    this.#rebase();
    this.space.onMove(() => this.#moved());
    this.#ask();
    loaded();
  }

  // Changes

  /**
   * Do a mutator now, in what is shown, and commit it in time.
   * @throws {RangeError} there is no such mutator, or the arguments are no JSON
   */
  mutate(name, ...args) {
    checkAlone();
    if (!Object.hasOwn(this.#mutators, name)) throw new RangeError(`no mutator ${name}: there are ${Object.keys(this.#mutators).join(", ")}`);
    const change = new Change({ id: newId(), name, args: normalized(args) }, false);
    change.kept = this.#store.saveMutation(change.record);
    this.#show(change);
    change.kept.then(
      () => {
        change.isKept = true;
        if (change.status !== "pending") return; // who leads has found it, and was faster
        this.#tabs.tell({ kind: ADDED, record: change.record });
        this.#submit();
        this.#tell(this.#shown);
      },
      (error) => change.status === "pending" && this.#decide(change, "rejected", { reason: error }),
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

  /** Do one more change on what is shown. */
  #show(change) {
    const before = this.#shown;
    this.#changes.push(change);
    if (before) this.#shown = this.#done(change, before);
    this.#tell(before);
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

  #done(change, snapshot) {
    const mutator = this.#mutators[change.name];
    if (!mutator) return snapshot; // of a newer page; it is submitted by one that knows it
    try {
      const ran = this.space.rehearse(mutator, change.argsOfRun, snapshot);
      return ran.ended === "done" ? new Snapshot(ran.document, snapshot.version, snapshot.epoch) : snapshot;
    } catch {
      return snapshot;
    }
  }

  /** Submit the first change, if this tab leads and none is on its way. */
  #submit() {
    const change = this.#changes[0];
    const each = change && this.#mutators[change.name];
    if (!each || !change.isKept || !this.#leads || this.#submitting || this.#closed) return;
    this.#submitting = true;
    const keep = async (body) => {
      change.body = body;
      await this.#store.saveMutation(change.record);
    };
    const run = (tx) => each(tx, ...change.argsOfRun);
    // A body that only reads has changed nothing, and what it was for is not in it: the mutator runs anew.
    const body = change.body?.ops.length || change.body?.publish ? change.body : undefined;
    this.space.submit({ each: run, args: [], keep, body }, (outcome) => this.#settled(change, outcome));
  }

  #settled(change, outcome) {
    this.#submitting = false;
    if (outcome?.version !== undefined) this.#decide(change, "committed", outcome);
    else if (isNoAnswer(outcome) && this.space.state !== "live") return; // the same body is sent when the space is there
    else if (outcome instanceof UnknownOutcome && !this.#closed) this.#decide(change, "unknown", { reason: outcome });
    else if (outcome?.uri === UNAVAILABLE || this.space.state === "refused" || this.#closed) return; // it stays for the next connection or page
    else this.#decide(change, "rejected", { reason: outcome });
  }

  /** Tell the other tabs before it is forgotten: one that leads after this one must not do it again. */
  #decide(change, status, { version, epoch, reason }) {
    const decision = { status, version, epoch, reason: reason && { uri: reason.uri, message: reason.message } };
    this.#tabs.tell({ kind: DECIDED, id: change.id, ...decision });
    this.#forget(change.id);
    this.#finish(change, decision, reason);
    this.#submit();
  }

  #forget(id) {
    this.#store.forgetMutation(id).catch((error) => console.warn("a decided change could not be forgotten:", error));
  }

  #finish(change, decision, reason = decision.reason && Object.assign(new Error(decision.reason.message), decision.reason)) {
    const { status, version } = decision;
    this.#decisions.note(change.id, decision);
    Object.assign(change, { status, version, reason });
    this.#changes = this.#changes.filter((other) => other !== change);
    this.#decided = [...this.#decided, change].slice(-KEPT);
    if (status === "committed" && this.#changes.length > MANY) this.#rebaseSoon(); // it is shown till then
    else this.#rebase();
    change.decide();
  }

  // Other tabs

  #hear({ kind, record, id, ids, ...decision }) {
    if (kind === ADDED) this.#hearOf(record);
    else if (kind === FOUND && this.#leads) this.#answer(ids);
    else if (kind === DECIDED) {
      const change = this.#changes.find((other) => other.id === id);
      if (change) change.decision = decision;
      this.#finishArrived();
    }
  }

  /** Ask who leads what has become of the changes that are here. */
  #ask() {
    if (this.#changes.length) this.#tabs.tell({ kind: FOUND, ids: this.#changes.map(({ id }) => id) });
  }

  #hearOf(record) {
    if (this.#decisions.has(record.id)) return this.#leads && this.#answer([record.id]);
    if (this.#changes.some((change) => change.id === record.id)) return;
    this.#show(new Change(record));
    this.#submit();
  }

  /** Tell what has become of changes that another tab has found; those that nobody has told of are read. */
  #answer(ids) {
    for (const id of ids) if (this.#decisions.has(id)) this.#tabs.tell({ kind: DECIDED, id, ...this.#decisions.get(id) });
    const known = new Set(this.#changes.map(({ id }) => id));
    if (ids.every((id) => known.has(id) || this.#decisions.has(id))) return;
    this.#store.load().then(({ mutations }) => {
      for (const record of mutations) this.#hearOf(record);
    }, () => {});
  }

  /** This page ends: what it has not kept yet is done by who leads. */
  #tellUnkept() {
    for (const change of this.#changes) if (!change.isKept) this.#tabs.tell({ kind: ADDED, record: change.record });
  }

  /** Finish what another tab has decided, when what it has changed is in this replica: until then it is shown as before. */
  #finishArrived(isEnd = false) {
    for (const change of [...this.#changes]) {
      const { decision } = change;
      const isAhead = decision?.status === "committed" && (!this.space.hasReplica || (this.space.epoch === decision.epoch && this.space.version < decision.version));
      if (decision && (isEnd || !isAhead)) this.#finish(change, decision);
    }
  }

  /** This tab leads: it reads what another one has left, connects, and goes on with it. */
  async #lead() {
    this.#finishArrived(true);
    const heard = this.#changes.filter((change) => change.isKept);
    const mutations = await this.#left();
    this.#finishArrived(true); // what was told meanwhile
    for (const record of mutations) {
      const known = this.#changes.find((change) => change.id === record.id);
      if (known) known.body = record.body; // the one that was submitted last
      else if (this.#decisions.has(record.id)) this.#forget(record.id);
      else this.#changes.push(new Change(record));
    }
    const left = new Set(mutations.map(({ id }) => id));
    for (const change of heard.filter(({ id, status }) => status === "pending" && !left.has(id))) {
      // It was decided, and its tab has ended before that could be heard here.
      this.#finish(change, { status: "unknown" }, new DstmError(UNAVAILABLE, "the tab that submitted it has ended"));
    }
    this.#changes.sort(inOrder);
    this.#rebase();
    this.#leads = true;
    this.#submit();
    if (!this.#closed) this.#connection.open();
  }

  /** Read the mutations that are kept; nothing can be submitted before. */
  async #left() {
    while (!this.#closed) {
      try {
        return (await this.#store.load()).mutations;
      } catch (error) {
        console.warn("what is kept could not be read:", error);
        await new Promise((resolve) => setTimeout(resolve, READ_AGAIN_MS));
      }
    }
    return [];
  }

  async #opened(session) {
    await this.space.attach(session);
    if (this.space.state === "detached") return; // lost again, at the same moment
    this.#tabs.connected(session);
    this.#submit();
  }

  /** Ask what a replica at this version lacks: nothing, usually; any answer will do. */
  #isAlive(session) {
    const { name, paths, state } = this.space;
    if (state === "detached" || state === "refused") return new Promise(() => {}); // this session leads nowhere any more
    if (state !== "live") return promised(session).call(`dstm.${name}.get`, [[]], {}); // its sync may be long
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

  /** Give what is shown now, a Snapshot that stays as it is; undefined before there is a replica. */
  snapshot() {
    return this.#shown && new Snapshot(this.#shown.document, this.#shown.version, this.#shown.epoch);
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
    else this.#rebaseSoon();
    this.#saving ??= setTimeout(() => this.#save(), SAVE_MS);
    if (this.space.state === "live") this.#submit();
  }

  #rebaseSoon() {
    this.#moving ??= setTimeout(() => this.#settleMoves(), BEHIND_MS);
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
      if (old !== now && !(old !== undefined && now !== undefined && equal(now, thaw(old)))) attempt(() => callback(this.get(pointer)));
    }
    for (const callback of this.#listeners) attempt(callback);
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

/** Tell whether what a store gives can be a replica; otherwise it is fetched. */
const isReplica = (kept) => kept?.document instanceof Document && Number.isSafeInteger(kept.version) && typeof kept.epoch === "string";

/** Tell whether the router has refused to ask the space what became of a body. */
const isNoAnswer = (outcome) => outcome instanceof UnknownOutcome && !outcome.uri.startsWith("dstm.");

/** Call back; what that throws harms nothing else. */
function attempt(callback) {
  try {
    callback();
  } catch (error) {
    report(error);
  }
}
