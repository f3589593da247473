// What a transaction function sees: one version of the document, changed by its own writes alone.
//
// A function gets a Tx and works on it as on a map of pointers. What it reads is noted, what it does is applied to its
// own copy, and both are the transaction. It may be run again, so it must do nothing else.
//
// - `tx.retry()` leaves the function: run it again when something that it has read changes.
// - `tx.restart()` leaves it too: run it again on a newer version.
// - `orElse(f, g)` is a function that does f or, where that retries, g. What f has written is dropped; what it has
//   read, and what its ops depended on, is kept, because it led to g.

import { isArray, isObject, thaw } from "./document.js";
import { apply, checked, Implied, looked } from "./operations.js";
import { parse } from "./pointer.js";
import { ReadSet, WriteSet } from "./reads.js";
import { normalized } from "./values.js";

class Left extends Error {}

// A read that only ops have -> the declared one that is lost whenever it is
const DECLARED = { value: "value", keys: "keys", exists: "exists", container: "keys", place: "value" };

export class Tx {
  #reads = new ReadSet();
  #implied;
  #document;
  #ops = [];
  #publishes = [];
  #left = "done";
  #open = true;

  constructor(document, version) {
    this.#document = document;
    this.#implied = new Implied(document, new WriteSet());
    /** The version that it sees. */
    this.version = version;
  }

  // Reads

  /** Give a copy of the value at `pointer`, or `otherwise` where there is none. */
  get(pointer, otherwise = undefined) {
    const node = this.#look("value", pointer);
    return node === undefined ? otherwise : thaw(node);
  }

  /** Tell whether there is a value; what it is is not read. */
  has(pointer) {
    return this.#look("exists", pointer) !== undefined;
  }

  /** Give the names in an object, sorted, or the indices in an array; the values are not read. Undefined: neither. */
  keys(pointer = "") {
    const node = this.#look("keys", pointer);
    if (isObject(node)) return [...node.members.keys()].sort();
    return isArray(node) ? [...node].map(([token]) => token) : undefined;
  }

  // Writes

  /**
   * Set a member, or replace an element of an array; "/a/-" appends one.
   * @param {{bind?: "session", linger_ms?: number, ttl_ms?: number}} binding undone when the session leaves
   *   (`linger_ms` later), or that long after the commit
   */
  set(pointer, value, binding = {}) {
    const above = parse(pointer).length && this.#document.find(pointer.slice(0, pointer.lastIndexOf("/")));
    const replaces = pointer === "" || (!pointer.endsWith("/-") && isArray(above));
    this.#do({ op: replaces ? "replace" : "add", path: pointer, value, ...binding });
  }

  /** Insert an element into an array before the one at `pointer`. */
  insert(pointer, value) {
    this.#do({ op: "add", path: pointer, value });
  }

  /** Remove what is at `pointer`; tell whether something was. */
  delete(pointer) {
    if (this.#document.find(pointer) === undefined) {
      this.#look("exists", pointer);
      return false;
    }
    this.#do({ op: "remove", path: pointer });
    return true;
  }

  /** Add to a number, without reading it; the sum must be within `{min, max}`. */
  inc(pointer, value = 1, { min, max } = {}) {
    this.#do({ op: "inc", path: pointer, value, ...(min !== undefined && { min }), ...(max !== undefined && { max }) });
  }

  /** Set a number if it is smaller, without reading. */
  min(pointer, value) {
    this.#do({ op: "min", path: pointer, value });
  }

  /** Set a number if it is greater, without reading. */
  max(pointer, value) {
    this.#do({ op: "max", path: pointer, value });
  }

  /** Append to an array, without reading it; where nothing is, set an array. */
  push(pointer, value) {
    this.#do({ op: "push", path: pointer, value });
  }

  /** Set the members that `patch` names, remove those that it sets to null, without reading. */
  merge(pointer, patch) {
    this.#do({ op: "merge", path: pointer, value: patch });
  }

  /** Set a value where nothing is; tell whether that was done. `binding` as in `set`. */
  setDefault(pointer, value, binding = {}) {
    const missing = this.#document.find(pointer) === undefined;
    this.#do({ op: "setdefault", path: pointer, value, ...binding });
    return missing;
  }

  /** Add the value at `from` at `pointer`, and remove it at `from`. */
  move(from, pointer) {
    this.#do({ op: "move", from, path: pointer });
  }

