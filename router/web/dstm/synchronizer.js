// Keeps the replica at the server's newest version, across gaps, new epochs and broken connections.
//
//     state      entered by                      left by
//     detached   start, `detach`                 `attach`
//     joining    `attach`: CALL view (for a      SUBSCRIBED
//                partial replica), SUBSCRIBE
//     syncing    SUBSCRIBED; a gap, a new        the answer to sync, when it and what was received
//                epoch, a wrong digest, an       meanwhile lead to one version
//                acknowledged version that
//                does not arrive
//     live       all of that fits                one of the causes above
//     refused    any of that is refused          `attach`
//     closed     `close`                         nothing
//
// It subscribes before it syncs, so that between the two nothing is lost. Deltas are applied as they come while live;
// otherwise they wait in a bounded backlog, and if that overflows, one more sync fetches what was dropped. A sync
// names the version, epoch and hash that the replica is at. A replica that was found wrong names nothing.
//
// - The replica moves while live and at the end of syncing, nowhere else, so a version never goes back.
// - What fails for a while is asked again with back-off; what is refused is told to `refused`.
// - `moved` is told once for each event and each sync, at a whole version.

import { readDelta, whole } from "./changes.js";
import { canDigest, digest } from "./digest.js";
import { Assembly, DoesNotFit, Document } from "./document.js";
import { DstmError, UNAVAILABLE } from "./errors.js";
import { Gap, Replica } from "./replica.js";
import { delayMs, isPassing, newCounters } from "./settings.js";
import { normalized } from "./values.js";

const PARTS_AT_ONCE = 1000; // of a page that are put together in one turn

export class Synchronizer {
  state = "detached";
  replica; // none until the first sync has ended, unless one was stored
  refusal; // why the state is "refused"
  counters = newCounters();
  #prefix;
  #paths;
  #settings;
  #surroundings;
  #listener;
  #channel;
  #backlog = []; // {epoch, delta}, in order of arrival
  #dropped = false; // something was received and not kept: another sync is due
  #suspect = false; // the replica is not what the server has
  #failures = 0; // in a row
  #checking = false;

  constructor(space, paths, settings, surroundings, listener) {
    this.#prefix = `dstm.${space}.`;
    this.#paths = paths;
    this.#settings = settings;
    this.#surroundings = surroundings;
    this.#listener = listener;
  }

  attach(channel) {
    this.#channel = channel;
    this.refusal = undefined;
    this.#backlog = [];
    this.#dropped = false;
    this.#failures = 0;
    this.#join();
  }

  detach() {
    this.#channel = undefined;
    this.state = "detached";
  }

  close() {
    this.#channel = undefined;
    this.state = "closed";
  }

  // Joining

