// What a client holds of a space: always exactly one whole version.
//
// - A delta [from, version, ...] applies if from <= replica's version < version. On the topic of the whole space `from`
//   is version - 1. In a view the versions between touch nothing that it shows.
// - Nothing is applied in part: a delta fits, or throws and leaves the replica as it was.

import { isArray, isObject, thaw } from "./document.js";

const KEPT_VERSIONS = 1000; // for a digest that the server tells some time after it began to compute it

/** A delta begins after the replica's version: something between was not received. */
export class Gap extends Error {}

/** One version of a space, as it was. */
export class Snapshot {
  constructor(document, version, epoch) {
    this.document = document;
    this.version = version;
    this.epoch = epoch;
  }

  /** Give a copy of the value at `pointer` ("" is the whole), or `otherwise` where there is none. */
  get(pointer, otherwise = undefined) {
    const node = this.document.find(pointer);
    return node === undefined ? otherwise : thaw(node);
  }

  has(pointer) {
    return this.document.find(pointer) !== undefined;
  }

  /** Give the names in an object, sorted, or the indices in an array; undefined: there is neither. */
  keys(pointer = "") {
    const node = this.document.find(pointer);
    if (isObject(node)) return [...node.members.keys()].sort();
    return isArray(node) ? [...node].map(([token]) => token) : undefined;
  }
}

/** The version that the client is at, which moves forward by deltas; `hash` is the chained hash of it. */
export class Replica extends Snapshot {
  #kept; // [version, document], ascending; documents share what is equal

  constructor(document, version, epoch, hash) {
    super(document, version, epoch);
    this.hash = hash;
    this.#kept = [[version, document]];
  }

  /** Give the present version, which stays as it is. */
  snapshot() {
    return new Snapshot(this.document, this.version, this.epoch);
  }

  /**
   * Move to the delta's version; give false for one that the replica has already.
   * @throws {Gap} a version between is missing
   * @throws {DoesNotFit} the changes meet another document than the server's
   */
  apply(delta) {
    if (delta.version <= this.version) return false;
    if (delta.from > this.version) throw new Gap(`at version ${this.version}, got a delta from ${delta.from}`);
    this.document = this.document.apply(delta.changes);
    this.hash = delta.hash;
    this.#move(delta.version);
    return true;
  }

  /** Move to a version that shows the same document: in a view, versions pass unseen. */
  advance(version, hash) {
    if (version <= this.version) return;
    this.hash = hash;
    this.#move(version);
  }

  /** Give the document of a version, where it is still kept. */
  at(version) {
    if (version > this.version) return undefined;
    return this.#kept.findLast(([kept]) => kept <= version)?.[1];
  }

  #move(version) {
    this.version = version;
    this.#kept.push([version, this.document]);
    if (this.#kept.length >= 2 * KEPT_VERSIONS) this.#kept.splice(0, KEPT_VERSIONS);
  }
}