  /** Add the value at `from` at `pointer` too. */
  copy(from, pointer) {
    this.#do({ op: "copy", from, path: pointer });
  }

  /** Fail with a conflict unless the value is this. */
  test(pointer, value) {
    this.#do({ op: "test", path: pointer, value });
  }

  /** Publish an event after the commit. */
  publish(topic, args = [], kwargs = {}) {
    this.#checkOpen();
    this.#publishes.push({ topic, args: normalized(args), kwargs: normalized(kwargs) });
  }

  // Control

  /** Leave the function, and run it again when something that it has read changes. */
  retry() {
    this.#left = "retry";
    throw new Left("retry");
  }

  /** Leave the function, and run it again on a newer version. */
  restart() {
    this.#left = "restart";
    throw new Left("restart");
  }

  /** Do `inside(tx)`; drop what it did if it is left by an exception, which goes on. */
  nested(inside) {
    const mark = [this.#document, this.#ops.length, this.#publishes.length, this.#implied.writes.copy()];
    try {
      return inside(this);
    } catch (error) {
      this.#goBack(...mark);
      throw error;
    }
  }

  /** Do the first function that does not retry; the last one may. */
  firstOf(functions, args) {
    for (const each of functions.slice(0, -1)) {
      try {
        return this.nested(() => {
          const value = each(this, ...args);
          if (this.#left === "retry") throw new Left("retry");
          return value;
        });
      } catch (error) {
        if (!(error instanceof Left) || this.#left !== "retry") throw error;
        this.#left = "done";
      }
    }
    return functions.at(-1)(this, ...args);
  }

  /**
   * Run a transaction function once on one version.
   * @returns {{ended: "done" | "retry" | "restart" | "raised", value: *, reads: Object[], body: Object, document}}
   *   `body` is reads, ops and publish as a commit takes them; of a run that raised, the reads alone. `document` is what
   *   the function has made of the document
   */
  static run(each, args, document, version) {
    const tx = new Tx(document, version);
    let value;
    try {
      value = each(tx, ...args);
    } catch (error) {
      if (!(error instanceof Left) || tx.#left === "done") {
        tx.#open = false;
        return tx.#outcome("raised", error);
      }
    }
    tx.#open = false;
    if (typeof value?.then === "function") {
      Promise.resolve(value).catch(() => {}); // it is refused already
      throw new TypeError("a transaction function can't wait for anything: it must not be async");
    }
    return tx.#outcome(tx.#left, tx.#left === "done" ? value : undefined);
  }

  #outcome(ended, value) {
    const [ops, publish] = ended === "raised" ? [[], []] : [this.#ops, this.#publishes];
    const body = { reads: this.#reads.wire(), ops, ...(publish.length && { publish }) };
    return { ended, value, reads: [...this.#reads], touched: this.#ops.map(({ path }) => path), body, document: this.#document };
  }

  #look(kind, pointer) {
    this.#checkOpen();
    parse(pointer);
    this.#note({ kind, pointer });
    return this.#document.find(pointer);
  }

  #note({ kind, pointer }) {
    const { writes } = this.#implied;
    if (writes.covers(kind, pointer)) return;
    const shared = writes.shared(kind, pointer);
    this.#reads.add(shared.kind, shared.pointer);
  }

  #do(wire) {
    this.#checkOpen();
    const op = checked(wire);
    this.#document = apply(this.#document, op, this.#ops.length, ({ kind, pointer }) => this.#note({ kind: DECLARED[kind], pointer }));
    this.#implied.take(op);
    this.#ops.push(op);
  }

  #checkOpen() {
    if (!this.#open) throw new Error("this run of the transaction function is over");
  }

  /** Drop what was done since, and note what it depended on. */
  #goBack(document, ops, publishes, writes) {
    const before = this.#implied.writes;
    this.#implied.writes = writes;
    for (const { kind, pointer } of this.#ops.slice(ops).flatMap(looked)) {
      if (writes.covers(kind, pointer)) continue;
      const shared = before.shared(kind, pointer);
      this.#reads.add(shared.kind, shared.pointer);
    }
    this.#document = document;
    this.#ops.length = ops;
    this.#publishes.length = publishes;
  }
}

/** Give a transaction function that does the first of `functions` that does not retry. */
export function orElse(...functions) {
  if (!functions.length) throw new TypeError("orElse needs a function");
  return (tx, ...args) => tx.firstOf(functions, args);
}