  get #shown() {
    return this.#paths === undefined ? {} : { paths: this.#paths };
  }

  #join() {
    this.state = "joining";
    if (this.#paths === undefined) return this.#subscribe(`${this.#prefix}delta`);
    this.#channel.call(`${this.#prefix}view`, [], this.#shown, (answer) => {
      if (answer instanceof DstmError) this.#fail(answer, () => this.#join());
      else if (typeof answer.kwargs.topic === "string") this.#subscribe(answer.kwargs.topic);
      else this.#fail(new DstmError(UNAVAILABLE, "the answer to view makes no sense"), () => this.#join());
    });
  }

  #subscribe(topic) {
    this.#channel.subscribe(topic, (args, kwargs) => this.#onEvent(args, kwargs), (answer) => {
      if (answer instanceof DstmError) this.#fail(answer, () => this.#join());
      else this.#sync();
    });
  }

  /** Try again with back-off, or give up. */
  #fail(error, again) {
    if (isPassing(error)) return this.#later(again);
    this.state = "refused";
    this.refusal = error;
    this.#listener.refused();
  }

  #later(again) {
    this.#failures += 1;
    const channel = this.#channel;
    const ms = delayMs(this.#settings, this.#failures, this.#surroundings.random());
    this.#surroundings.later(ms, () => this.#channel === channel && again());
  }

  // Syncing

  /** Ask for what is missing, unless that is being done; tell whether it was asked for now. */
  resync() {
    if (this.state !== "live") return false;
    this.#sync();
    return true;
  }

  #repair() {
    if (this.#dropped || this.#suspect) this.resync();
  }

  /** Give the replica up for a snapshot; until that is there, it is still read. */
  #distrust(why) {
    this.counters.mismatches += 1;
    this.#surroundings.warn(`${this.#prefix}delta: ${why}; the replica is fetched anew`);
    this.#suspect = true;
  }

  #sync() {
    this.state = "syncing";
    this.#dropped = false;
    this.counters.syncs += 1;
    const known = this.replica !== undefined && !this.#suspect;
    const args = known ? [this.replica.version, this.replica.epoch, this.replica.hash ?? null] : [];
    this.#fetch(args, this.#shown, undefined, new Assembly());
  }

  /** Ask for a page until there is no next one, and put them together. */
  #fetch(args, kwargs, first, assembly) {
    this.#channel.call(`${this.#prefix}sync`, args, kwargs, (answer) => {
      if (answer instanceof DstmError) {
        // A page may be refused because its cursor has expired: a sync from the start is not.
        const why = first ? new DstmError(UNAVAILABLE, `a page of the snapshot was refused: ${answer.message}`) : answer;
        return this.#fail(why, () => this.#sync());
      }
      this.#assemble(answer.kwargs.part ?? [], 0, assembly, () => {
        const { next } = answer.kwargs;
        if (next !== undefined && next !== null) return this.#fetch([], { page: next }, first ?? answer.kwargs, assembly);
        let fetched;
        try {
          fetched = readFetched(first ?? answer.kwargs, answer.kwargs, assembly);
        } catch (error) {
          return this.#failSenseless(error);
        }
        this.#take(fetched);
      });
    });
  }

  #failSenseless(error) {
    this.#fail(new DstmError(UNAVAILABLE, `the answer to sync makes no sense: ${error.message}`), () => this.#sync());
  }

  /** Set the parts of a page, some in each turn so that a large document holds nothing up; then go on. */
  #assemble(parts, from, assembly, then) {
    const until = Math.min(parts.length, from + PARTS_AT_ONCE);
    try {
      for (const [pointer, value] of parts.slice(from, until)) assembly.set(pointer, normalized(value));
    } catch (error) {
      return this.#failSenseless(error);
    }
    if (until === parts.length) return then();
    const channel = this.#channel;
    this.#surroundings.later(0, () => this.#channel === channel && this.#assemble(parts, until, assembly, then));
  }

  #take({ epoch, version, hash, document, deltas }) {
    const changes = [];
    if (document) {
      this.replica = new Replica(document, version, epoch, hash);
      this.counters.snapshots += 1;
      this.#suspect = false;
    } else {
      this.#move(epoch, deltas, changes);
      // In a view, the newest version may be one that changed nothing which is shown.
      if (this.replica && !this.#suspect && !this.#dropped) this.replica.advance(version, hash);
    }
    for (const early of this.#backlog.splice(0)) this.#move(early.epoch, [early.delta], changes);
    this.#listener.moved(document ? undefined : changes);
    if (this.#dropped || this.#suspect) return this.#later(() => this.#sync());
    this.#failures = 0;
    this.state = "live";
    this.#listener.wentLive();
  }

  // Deltas

  #onEvent(args, { epoch }) {
    let deltas;
    try {
      deltas = args.map(readDelta);
    } catch (error) {
      this.#distrust(`an event makes no sense: ${error.message}`);
      return this.#repair();
    }
    if (this.state === "live") return this.#apply(epoch, deltas);
    if (this.#backlog.length + deltas.length > this.#settings.backlog) {
      this.#backlog = [];
      this.#dropped = true;
    } else {
      this.#backlog.push(...deltas.map((delta) => ({ epoch, delta })));
    }
  }

  /** Apply what a conflict carries, as if it had come by an event. A view has a row of deltas of its own. */
  learn(epoch, wires) {
    if (this.state !== "live" || this.#paths !== undefined) return;
    let deltas;
    try {
      deltas = wires.map(readDelta);
    } catch (error) {
      this.#distrust(`the deltas of a conflict make no sense: ${error.message}`);
      return this.#repair();
    }
    this.#apply(epoch, deltas);
  }

  #apply(epoch, deltas) {
    const changes = [];
    this.#move(epoch, deltas, changes);
    this.#listener.moved(changes);
    this.#repair();
  }

  /** Move the replica as far as the deltas lead, and note where they do not. */
  #move(epoch, deltas, changes) {
    const { replica } = this;
    if (replica?.epoch !== epoch) {
      this.#dropped = true;
      return;
    }
    try {
      for (const delta of deltas) {
        if (!replica.apply(delta)) continue;
        changes.push(...delta.changes);
        this.#consider(delta.digest);
      }
    } catch (error) {
      if (error instanceof Gap) this.#dropped = true;
      else if (error instanceof DoesNotFit) this.#distrust(`a delta does not fit: ${error.message}`);
      else throw error;
    }
  }

  /** Check the digest that a delta tells, unless one is being checked. */
  #consider(told) {
    const { replica } = this;
    const document = told && replica.at(told.version);
    if (!document || this.#checking || !canDigest()) return;
    this.#checking = true;
    const pause = () => new Promise((done) => this.#surroundings.later(0, done));
    digest(document, pause).then((found) =>
      this.#surroundings.later(0, () => {
        this.#checking = false;
        this.counters.digests += 1;
        if (found === told.sha256 || this.replica !== replica || this.state === "closed") return;
        this.#distrust(`version ${told.version} has another digest than the server says`);
        this.#repair();
      }),
    );
  }
}

function readFetched(first, last, assembly) {
  const version = whole("version", first.version);
  const head = { epoch: first.epoch, version, hash: last.hash ?? first.hash ?? undefined };
  if (typeof first.epoch !== "string") throw new RangeError("an answer to sync has an epoch");
  if (first.deltas) return { ...head, deltas: first.deltas.map(readDelta) };
  if (first.snapshot !== undefined) return { ...head, document: Document.of(normalized(first.snapshot)) };
  if (!first.part) throw new RangeError("neither deltas nor snapshot nor part");
  return { ...head, document: assembly.document };
}
