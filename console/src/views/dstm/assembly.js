// A version of a document, put together of the pages in which the router gives it.
//
// It is made out of another version that is at hand: what both have is shared, so that the tree has to look at the
// differences alone, and a page is a slice of the work.

import { Document, equal, freeze, isArray, isObject, thaw } from "../../../../router/web/dstm/document.js";
import { last, parent } from "../../../../router/web/dstm/pointer.js";

export class Assembly {
  #document;
  #told = new Map(); // pointer of a container that comes in parts -> the tokens that came
  #own = new Map(); // pointer of one that the base has not -> its node, which nobody else has yet: it is filled in place

  /** `base`: a Document to share with. */
  constructor(base = Document.of({})) {
    this.#document = base;
  }

  /** Take one page: [[pointer, value], ...], a container before what it holds. */
  take(parts) {
    for (const [pointer, value] of parts) {
      const isPart = typeof value === "object" && value !== null && Object.keys(value).length === 0;
      const holder = pointer === "" ? undefined : this.#own.get(parent(pointer));
      const node = holder ? undefined : this.#document.find(pointer);
      if (!holder && pointer !== "") this.#told.get(parent(pointer))?.add(last(pointer));
      if (isPart && (Array.isArray(value) ? isArray(node) : isObject(node))) this.#told.set(pointer, new Set());
      else if (isPart || node === undefined || !equal(node, value)) this.#put(pointer, node, freeze(value), holder, isPart);
    }
  }

  #put(pointer, before, node, holder, isPart) {
    if (isPart) this.#own.set(pointer, node);
    if (isArray(holder)) holder.elements.push(node);
    else if (holder) holder.members.add(last(pointer), node);
    else this.#document = before === undefined ? this.#document.insert(pointer, node) : this.#document.put(pointer, node);
  }

  /** Give the document: all pages have come. */
  done() {
    for (const [pointer, tokens] of this.#told) {
      const node = this.#document.find(pointer);
      if (node.length === tokens.size) continue;
      if (isArray(node)) this.#document = this.#document.put(pointer, freeze(thaw(node).slice(0, tokens.size)));
      else for (const [token] of node) if (!tokens.has(token)) this.#document = this.#document.put(pointer, this.#document.find(pointer).without(token));
    }
    return this.#document;
  }
}
