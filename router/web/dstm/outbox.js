// Transactions on their way: run, submitted, run again, until each has one outcome.
//
//     progress   the transaction                        goes on when
//     queued     waits for a replica, for "live", or    the synchronizer is live and a place is free:
//                for a place among those in flight      it is run again
//     asleep     has called `retry` or `restart`        something that it read changes, or anything
//                                                       at all: it is run again
//     waiting    had a conflict, not the first one      its back-off ends: run again
//     sent       was submitted, and may be in doubt     its answer comes; a new link: the same body
//                                                       is submitted again, in the first order
//     arriving   is committed                           the replica is at its version
//     done       has its outcome                        never
//
//     answer to a submission       not in doubt                     in doubt: sent before, unanswered
//     result                       arriving                         arriving: it was committed once
//     conflict                     learn its deltas, run again      the same: it was decided then
//     constraint, invalid,         fails with it                    the same
//     too_large
//     stale, epoch                 sync, run again                  fails with UnknownOutcome (*)
//     unavailable, timeout         in doubt; again with back-off    again with back-off
//     throttled                    again with back-off              again with back-off
//     any other error              fails with it                    fails with UnknownOutcome (*)
//
//     (*) one that only reads can't be in doubt
//
// Exactly once rests on two rules: a body that may have arrived is submitted again to the letter, under its own tx;
// and a run gets a new tx only when the one before was surely not committed. What must outlive the page is kept by
// `keep` before it is sent for the first time.

import { CONFLICT, CONSTRAINT, DstmError, EPOCH, INVALID, STALE, THROTTLED, TOO_LARGE, UNAVAILABLE, UnknownOutcome } from "./errors.js";
import { isWithin } from "./pointer.js";
import { delayMs, isPassing } from "./settings.js";
import { Tx } from "./tx.js";
import { size } from "./values.js";
import { Watches } from "./watches.js";

const DECIDED = new Set([CONFLICT, CONSTRAINT, INVALID, TOO_LARGE]); // once, for good: a duplicate gets the same answer

let running = false; // a transaction function: they are synchronous, so there is one at most

/**
 * Run `each(tx, ...args)` on one version of a replica.
 * @throws {DstmError} it touched what a partial replica does not hold, or waits for nothing
 */
export function attempt(each, args, snapshot, paths) {
  running = true;
  let ran;
  try {
    ran = Tx.run(each, args, snapshot.document, snapshot.version);
  } finally {
    running = false;
  }
  for (const pointer of [...ran.reads.map((read) => read.pointer), ...ran.touched]) checkInside(pointer, paths);
  if (ran.ended === "retry" && !ran.reads.length) throw new DstmError(INVALID, "retry waits for a change of what was read, and nothing was");
  return ran;
}

export function checkAlone() {
  if (running) throw new Error("a transaction function runs: call the other one with its tx, as f(tx, ...)");
}

/** Check that a partial replica holds what is at `pointer`: elsewhere is unknown, not missing. */
export function checkInside(pointer, paths) {
  if (paths === undefined || paths.some((path) => isWithin(pointer, path))) return;
  throw new DstmError(INVALID, `${JSON.stringify(pointer)} is not in this partial replica, which has ${paths.join(", ")}`, { path: pointer });
}

const onlyReads = ({ body }) => !body.ops.length && !body.publish;

/** One transaction, through all its runs. */
export class Job {
  progress = "queued";
  number = 0; // in the order of their first runs
  body; // of the last run, while it is sent
  isKept = true; // the body may be sent
  ran; // the last run; undefined where it was before the page was loaded
  inDoubt = false;
  conflicts = 0;
  failures = 0; // of the body, in a row

  /**
   * @param {{strict?: boolean, keep?: function(Object): Promise<void>}} options `strict`: what it reads must hold at the
   *   server, also where it writes nothing; `keep`: keeps a body before it is sent
   */
  constructor(each, args, { strict = false, keep = undefined } = {}, settle) {
    Object.assign(this, { each, args, strict, keep, settle });
  }
}

export class Outbox {
  #procedure;
  #clientId;
  #synchronizer;
  #settings;
  #surroundings;
  #paths;
  #added = 0;
  #counter = 0;
  #channel;
  #jobs = new Set();
  #queue = [];
  #watches = new Watches();
  #sent = new Map(); // tx -> Job, in the order of their first submission
  #arriving = []; // {committed, job}, by version
  #expecting = false;
  #fetching = 0; // the version that a sync was begun for, since it had not arrived

  constructor(procedure, clientId, paths, synchronizer, settings, surroundings) {
    this.#procedure = procedure;
    this.#clientId = clientId;
    this.#paths = paths;
    this.#synchronizer = synchronizer;
    this.#settings = settings;
    this.#surroundings = surroundings;
  }

