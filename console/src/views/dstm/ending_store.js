// A store of dstm.js that can end: after that nothing is written any more, so that what was deleted does not come back.

export class EndingStore {
  #store;
  #writing = new Set();
  #isOver = false;

  constructor(store) {
    this.#store = store;
  }

  load() {
    return this.#store.load();
  }

  saveReplica(replica) {
    return this.#write("saveReplica", replica);
  }

  saveMutation(record) {
    return this.#write("saveMutation", record);
  }

  forgetMutation(id) {
    return this.#write("forgetMutation", id);
  }

  async #write(what, value) {
    if (this.#isOver) return;
    const written = this.#store[what](value);
    this.#writing.add(written);
    try {
      await written;
    } finally {
      this.#writing.delete(written);
    }
  }

  /** Write nothing more; resolves when nothing is being written. */
  async end() {
    this.#isOver = true;
    await Promise.allSettled(this.#writing);
  }
}
