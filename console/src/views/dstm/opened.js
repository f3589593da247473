// Which containers of a document are open; also those that are missing now, or in one that is closed.

import { parent } from "../../../../router/web/dstm/pointer.js";

/** The pointers that are open, and of each those right below it. */
export class Opened {
  #below = new Map([["", new Set()]]); // open pointer -> open pointers right below it
  #waiting = new Map(); // pointer that is not open -> open pointers right below it

  get size() {
    return this.#below.size;
  }

  has(pointer) {
    return this.#below.has(pointer);
  }

  add(pointer) {
    if (this.has(pointer)) return;
    this.#below.set(pointer, this.#waiting.get(pointer) ?? new Set());
    this.#waiting.delete(pointer);
    const above = parent(pointer);
    if (!this.has(above) && !this.#waiting.has(above)) this.#waiting.set(above, new Set());
    (this.#below.get(above) ?? this.#waiting.get(above)).add(pointer);
  }

  delete(pointer) {
    const under = this.#below.get(pointer);
    if (!under || pointer === "") return;
    this.#below.delete(pointer);
    if (under.size) this.#waiting.set(pointer, under);
    const above = parent(pointer);
    (this.#below.get(above) ?? this.#waiting.get(above))?.delete(pointer);
  }

  below(pointer) {
    return this.#below.get(pointer) ?? [];
  }
}
