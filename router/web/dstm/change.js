// What a page has changed: a mutator's name and arguments, and what has become of it.
//
// - Ids are in the order of the changes, of all pages of one store: a clock that goes back does not change that.
// - What was decided is known for long after: a change that is told or found late must not be done again.

import { normalized, randomId } from "./values.js";

const REMEMBERED = 10_000; // decisions

/** One change; `done` gives it when it is decided, and is never rejected. */
export class Change {
  status = "pending";
  version; // of a committed one
  reason; // of one that was rejected or is unknown: an Error
  decision; // of another tab, until the replica is there: see Decisions

  constructor({ id, name, args, body }, isKept = true) {
    Object.assign(this, { id, name, args, isKept });
    this.body = body; // that was submitted, if it was
    this.done = new Promise((resolve) => (this.decide = () => resolve(this)));
    noteId(id);
  }

  get record() {
    return { id: this.id, name: this.name, args: this.args, ...(this.body && { body: this.body }) };
  }

  /** Give the arguments for one run, which may do with them what it likes. */
  get argsOfRun() {
    return normalized(this.args);
  }
}

/** The last decisions: {status, version, epoch, reason}, in a form that can be told to other tabs. */
export class Decisions {
  #byId = new Map();

  note(id, decision) {
    this.#byId.set(id, decision);
    if (this.#byId.size > REMEMBERED) this.#byId.delete(this.#byId.keys().next().value);
  }

  get(id) {
    return this.#byId.get(id);
  }

  has(id) {
    return this.#byId.has(id);
  }
}

export const inOrder = (one, other) => (one.id < other.id ? -1 : 1);

let last = 0; // number of an id

function noteId(id) {
  const number = Number(id.slice(0, 18));
  if (Number.isSafeInteger(number)) last = Math.max(last, number);
}

/** Make an id that is greater than all others that are known here. */
export function newId() {
  last = Math.max(last + 1, Date.now() * 1000);
  return `${String(last).padStart(18, "0")} ${randomId()}`;
}
