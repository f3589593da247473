// The space that a view holds: what is shown of it, and what the person does to it.
//
// Rules of this file:
// - It uses the console's own session: it takes part in what that does, and never ends it.
// - What moves is gathered, and told once in a frame.
// - `LiveSpace` needs the router for everything; `KeptSpace` is kept by this device, and goes on without.

import { signal } from "@preact/signals";

import { indexedDbStore, offline, Space } from "../../../../router/web/dstm/dstm.js";
import { randomId } from "../../../../router/web/dstm/values.js";
import { client, onJoin } from "../../connection.js";
import { NOT_AUTHORIZED, WampError } from "../../connection/errors.js";
import { toast } from "../../ui/index.js";
import { EndingStore } from "./ending_store.js";
import { isKept } from "./kept_spaces.js";
import { mutators } from "./mutators.js";

const FRAME_MS = 16;
const MOST_EDITS = 100; // that are remembered, besides those that are not decided

class Held {
  /** A Snapshot of what is shown; undefined before there is one. */
  shown = signal(undefined);
  /** As of Space.state. */
  state = signal("detached");
  /** What the person did: [{id, name, args, status, version, epoch?, reason}], oldest first. */
  edits = signal([]);
  /** Why the space can't be had; null where it can. */
  refusal = signal(null);
  #frame;

  constructor(name) {
    this.name = name;
  }

  /** Take over what there is now, in the next frame. */
  soon() {
    this.#frame ??= setTimeout(() => this.#now(), FRAME_MS);
  }

  /** What the router has told, for whoever goes on with it. */
  get replica() {
    return this.space.hasReplica ? this.space.replica : undefined;
  }

  #now() {
    this.#frame = undefined;
    const snapshot = this.snapshot();
    if (snapshot?.document !== this.shown.value?.document || snapshot?.version !== this.shown.value?.version) this.shown.value = snapshot;
    this.state.value = this.space.state;
    this.tell();
  }
}

export class LiveSpace extends Held {
  #edits = [];
  #serial = 0;

  /** `replica`: to begin with, if there is one. */
  constructor(name, replica) {
    super(name);
    this.space = new Space(name);
    if (replica) this.space.restore(replica);
    this.space.onMove(() => this.soon());
    this.#stop = onJoin(() => {
      const using = client.value;
      this.refusal.value = null;
      this.space.attach(shared(using)).catch((error) => {
        if (client.value === using && this.space.state !== "live") this.refusal.value = error;
      });
      return () => this.space.detach();
    });
    this.soon();
  }

  #stop;

  snapshot() {
    return this.space.hasReplica ? this.space.snapshot() : undefined;
  }

  /** Do a mutator on what is there now. */
  mutate(name, ...args) {
    this.mutateAt(undefined, name, ...args);
  }

  /** Do a mutator on what the person saw, a Snapshot: if that has moved on, the router decides whether it still holds. */
  mutateAt(seen, name, ...args) {
    const edit = { id: `live ${++this.#serial}`, name, args, status: "pending" };
    this.#edits = [...this.#edits.slice(-MOST_EDITS), edit];
    const decided = (outcome) => {
      Object.assign(edit, outcome);
      this.soon();
    };
    const each = (tx) => mutators[name](tx, ...args);
    const using = client.value;
    this.space.submit({ each, args: [], body: this.#bodyAt(seen, each) }, (outcome) => {
      if (outcome?.version !== undefined) decided({ status: "committed", version: outcome.version, epoch: outcome.epoch });
      else if (outcome.name !== "UnknownOutcome") decided({ status: "rejected", reason: outcome });
      else if (isDenied(outcome, using)) decided({ status: "rejected", reason: new WampError(NOT_AUTHORIZED, "the role may not commit this") });
      else decided({ status: "unknown", reason: outcome });
    });
    this.soon();
  }

  /** Give the transaction as of what was seen; undefined where that is what is there, so that it needs no other run. */
  #bodyAt(seen, each) {
    if (this.space.state !== "live" || seen?.epoch !== this.space.epoch || !(seen.version < this.space.version)) return undefined;
    const { ended, body } = this.space.rehearse(each, [], seen);
    return ended === "done" ? { tx: `${randomId()}:1`, epoch: seen.epoch, base: seen.version, ...body } : undefined;
  }

  tell() {
    this.edits.value = this.#edits.map((edit) => ({ ...edit }));
  }

  close() {
    const open = this.#edits.filter(({ status }) => status === "pending").length;
    if (open) toast(`Left while ${open} of your changes to ${this.name} were not decided.`, "error");
    this.#stop();
    this.space.close();
  }
}

export class KeptSpace extends Held {
  #offline;
  #store;
  #who;
  #isClosed = false;

  /** Open the space as it is kept for `who` ({realm, authid}). `replica`: to begin with, if there is one. */
  static async open(name, who, replica) {
    const held = new KeptSpace(name);
    const database = databaseOf(who, name);
    held.#who = who;
    held.#store = new EndingStore(await indexedDbStore(database));
    held.space = new Space(name);
    if (replica) held.space.restore(replica);
    held.#offline = await offline(held.space, { store: held.#store, mutators, connect: (lost) => held.#connect(lost), name: database });
    held.#offline.onStatus(() => held.soon());
    held.space.onMove(() => held.soon());
    if (replica) held.space.restore(replica); // it is kept also if no connection comes
    held.soon();
    return held;
  }

  snapshot() {
    return this.#offline.snapshot();
  }

  mutate(name, ...args) {
    this.#offline.mutate(name, ...args);
  }

  /** What is kept is done on what there is, whenever that will be. */
  mutateAt(_seen, ...edit) {
    this.mutate(...edit);
  }

  tell() {
    this.edits.value = this.#offline.changes.map(({ id, name, args, status, version, reason, isKept }) => ({ id, name, args, status, version, reason, isKept }));
  }

  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!isKept(this.#who, this.name)) this.#store.end(); // another tab, or this one, deletes it
    this.#stop();
    this.#offline.close();
  }

  #stop = () => {};

  /** Close it, and delete what this device keeps of it; rejects where the browser can't. */
  async forget() {
    this.close();
    await this.#store.end();
    await deleted(databaseOf(this.#who, this.name));
  }

  /** Give the console's session, now or when there is one. */
  #connect(lost) {
    this.#stop();
    return new Promise((resolve, reject) => {
      this.#stop = onJoin(() => {
        resolve(shared(client.value));
        return () => {
          lost("the connection was lost");
          reject(new Error("the connection was lost"));
        };
      });
    });
  }
}

/** Tell whether it is known that nothing happened: what a session that is still there was not allowed to do has not. */
function isDenied({ uri }, using) {
  return uri === NOT_AUTHORIZED && client.value === using;
}

/** Give what dstm.js needs of a session, without what would end it. */
function shared(session) {
  return {
    getOptions: () => session.getOptions(),
    call: (...args) => session.call(...args),
    subscribe: (...args) => session.subscribe(...args),
    unsubscribe: (...args) => session.unsubscribe(...args),
  };
}

/** Give the name of the database in which a space of somebody is kept. */
function databaseOf({ realm, authid }, space) {
  return `concord ${JSON.stringify([realm, authid, space])}`;
}

function deleted(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
  });
}