  get #counters() {
    return this.#synchronizer.counters;
  }

  // From the application

  /** Run a transaction now, and settle it in time. */
  add(job) {
    const refusal = this.#refusal();
    if (refusal) return job.settle(refusal);
    this.#enter(job);
    this.#attempt(job);
  }

  /** Take a transaction that was submitted before this page was loaded: `body` may have been committed. */
  resume(job, body) {
    this.#enter(job);
    Object.assign(job, { body, progress: "sent", inDoubt: true });
    this.#sent.set(body.tx, job);
    this.#send(job);
  }

  #refusal() {
    if (this.#synchronizer.state === "closed") return new DstmError(UNAVAILABLE, "the space was closed");
    const limit = this.#settings.transactions;
    return this.#jobs.size >= limit ? new DstmError(THROTTLED, `${limit} transactions wait already`, { limit }) : undefined;
  }

  #enter(job) {
    this.#added += 1;
    job.number = this.#added;
    this.#jobs.add(job);
  }

  /** Forget a transaction; one that was sent may be committed nevertheless. */
  cancel(job) {
    if (!this.#jobs.delete(job)) return;
    this.#takeOut(job);
    job.progress = "done";
    this.#drain();
  }

  /** Settle everything: what is committed is, what was sent is unknown, the rest has failed. */
  close() {
    for (const { job, committed } of this.#arriving.splice(0)) if (job.progress === "arriving") this.#finish(job, committed);
    for (const job of [...this.#jobs].sort(inOrder)) {
      const error = new DstmError(UNAVAILABLE, "the space was closed");
      this.#fail(job, job.progress === "sent" ? new UnknownOutcome(error, job.body.tx) : error);
    }
  }

  // From the synchronizer and the link

  /** Submit again what was submitted before, in order, and first of all. */
  attach(channel) {
    this.#channel = channel;
    for (const job of [...this.#sent.values()].filter(({ isKept }) => isKept)) {
      this.#counters.resubmissions += 1;
      this.#send(job);
    }
  }

  /** What was sent is in doubt from now on. */
  detach() {
    this.#channel = undefined;
    for (const job of this.#sent.values()) job.inDoubt ||= job.isKept;
  }

  /** Settle what has arrived, and run again what slept for this; `changes` is undefined for another document. */
  moved(changes) {
    this.#settleArrived();
    const { replica } = this.#synchronizer;
    const woken = changes && replica
      ? this.#watches.woken(changes, replica.document)
      : new Set([...this.#jobs].filter((job) => job.progress === "asleep"));
    for (const job of [...woken].sort(inOrder)) {
      this.#watches.remove(job);
      this.#attempt(job);
    }
  }

  /** Settle what was synced for: a view may have nothing to show of it. Run what waits. */
  wentLive() {
    const fetched = this.#fetching;
    this.#fetching = 0;
    this.#settleArrived(fetched);
    this.#drain();
  }

  /** Fail what waits for a replica that will not come. */
  refused() {
    for (const job of this.#queue.splice(0)) this.#attempt(job);
  }

  /** Run what waits, as far as there is place. */
  #drain() {
    for (let left = this.#queue.length; left && this.#maySend; left--) this.#attempt(this.#queue.shift());
  }

  // Runs

  get #maySend() {
    return this.#synchronizer.state === "live" && this.#sent.size < this.#settings.inFlight;
  }

  #enqueue(job) {
    const { refusal } = this.#synchronizer;
    if (refusal) return this.#fail(job, refusal);
    job.progress = "queued";
    this.#queue.push(job);
  }

  /** Run a job on the replica; what only reads is done then, unless it throws; the rest is submitted. */
  #attempt(job) {
    const { replica } = this.#synchronizer;
    if (!replica) return this.#enqueue(job);
    let ran;
    try {
      ran = attempt(job.each, job.args, replica, this.#paths);
    } catch (error) {
      return this.#fail(job, error);
    }
    job.ran = ran;
    if (ran.ended === "retry") {
      this.#sleep(job, ran.reads);
    } else if (ran.ended === "restart") {
      this.#sleep(job, [{ kind: "value", pointer: "" }]);
      this.#synchronizer.resync();
    } else if (onlyReads(ran) && !(ran.reads.length && (job.strict || ran.ended === "raised"))) {
      this.#end(job, { version: replica.version, value: ran.value, epoch: replica.epoch });
    } else if (this.#maySend) {
      this.#submit(job, { epoch: replica.epoch, base: replica.version, ...ran.body });
    } else {
      this.#enqueue(job);
    }
  }

  #sleep(job, reads) {
    job.progress = "asleep";
    this.#watches.add(job, reads);
  }

  #submit(job, run) {
    const limit = this.#settings.transactionBytes;
    const given = size(run);
    if (given > limit) return this.#fail(job, new DstmError(TOO_LARGE, `it has ${given} bytes; allowed are ${limit}`, { limit }));
    this.#counter += 1;
    Object.assign(job, { body: { tx: `${this.#clientId}:${this.#counter}`, ...run }, progress: "sent", inDoubt: false, failures: 0 });
    const { body } = job;
    this.#sent.set(body.tx, job);
    job.isKept = !job.keep;
    if (job.isKept) return this.#send(job);
    const kept = (next) => () => this.#surroundings.turn(() => this.#sent.get(body.tx) === job && next());
    const send = () => {
      job.isKept = true;
      this.#send(job);
    };
    job.keep(body).then(kept(send), (error) => kept(() => this.#fail(job, error))());
  }

  #send(job) {
    const { body } = job;
    this.#channel?.call(this.#procedure, [], body, (answer) => this.#onAnswer(job, body, answer));
  }

  // Answers

  #onAnswer(job, body, answer) {
    if (this.#sent.get(body.tx) !== job) return; // it was canceled
    if (answer instanceof DstmError) this.#onError(job, answer);
    else this.#onResult(job, answer.kwargs);
    this.#drain();
  }

  #onResult(job, { version, epoch, time }) {
    const at = Number(version);
    if (!Number.isSafeInteger(at) || typeof epoch !== "string") {
      const error = new DstmError(UNAVAILABLE, "the answer to commit makes no sense");
      return this.#fail(job, new UnknownOutcome(error, job.body.tx));
    }
    this.#sent.delete(job.body.tx);
    this.#counters.committed += 1;
    const committed = { version: at, value: job.ran?.value, epoch, time: Number(time) };
    if (!job.body.ops.length) return this.#end(job, committed); // it changed nothing that the replica could wait for
    job.progress = "arriving";
    const later = this.#arriving.findIndex((other) => other.committed.version > at);
    this.#arriving.splice(later < 0 ? this.#arriving.length : later, 0, { committed, job });
    this.#settleArrived();
    this.#expectArrivals();
  }

  #onError(job, error) {
    const unknown = job.inDoubt && !DECIDED.has(error.uri) && !(job.ran && onlyReads(job.ran));
    if (isPassing(error)) return this.#tryAgain(job, error);
    if (unknown) return this.#fail(job, new UnknownOutcome(error, job.body.tx));
    if (error.uri === CONFLICT) return this.#onConflict(job, error);
    if (error.uri === STALE || error.uri === EPOCH) return this.#runAgain(job, true);
    this.#fail(job, error);
  }

  #tryAgain(job, error) {
    job.inDoubt ||= error.uri !== THROTTLED;
    job.failures += 1;
    const { body } = job;
    const channel = this.#channel;
    this.#surroundings.later(delayMs(this.#settings, job.failures, this.#surroundings.random()), () => {
      if (this.#channel !== channel || this.#sent.get(body.tx) !== job) return;
      this.#counters.resubmissions += 1;
      this.#send(job);
    });
  }

  #onConflict(job, { details }) {
    this.#counters.conflicts += 1;
    if (details.deltas && !details.resync) this.#synchronizer.learn(job.body.epoch, details.deltas);
    const { replica } = this.#synchronizer;
    this.#runAgain(job, replica !== undefined && replica.version < Number(details.version ?? 0));
  }

  /** Give the body up, and run the function on a newer version; `fetch` where none is there. */
  #runAgain(job, fetch) {
    this.#sent.delete(job.body.tx);
    if (fetch) this.#synchronizer.resync();
    job.conflicts += 1;
    if (job.conflicts === 1) return this.#attempt(job);
    job.progress = "waiting";
    const ms = delayMs(this.#settings, job.conflicts - 1, this.#surroundings.random());
    this.#surroundings.later(ms, () => job.progress === "waiting" && this.#attempt(job));
  }

  // Ends

  #settleArrived(fetched = 0) {
    const { replica } = this.#synchronizer;
    while (this.#arriving.length && replica) {
      const { committed, job } = this.#arriving[0];
      if (replica.epoch === committed.epoch && Math.max(replica.version, fetched) < committed.version) break;
      this.#arriving.shift();
      if (job.progress === "arriving") this.#finish(job, committed);
    }
  }

  /** Fetch what has not arrived after its time, since its delta may be lost. */
  #expectArrivals() {
    if (!this.#arriving.length || this.#expecting) return;
    const expected = this.#arriving[0].committed.version;
    this.#expecting = true;
    this.#surroundings.later(this.#settings.arrivalMs, () => {
      this.#expecting = false;
      const late = this.#arriving.length > 0 && this.#arriving[0].committed.version <= expected;
      if (late && this.#synchronizer.resync()) this.#fetching = expected; // a sync that began before might not bring it
      this.#expectArrivals();
    });
  }

  #finish(job, outcome) {
    this.#jobs.delete(job);
    job.progress = "done";
    job.settle(outcome);
  }

  /** Settle with what the run came to, whose reads have held at that version. */
  #end(job, committed) {
    this.#finish(job, job.ran?.ended === "raised" ? job.ran.value : committed);
  }

  #fail(job, error) {
    this.#takeOut(job);
    this.#finish(job, error);
  }

  #takeOut(job) {
    if (job.progress === "queued") this.#queue = this.#queue.filter((other) => other !== job);
    else if (job.progress === "asleep") this.#watches.remove(job);
    else if (job.progress === "sent") this.#sent.delete(job.body.tx);
  }
}

const inOrder = (one, other) => one.number - other.number;
