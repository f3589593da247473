// Rows that change often, told seldom: however many changes come, whoever shows them is told once in a while.

import { signal } from "@preact/signals";

const PAUSE_MS = 250;
const FIRST_MS = 20; // of an empty list
const PAUSE_OF_MANY_MS = 1_000;
const MANY = 2_000;

export class Rows {
  /** The rows as a list, in the order in which they came. */
  list = signal([]);
  #byKey = new Map();
  #timer = null;

  get size() {
    return this.#byKey.size;
  }

  get(key) {
    return this.#byKey.get(key);
  }

  put(key, row) {
    this.#byKey.set(key, row);
    this.#soon();
  }

  /** Change some members of a row, if it is there. */
  change(key, members) {
    const row = this.#byKey.get(key);
    if (row) this.put(key, { ...row, ...members });
  }

  delete(key) {
    if (this.#byKey.delete(key)) this.#soon();
  }

  /** Keep those rows alone for which `keeps(key)`. */
  keep(keeps) {
    for (const key of this.#byKey.keys()) if (!keeps(key)) this.#byKey.delete(key);
    this.#soon();
  }

  clear() {
    this.#byKey.clear();
    this.#soon();
  }

  #soon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.list.value = [...this.#byKey.values()];
    }, this.list.value.length === 0 ? FIRST_MS : this.#byKey.size > MANY ? PAUSE_OF_MANY_MS : PAUSE_MS);
  }
}
