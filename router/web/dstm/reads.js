// What a transaction depends on: pointers, each with the kind of dependence.
//
//     kind        what was learned of the pointer               what changes it
//     value       its value, or that it is missing              add, remove, replace at it, above or below
//     keys        the names of its members                      the same at it, above; add, remove of a member
//     exists      whether it is there                           add, remove at it; any change above
//     container   that it holds what an op puts into it         remove, replace at it or above
//     place       that it can be changed blindly                remove at it; remove, replace above
//
// The first three are declared to the server, the last two are implied by ops alone. A read is {kind, pointer}.

import { prefixes } from "./pointer.js";

const id = (kind, pointer) => `${kind} ${pointer}`;

/** Reads, each once; those that a value read at or above covers are left out. */
export class ReadSet {
  #reads = new Map(); // id -> read, in the order of the first read

  get length() {
    return this.#reads.size;
  }

  add(kind, pointer) {
    if (!this.#reads.has(id(kind, pointer)) && !this.#isCovered(pointer, true)) this.#reads.set(id(kind, pointer), { kind, pointer });
  }

  *[Symbol.iterator]() {
    for (const read of this.#reads.values()) if (!this.#isCovered(read.pointer, read.kind !== "value")) yield read;
  }

  /** Give the form in which they are declared: a pointer for its value, or [kind, pointer]. */
  wire() {
    return [...this].map(({ kind, pointer }) => (kind === "value" ? pointer : [kind, pointer]));
  }

  /** Tell whether a value read above `pointer` is here, or, if `also`, at it. */
  #isCovered(pointer, also) {
    for (const above of prefixes(pointer)) {
      if ((also || above !== pointer) && this.#reads.has(id("value", above))) return true;
    }
    return false;
  }
}

/**
 * The places that own ops have determined: a read there is none of the shared document.
 *
 * Elements of an array of the shared document are never among them, since they move. Where own ops have
 * moved them, an index says nothing of the shared document any more: there, the whole array is read.
 */
export class WriteSet {
  #whole = new Map(); // pointer -> true: it and all below; false: only that it is there
  #moved = new Set(); // arrays

  copy() {
    const copy = new WriteSet();
    copy.#whole = new Map(this.#whole);
    copy.#moved = new Set(this.#moved);
    return copy;
  }

  /** Tell whether own ops alone decide what such a read learns. */
  covers(kind, pointer) {
    if (!this.#whole.size) return false;
    if ((kind === "exists" || kind === "place") && this.#whole.has(pointer)) return true;
    for (const above of prefixes(pointer)) if (this.#whole.get(above)) return true;
    return false;
  }

  /** Give the read of the shared document that one of the document with own ops amounts to. */
  shared(kind, pointer) {
    if (this.#moved.size) {
      for (const above of prefixes(pointer)) if (above !== pointer && this.#moved.has(above)) return { kind: "value", pointer: above };
    }
    return { kind, pointer };
  }

  /** Note that the value at `pointer` was set or removed. */
  set(pointer) {
    this.#whole.set(pointer, true);
  }

  /** Note that something is at `pointer` whose value depends on the shared document. */
  touch(pointer) {
    if (!this.#whole.has(pointer)) this.#whole.set(pointer, false);
  }

  /** Note that elements of an array have other indices than before. */
  move(array) {
    this.#moved.add(array);
  }
}
