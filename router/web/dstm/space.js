// A space as an application uses it: its replica, and the transactions on it.
//
// What happens, in the order in which it does:
//
// 1. `attach` gives the space a session. The outbox submits again what is in doubt; the synchronizer subscribes, syncs,
//    and is "live" (synchronizer.js).
// 2. `atomically` runs a function on the replica's one version. What only reads is done with that. The rest is one CALL
//    of dstm.<s>.commit with what was read and what is to be done (outbox.js).
// 3. The result says at which version it was committed; the promise is settled when the replica is there. A conflict
//    brings the deltas that the replica lacked: they are applied, and the function runs again.
// 4. Every move of the replica runs the transactions again that wait for it in `retry`.
// 5. A broken session leaves the replica and the transactions as they are, for the next `attach`.
//
// One input is one turn. What the application is told (promises, watches) is told at the end of the turn, in order, when
// all tables are complete: it may call back at once. An exception of its callbacks is reported, and harms nothing else.

import { DstmError, report, UNAVAILABLE } from "./errors.js";
import { Channel, linkOf } from "./link.js";
import { attempt, checkAlone, checkInside, Job, Outbox } from "./outbox.js";
import { parse } from "./pointer.js";
import { DEFAULTS } from "./settings.js";
import { Synchronizer } from "./synchronizer.js";
import { randomId } from "./values.js";
import { Watches } from "./watches.js";

export class Space {
  #settings;
  #surroundings;
  #synchronizer;
  #outbox;
  #channel;
  #attached = []; // who waits for "live", over the session in use
  #watches = new Watches();
  #told = [];
  #inTurn = false;
  #moves = new Set(); // functions that are told of each move

