// A document as rows: what is open is known, and any row can be given without making the others.
//
// Rules of this file:
// - A row is made when it is asked for. An object of a hundred thousand members costs its list of names, sorted once.
// - Names are sorted in slices (`work`); an object shows none of its members until its names are in order.
// - What was open stays open while it is missing, and is open again when it comes back.

import { child, isArray, isObject } from "../../../../router/web/dstm/document.js";
import { below, last, parent, parse } from "../../../../router/web/dstm/pointer.js";
import { Opened } from "./opened.js";
import { adjust, placeOf, sortedSlowly } from "./order.js";

const MOST_OPEN = 1000;
const MANY = 2000; // members: more are sorted in slices
const MOST_CHANGES = 5000; // of names at once: more are sorted anew

/** One container that is open. */
class Branch {
  pointer;
  node;
  below = new Map(); // token -> Branch
  #names; // sorted, of an object; undefined until they are
  #named; // the node that they are of
  #sorting;
  #layout;

  constructor(pointer, node) {
    this.pointer = pointer;
    this.show(node);
  }

  get isReady() {
    return isArray(this.node) || this.#names !== undefined;
  }

  get length() {
    return this.isReady ? this.node.length : 0;
  }

  name(at) {
    return isArray(this.node) ? String(at) : this.#names[at];
  }

  placeOf(token) {
    return isArray(this.node) ? Number(token) : placeOf(this.#names, token);
  }

  /** Be another version of the container. */
  show(node) {
    if (node === this.node) return;
    this.node = node;
    this.changed();
    if (isArray(node)) {
      this.#names = this.#named = this.#sorting = undefined;
    } else if (this.#names && this.#follow(node)) {
      this.#named = node;
    } else if (!this.#sorting) {
      this.#sort();
      if (node.length <= MANY) while (this.work());
    }
  }

  /** Keep the names in order by what has changed; false if that is too much. */
  #follow(node) {
    const [added, removed] = [[], []];
    for (const [key, now, before] of node.members.differences(this.#named.members)) {
      if (before === undefined) added.push(key);
      else if (now === undefined) removed.push(key);
      if (added.length + removed.length > MOST_CHANGES) return false;
    }
    adjust(this.#names, added, removed);
    return true;
  }

  #sort() {
    this.#names = undefined;
    this.#named = this.node;
    this.#sorting = sortedSlowly(this.node.members);
  }

  /** Sort a little; tell whether there is more to do. */
  work() {
    if (!this.#sorting) return false;
    const { done, value } = this.#sorting.next();
    if (!done) return true;
    this.#sorting = undefined;
    this.#names = value;
    this.changed();
    if (this.node !== this.#named && !this.#follow(this.node)) this.#sort();
    else this.#named = this.node;
    return this.#sorting !== undefined;
  }

  changed() {
    this.#layout = undefined;
  }

  /** {rows, open: [{at, start, branch}]}: the rows of its members, and where those are that are open. */
  get layout() {
    if (this.#layout) return this.#layout;
    const open = this.isReady ? [...this.below].map(([token, branch]) => ({ at: this.placeOf(token), branch, start: 0 })) : [];
    open.sort((one, other) => one.at - other.at);
    let more = 0;
    for (const it of open) {
      it.start = it.at + more;
      more += it.branch.layout.rows;
    }
    return (this.#layout = { rows: this.length + more, open });
  }
}

export class Tree {
  #root;
  #node;
  #open = new Opened();

  /** Show another version: `node` is the root of its document. */
  show(node) {
    this.#node = node;
    this.#root = isContainer(node) ? update(this.#root, "", node, this.#open) : undefined;
  }

  get count() {
    return this.#node === undefined ? 0 : 1 + (this.#root?.layout.rows ?? 0);
  }

  /** Sort what is to be sorted until `deadline` (of performance.now()); tell whether there is more to do. */
  work(deadline) {
    const waiting = this.#root ? [this.#root] : [];
    while (waiting.length) {
      const branch = waiting.pop();
      while (branch.work()) if (performance.now() > deadline) return true;
      waiting.push(...branch.below.values());
    }
    if (this.#root) relaid(this.#root);
    return false;
  }

  /** Give row `index`: {pointer, token, depth, node, isOpen, isReady}. */
  row(index) {
    if (index === 0) return this.#rowOf("", "", 0, this.#node, this.#root);
    let [branch, depth, left] = [this.#root, 1, index - 1];
    for (;;) {
      const before = lastBefore(branch.layout.open, left);
      if (before && left > before.start && left <= before.start + before.branch.layout.rows) {
        [branch, depth, left] = [before.branch, depth + 1, left - before.start - 1];
        continue;
      }
      const at = before ? (left === before.start ? before.at : before.at + left - before.start - before.branch.layout.rows) : left;
      const token = branch.name(at);
      return this.#rowOf(below(branch.pointer, token), token, depth, child(branch.node, token), branch.below.get(token));
    }
  }

  #rowOf(pointer, token, depth, node, branch) {
    return { pointer, token, depth, node, isOpen: branch !== undefined, isReady: branch?.isReady ?? true };
  }

  /** Give the row of a pointer, or -1 where it is in nothing that is open. */
  indexOf(pointer) {
    if (pointer === "") return this.#node === undefined ? -1 : 0;
    let [branch, index] = [this.#root, 0];
    for (const token of parse(pointer)) {
      if (!branch?.isReady || child(branch.node, token) === undefined) return -1;
      const at = branch.placeOf(token);
      const before = branch.layout.open.filter((it) => it.at < at);
      index += 1 + at + before.reduce((sum, it) => sum + it.branch.layout.rows, 0);
      branch = branch.below.get(token);
    }
    return index;
  }

  isOpen(pointer) {
    return this.#open.has(pointer);
  }

  /** Open or close a container. */
  toggle(pointer, isOpen = !this.#open.has(pointer)) {
    if (!isOpen) this.#open.delete(pointer);
    else if (this.#open.size < MOST_OPEN) this.#open.add(pointer);
    this.show(this.#node);
  }

  /** Open all that holds `pointer`. */
  openTo(pointer) {
    for (let above = parent(pointer); above !== undefined; above = parent(above)) this.#open.add(above);
    this.show(this.#node);
  }
}

const isContainer = (node) => isObject(node) || isArray(node);

/** Bring a branch, and those below it, to a version of the document. */
function update(branch, pointer, node, open) {
  const now = branch && isArray(branch.node) === isArray(node) ? branch : new Branch(pointer, node);
  now.show(node);
  const before = now.below;
  now.below = new Map();
  for (const there of open.below(pointer)) {
    const token = last(there);
    const under = child(node, token);
    if (isContainer(under)) now.below.set(token, update(before.get(token), there, under, open));
  }
  now.changed();
  return now;
}

function relaid(branch) {
  branch.changed();
  for (const under of branch.below.values()) relaid(under);
}

/** Give the last of the open ones that begins at or before row `left`. */
function lastBefore(open, left) {
  let [low, high] = [0, open.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (open[middle].start <= left) low = middle + 1;
    else high = middle;
  }
  return open[low - 1];
}
