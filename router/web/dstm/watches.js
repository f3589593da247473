// Who waits for which reads to change.
//
// A tree of tokens of pointers holds who waits, by the kind of their read, so that the cost of a change is its own
// pointer, and below it those whom it wakes, however many wait elsewhere.

import { isArray } from "./document.js";
import { parent, parse } from "./pointer.js";

const LOOKED = ["value", "keys", "exists"];
// op of a change -> the kinds of read that it changes at its own pointer
const AT = { add: LOOKED, remove: LOOKED, replace: ["value", "keys"] };

const node = () => ({ children: new Map(), waiting: new Map() }); // token -> node; kind -> Set of who waits

export class Watches {
  #root = node();
  #reads = new Map(); // who -> reads

  /** Let `who` wait for a change of any of `reads`, in place of those that it waited for. */
  add(who, reads) {
    this.remove(who);
    this.#reads.set(who, reads);
    for (const { kind, pointer } of reads) {
      let at = this.#root;
      for (const token of parse(pointer)) {
        if (!at.children.has(token)) at.children.set(token, node());
        at = at.children.get(token);
      }
      if (!at.waiting.has(kind)) at.waiting.set(kind, new Set());
      at.waiting.get(kind).add(who);
    }
  }

  /** Let `who` wait no more. */
  remove(who) {
    for (const { kind, pointer } of this.#reads.get(who) ?? []) takeOut(this.#root, parse(pointer), 0, kind, who);
    this.#reads.delete(who);
  }

  /** Give those for whom a change counts; `document` is the one after the changes. They go on waiting. */
  woken(changes, document) {
    const found = new Set();
    for (const change of changes) meet(this.#root, change, document, found);
    return found;
  }
}

function meet(at, { op, path }, document, found) {
  const tokens = parse(path);
  for (const [index, token] of tokens.entries()) {
    gather(at, ["value"], found);
    if (index === tokens.length - 1 && op !== "replace") {
      gather(at, ["keys"], found);
      // Elements behind an inserted or removed one have other indices.
      if (/^\d/.test(token) && isArray(document.find(parent(path)))) {
        for (const [step, below] of at.children) if (/^\d/.test(step)) gatherAll(below, found);
      }
    }
    at = at.children.get(token);
    if (at === undefined) return;
  }
  gather(at, AT[op], found);
  for (const below of at.children.values()) gatherAll(below, found);
}

function gather(at, kinds, found) {
  for (const kind of kinds) for (const who of at.waiting.get(kind) ?? []) found.add(who);
}

function gatherAll(at, found) {
  gather(at, LOOKED, found);
  for (const below of at.children.values()) gatherAll(below, found);
}

/** Take `who` out, and every node that nobody needs; tell whether this one is such. */
function takeOut(at, tokens, depth, kind, who) {
  if (depth < tokens.length) {
    const below = at.children.get(tokens[depth]);
    if (takeOut(below, tokens, depth + 1, kind, who)) at.children.delete(tokens[depth]);
  } else {
    at.waiting.get(kind).delete(who);
    if (!at.waiting.get(kind).size) at.waiting.delete(kind);
  }
  return !at.children.size && !at.waiting.size;
}