  /**
   * @param {string} name of the space: one component of URIs
   * @param {{paths?: string[], settings?: Object, surroundings?: Object}} options `paths`: pointers; the replica is partial
   *   then, and holds what is at and below them. `settings`: see DEFAULTS in settings.js
   */
  constructor(name, { paths, settings = {}, surroundings = {} } = {}) {
    if (typeof name !== "string" || !name || /[.#\s]/.test(name)) {
      throw new RangeError(`a space's name is one URI component, without dots, # or white space: ${JSON.stringify(name)}`);
    }
    if (paths !== undefined && (!Array.isArray(paths) || !paths.length)) throw new RangeError("paths is a list of one or more pointers");
    paths?.forEach(parse);
    this.name = name;
    this.paths = paths && Object.freeze([...paths]);
    this.#settings = { ...DEFAULTS, ...settings };
    this.#surroundings = this.#turned(surroundings);
    this.#synchronizer = new Synchronizer(name, this.paths, this.#settings, this.#surroundings, {
      moved: (changes) => this.#moved(changes),
      wentLive: () => this.#wentLive(),
      refused: () => this.#refused(),
    });
    const clientId = randomId(); // who could guess it could submit in this client's name
    this.#outbox = new Outbox(`dstm.${name}.commit`, clientId, this.paths, this.#synchronizer, this.#settings, this.#surroundings);
  }

  // Sessions

  /**
   * Use an open session of autobahn-js or wampy.js until it ends, and do so with each later one.
   *
   * What was submitted before and not answered is submitted again, first of all. The promise gives this space when the
   * replica is at the server's version.
   */
  attach(session) {
    const link = linkOf(session);
    return new Promise((resolve, reject) => {
      const settle = (error) => (error ? reject(error) : resolve(this));
      this.#turn(() => this.#attach(link, (error) => this.#told.push(() => settle(error))));
    });
  }

  /** Go on without the session, which is lost; another one that was attached meanwhile stays. */
  detach(session = undefined, reason = "the connection is lost") {
    if (session === undefined || this.#channel?.link.source === session) this.#turn(() => this.#detach(reason));
  }

  #attach(link, settle) {
    if (this.state === "closed") return settle(new DstmError(UNAVAILABLE, "the space was closed"));
    this.#detach("another session was attached");
    this.#attached.push(settle);
    const channel = new Channel(link, (input) => this.#turn(input), (reason) => this.#detach(reason));
    this.#channel = channel;
    this.#outbox.attach(channel);
    if (this.#channel === channel) this.#synchronizer.attach(channel);
  }

  #detach(reason) {
    if (!this.#channel) return;
    this.#channel.close();
    this.#channel = undefined;
    this.#outbox.detach();
    this.#synchronizer.detach();
    this.#settleAttached(new DstmError(UNAVAILABLE, `the session ended before the first sync: ${reason}`));
    this.#tellMoves();
  }

  /** Unsubscribe and end: what was not submitted fails, what was not answered is an UnknownOutcome. The session stays. */
  close() {
    this.#turn(() => {
      this.#channel?.link.unsubscribe();
      this.#detach("the space was closed");
      this.#synchronizer.close();
      this.#outbox.close();
      this.#watches = new Watches();
      this.#moves.clear();
    });
  }

  #settleAttached(error) {
    for (const settle of this.#attached.splice(0)) settle(error);
  }

  // Transactions

  /**
   * Run `each(tx, ...args)` as a transaction; give {version, value, epoch, time} when this replica is at its version.
   *
   * The function is synchronous, may run several times, and does nothing but read and write `tx`. Each run sees one
   * version; `value` is what its last run returned. Inside of another transaction function there is no second
   * transaction: call `each(tx, ...)` there. What the function throws is told after the server has said that what it read
   * is still so; otherwise the function runs again.
   *
   * The promise is rejected with an UnknownOutcome where it may have been committed, with a DstmError where it was
   * refused, and with what the function threw.
   */
  atomically(each, ...args) {
    return this.transact({ each, args });
  }

  /**
   * Do as `atomically`. `strict`: ask the server also where the function only reads. `signal` gives the transaction up;
   * one that was sent may be committed nevertheless.
   * @param {{each: Function, args?: Array, strict?: boolean, signal?: AbortSignal}} transaction
   */
  transact({ each, args = [], strict = false, signal = undefined }) {
    checkAlone();
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = () => {
        this.#turn(() => this.#outbox.cancel(job));
        reject(signal.reason);
      };
      const job = this.#job(each, args, { strict }, (outcome) => {
        signal?.removeEventListener("abort", abort);
        if (outcome instanceof Error || outcome?.version === undefined) reject(outcome);
        else resolve(outcome);
      });
      signal?.addEventListener("abort", abort);
      this.#turn(() => this.#outbox.add(job));
    });
  }

  /**
   * Begin a transaction that outlives the page; for offline.js. `keep(body)` keeps what is submitted before it is sent,
   * `body` is what a page before this one has submitted; `settle` gets {version, ...} or the error.
   */
  submit({ each, args, keep, body }, settle) {
    const job = this.#job(each, args, { keep }, settle);
    this.#turn(() => (body ? this.#outbox.resume(job, body) : this.#outbox.add(job)));
  }

  #job(each, args, options, settle) {
    return new Job(each, args, options, (outcome) => this.#told.push(() => settle(outcome)));
  }

  // The replica

  /** Whether the replica follows the server: "live", or why not; see synchronizer.js. */
  get state() {
    return this.#synchronizer.state;
  }

  /** What has happened until now. */
  get counters() {
    return this.#synchronizer.counters;
  }

  get version() {
    return this.#replica.version;
  }

  get epoch() {
    return this.#replica.epoch;
  }

  /** Give a copy of the value at `pointer`, or `otherwise` where there is none. */
  get(pointer, otherwise = undefined) {
    return this.#replica.get(pointer, otherwise);
  }

  has(pointer) {
    return this.#replica.has(pointer);
  }

  /** Give the names in an object, sorted, or the indices in an array; undefined: there is neither. */
  keys(pointer = "") {
    return this.#replica.keys(pointer);
  }

  /** Give the present version, which can be read for as long as it is kept. */
  snapshot() {
    return this.#replica.snapshot();
  }

  /** The replica itself; for offline.js. */
  get replica() {
    return this.#replica;
  }

  /** Tell whether there is a replica: from the first sync on. */
  get hasReplica() {
    return this.#synchronizer.replica !== undefined;
  }

  get #replica() {
    const { replica } = this.#synchronizer;
    if (!replica) throw new DstmError(UNAVAILABLE, `the space ${this.name} has no replica yet: await attach first`);
    return replica;
  }

  /** Begin with a replica that was kept; for offline.js. */
  restore(replica) {
    if (!this.hasReplica) this.#synchronizer.replica = replica;
    this.#turn(() => this.#tellMoves());
  }

  /** Run a function on a snapshot, as a transaction would; for offline.js. */
  rehearse(each, args, snapshot) {
    return attempt(each, args, snapshot, this.paths);
  }

  // Watches

  /**
   * Call `callback(value)` after each move of the replica that changes what is at `pointer`; undefined stands for nothing
   * there. After a resync the value may be the one that was told before. Gives what ends it.
   */
  watch(pointer, callback) {
    parse(pointer);
    checkInside(pointer, this.paths);
    const watch = { pointer, callback };
    this.#watches.add(watch, [{ kind: "value", pointer }]);
    watch.live = true;
    return () => {
      watch.live = false;
      this.#watches.remove(watch);
    };
  }

  /** Call `callback()` after each move of the replica and each change of `state`. Gives what ends it. */
  onMove(callback) {
    const told = () => callback();
    this.#moves.add(told);
    return () => this.#moves.delete(told);
  }

  #moved(changes) {
    const { replica } = this.#synchronizer;
    const everything = () => this.#watches.woken([{ op: "replace", path: "" }], replica.document);
    for (const watch of changes ? this.#watches.woken(changes, replica.document) : everything()) {
      this.#told.push(() => watch.live && watch.callback(this.#replica.get(watch.pointer)));
    }
    this.#outbox.moved(changes);
    this.#tellMoves();
  }

  #wentLive() {
    this.#settleAttached();
    this.#outbox.wentLive();
    this.#tellMoves();
  }

  #refused() {
    this.#settleAttached(this.#synchronizer.refusal);
    this.#outbox.refused();
    this.#tellMoves();
  }

  #tellMoves() {
    for (const told of this.#moves) this.#told.push(told);
  }

  // Turns

  #turn(input) {
    if (this.#inTurn) return input();
    this.#inTurn = true;
    try {
      input();
      while (this.#told.length) {
        try {
          this.#told.shift()();
        } catch (error) {
          this.#surroundings.defect(error);
        }
      }
    } finally {
      this.#inTurn = false;
    }
  }

  #turned({ setTimeout = globalThis.setTimeout.bind(globalThis), random = Math.random, warn = console.warn, defect = report }) {
    return {
      random,
      warn,
      defect,
      turn: (input) => this.#turn(input),
      later: (ms, input) => setTimeout(() => this.#turn(input), ms),
    };
  }
}
