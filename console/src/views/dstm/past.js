// The history of a space, read from the router as it is asked for.
//
// Rules of this file:
// - One question at a time: while one is open, only the newest of those that follow is asked. So a slider that is dragged asks for
//   what it stands on, and not for everything that it passed.
// - Entries are kept in a bounded number; those far from what is looked at are forgotten, and asked for again.
// - A page that was begun is read to its end: the router keeps few of them for a session.

import { Document } from "../../../../router/web/dstm/document.js";
import { isWithin } from "../../../../router/web/dstm/pointer.js";
import { Assembly } from "./assembly.js";
import { small } from "./mutators.js";

export const PAGE = 200; // entries of one answer
const MOST_ENTRIES = 5_000;
const MOST_CHANGES = 100; // of one version whose values are read
const FORGOTTEN = "dstm.error.stale";
const DENIED = "wamp.error.not_authorized";

/**
 * call(procedure, args, kwargs) asks the router; `onChange()` is called when there is something new.
 */
export class Past {
  /** The newest version that the router told. */
  newest = 0;
  /** The oldest version whose document can be had. */
  oldest = 0;
  epoch = null;
  /**
   * What is known of the version that was asked for last: {version, error}, or {version, entry, changes, more, document}. `changes` are
   * [{pointer, before, after}], each {value}, {} for nothing there, or null where it is not known. `document` is undefined where it
   * is forgotten.
   */
  at = null;
  error = null;
  #entries = new Map(); // version -> entry
  #isReading = false;
  #isAsking = false;
  #wanted = null; // {version, base}
  #call;
  #onChange;

  constructor(name, call, onChange) {
    this.#call = (what, ...rest) => call(`dstm.${name}.${what}`, ...rest);
    this.#onChange = onChange;
  }

  /** Ask for the bounds, and the newest entries. */
  async begin() {
    try {
      await this.#read(-PAGE);
      await this.#bounds();
      this.error = null;
    } catch (error) {
      this.error = error;
    }
    this.#onChange();
  }

  async #bounds() {
    try {
      const { kwargs } = await this.#call("status");
      this.newest = Math.max(this.newest, kwargs.version);
      this.oldest = Math.min(this.newest, Math.max(0, kwargs.horizon));
    } catch (error) {
      if (error.uri !== DENIED) throw error; // then it is learned where a version is asked for
    }
  }

  /** Read the entries of the versions that were made since. */
  async newer() {
    if (this.epoch === null || this.#isReading) return;
    this.#isReading = true;
    const { epoch } = this;
    try {
      await this.#read(this.newest + 1);
      if (this.epoch !== epoch) await this.begin();
    } catch {
      // The next version, or the next join, asks again.
    }
    this.#isReading = false;
    this.#onChange();
  }

  /** Entries, newest first. */
  get entries() {
    return [...this.#entries.values()].sort((one, other) => other.version - one.version);
  }

  /** Tell whether there may be entries before those that are known. */
  get hasOlder() {
    return Math.min(...this.#entries.keys(), this.newest + 1) > 1 && this.#entries.size < MOST_ENTRIES;
  }

  /** Read the entries before the oldest that are known. */
  async older() {
    if (!this.hasOlder) return;
    const first = Math.min(...this.#entries.keys(), this.newest + 1);
    try {
      await this.#read(Math.max(1, first - PAGE), first - 1);
    } catch (error) {
      this.error = error;
    }
    this.#onChange();
  }

  async #read(first, last) {
    let [from, until] = [first, last];
    for (;;) {
      const { kwargs } = await this.#call("history", until === undefined ? [from] : [from, until], { limit: PAGE });
      if (this.epoch !== kwargs.epoch) this.#forget();
      this.epoch = kwargs.epoch;
      this.newest = Math.max(this.newest, kwargs.version);
      for (const entry of kwargs.entries) this.#entries.set(entry.version, entry);
      for (const version of [...this.#entries.keys()].slice(0, Math.max(0, this.#entries.size - MOST_ENTRIES))) this.#entries.delete(version);
      if (kwargs.next === undefined || kwargs.next === null) return;
      from = kwargs.next;
      until ??= kwargs.version;
    }
  }

  /** What is known is of another history. */
  #forget() {
    this.#entries.clear();
    this.newest = this.oldest = 0;
    this.at = null;
  }

  /** Look at a version: `at` will tell. `base`: a Document that its document may share with. */
  look(version, base) {
    this.#wanted = { version, base };
    if (!this.#isAsking) this.#ask();
  }

  async #ask() {
    this.#isAsking = true;
    while (this.#wanted !== null) {
      const { version, base } = this.#wanted;
      this.#wanted = null;
      try {
        this.at = await this.#version(version, base);
      } catch (error) {
        this.at = { version, error };
      }
      this.#onChange();
    }
    this.#isAsking = false;
  }

  async #version(version, base) {
    if (version > 0 && !this.#entries.has(version)) await this.#read(version, version);
    const entry = this.#entries.get(version);
    const paths = new Set((entry?.changes ?? []).map(({ path }) => path));
    const pointers = [...paths].slice(0, MOST_CHANGES);
    const before = pointers.length ? await this.#values(pointers, version - 1) : [];
    const document = await this.#document(version, base);
    const after = (pointer) => (document ? valueOf(document.find(pointer)) : told(entry.changes, pointer));
    const changes = pointers.map((pointer, index) => ({ pointer, before: before?.[index] ?? null, after: after(pointer) }));
    return { version, entry, changes, more: paths.size - changes.length, document };
  }

  /** Give {value} or {} for each of `pointers`; undefined where they are forgotten, or too large for one answer. */
  async #values(pointers, version) {
    const answer = await this.#get([pointers], version);
    if (!answer?.args.length) {
      await this.#pages(answer, () => {});
      return undefined;
    }
    const missing = new Set(answer.kwargs.missing);
    return pointers.map((pointer, index) => (missing.has(pointer) ? {} : { value: answer.args[0][index] }));
  }

  /** Give the Document of a version; undefined where it is forgotten. */
  async #document(version, base) {
    const answer = await this.#get([""], version);
    if (answer === undefined) return undefined;
    if (answer.args.length) return Document.of(answer.args[0]);
    const assembly = new Assembly(base);
    await this.#pages(answer, (parts) => assembly.take(parts));
    return assembly.done();
  }

  async #get(args, at) {
    if (at < this.oldest) return undefined;
    try {
      return await this.#call("get", args, { at, epoch: this.epoch });
    } catch (error) {
      if (error.uri !== FORGOTTEN && error.uri !== DENIED) throw error;
      if (error.kwargs?.horizon > this.oldest) this.oldest = error.kwargs.horizon;
      return undefined;
    }
  }

  async #pages(answer, take) {
    for (let kwargs = answer?.kwargs; kwargs?.part; ) {
      take(kwargs.part);
      if (kwargs.next === undefined || kwargs.next === null) return;
      ({ kwargs } = await this.#call("get", [], { page: kwargs.next }));
    }
  }
}

/** Give {value}, {} for nothing, null for what is too large to be shown. */
function valueOf(node) {
  if (node === undefined) return {};
  const value = small(node);
  return value === undefined ? null : { value };
}

/** Give what the log itself tells of the value after a version; null where it tells only parts of it. */
function told(changes, pointer) {
  const at = changes.filter(({ path }) => isWithin(path, pointer) || isWithin(pointer, path));
  if (at.length !== 1 || at[0].path !== pointer) return null;
  return at[0].op === "remove" ? {} : { value: at[0].value };
}
