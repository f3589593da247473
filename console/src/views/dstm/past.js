// The history of a space, read from the router as it is asked for.
//
// Rules of this file:
// - One question at a time: while one is open, only the newest of those that follow is asked. So a slider that is dragged asks for
//   what it stands on, and not for everything that it passed.
// - Entries are kept in a bounded number; those far from what is looked at are forgotten, and asked for again.

export const PAGE = 200; // entries of one answer
const MOST_ENTRIES = 5_000;
const MOST_CHANGES = 100; // of one version whose values are read

/**
 * call(procedure, args, kwargs) asks the router; `onChange()` is called when there is something new.
 */
export class Past {
  /** The newest version that the router told. */
  newest = 0;
  /** The oldest version of which values can be had. */
  oldest = 0;
  epoch = null;
  /** What is known of the version that was asked for last: {version, entry, changes, snapshot} or {version, error}. */
  at = null;
  error = null;
  #entries = new Map(); // version -> entry
  #call;
  #name;
  #onChange;
  #wanted = null;
  #isAsking = false;

  constructor(name, call, onChange) {
    this.#name = name;
    this.#call = (what, ...rest) => call(`dstm.${name}.${what}`, ...rest);
    this.#onChange = onChange;
  }

  /** Ask for the bounds, and the newest entries. */
  async begin() {
    try {
      await this.#page(-PAGE);
      await this.#bounds();
      this.error = null;
    } catch (error) {
      this.error = error;
    }
    this.#onChange();
  }

  async #bounds() {
    const { kwargs } = await this.#call("status");
    this.newest = Math.max(this.newest, kwargs.version);
    this.oldest = Math.min(this.newest, Math.max(0, kwargs.horizon));
  }

  /** Entries, newest first. */
  get entries() {
    return [...this.#entries.values()].sort((one, other) => other.version - one.version);
  }

  /** Read the entries before the oldest that are known; tells whether there may be more. */
  async older() {
    const first = Math.min(...this.#entries.keys(), this.newest + 1);
    if (first <= 1 || this.#entries.size >= MOST_ENTRIES) return;
    try {
      await this.#page(Math.max(1, first - PAGE), first - 1);
    } catch (error) {
      this.error = error;
    }
    this.#onChange();
  }

  async #page(first, last) {
    let [from, until] = [first, last];
    for (;;) {
      const { kwargs } = await this.#call("history", until === undefined ? [from] : [from, until], { limit: PAGE });
      if (this.epoch !== kwargs.epoch) this.#entries.clear();
      this.epoch = kwargs.epoch;
      this.newest = Math.max(this.newest, kwargs.version);
      for (const entry of kwargs.entries) this.#entries.set(entry.version, entry);
      if (this.#entries.size > MOST_ENTRIES) for (const version of [...this.#entries.keys()].slice(0, this.#entries.size - MOST_ENTRIES)) this.#entries.delete(version);
      if (kwargs.next === undefined) return;
      from = kwargs.next;
      until ??= kwargs.version;
    }
  }

  /** Look at a version: `at` will tell. */
  look(version) {
    this.#wanted = version;
    if (!this.#isAsking) this.#ask();
  }

  async #ask() {
    this.#isAsking = true;
    while (this.#wanted !== null) {
      const version = this.#wanted;
      this.#wanted = null;
      try {
        this.at = await this.#version(version);
      } catch (error) {
        this.at = { version, error };
      }
      this.#onChange();
    }
    this.#isAsking = false;
  }

  async #version(version) {
    if (version > 0 && !this.#entries.has(version)) await this.#page(version, version);
    const entry = this.#entries.get(version);
    const pointers = [...new Set((entry?.changes ?? []).map(({ path }) => path))].slice(0, MOST_CHANGES);
    const [before, after, whole] = await Promise.all([this.#values(pointers, version - 1), this.#values(pointers, version), this.#whole(version)]);
    const changes = pointers.map((pointer, index) => ({ pointer, before: before?.[index], after: after?.[index] }));
    return { version, entry, changes, more: (entry?.changes.length ?? 0) - changes.length, document: whole };
  }

  /** Give the values at `pointers`, undefined for missing ones; undefined for all where the router has forgotten them, or they are large. */
  async #values(pointers, version) {
    if (pointers.length === 0 || version < this.oldest) return undefined;
    try {
      const { args, kwargs } = await this.#call("get", [pointers], { at: version, epoch: this.epoch });
      if (!args.length) return undefined;
      const missing = new Set(kwargs.missing);
      return pointers.map((pointer, index) => (missing.has(pointer) ? undefined : args[0][index]));
    } catch {
      return undefined;
    }
  }

  /** Give {value} of the whole document, where it is small enough for one answer. */
  async #whole(version) {
    if (version < this.oldest) return undefined;
    const { args } = await this.#call("get", [""], { at: version, epoch: this.epoch }).catch(() => ({ args: [] }));
    return args.length ? { value: args[0] } : undefined;
  }
}
