// A document that shares its structure: an edit makes a new one, and the old one stays as it was.
//
// - Nodes are never changed. A scalar is its own node; an object is an ObjectNode, an array an ArrayNode.
// - `undefined` is no node: nothing is there.
// - `put`, `insert` and `remove` are the three edits that all others are made of.

import { SharedMap } from "./map.js";
import { indexOf, last, parent, parse } from "./pointer.js";

/** An edit that the document does not allow; `pointer` says where, `reason` why not. */
export class DoesNotFit extends Error {
  constructor(pointer, reason) {
    super(`${JSON.stringify(pointer)}: ${reason}`);
    this.pointer = pointer;
    this.reason = reason;
  }
}

class ObjectNode {
  constructor(members) {
    this.members = members; // SharedMap of token -> node
  }

  get length() {
    return this.members.size;
  }

  child(token) {
    return this.members.get(token);
  }

  with(token, node) {
    return new ObjectNode(this.members.set(token, node));
  }

  without(token) {
    return new ObjectNode(this.members.delete(token));
  }

  *[Symbol.iterator]() {
    yield* this.members;
  }
}

class ArrayNode {
  constructor(elements) {
    this.elements = elements; // nodes
  }

  get length() {
    return this.elements.length;
  }

  child(token) {
    const index = indexOf(token);
    return index === undefined ? undefined : this.elements[index];
  }

  with(token, node) {
    return new ArrayNode(this.elements.with?.(Number(token), node) ?? spliced(this.elements, Number(token), 1, node));
  }

  without(token) {
    return new ArrayNode(spliced(this.elements, Number(token), 1));
  }

  inserted(index, node) {
    return new ArrayNode(spliced(this.elements, index, 0, node));
  }

  *[Symbol.iterator]() {
    for (let index = 0; index < this.elements.length; index++) yield [String(index), this.elements[index]];
  }
}

function spliced(elements, index, count, ...nodes) {
  const copy = elements.slice();
  copy.splice(index, count, ...nodes);
  return copy;
}

/** Make a node of a plain, normalized value. */
export function freeze(value) {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return new ArrayNode(value.map(freeze));
  return new ObjectNode(SharedMap.of(Object.keys(value).map((key) => [key, freeze(value[key])])));
}

/** Make the node of an object whose members are nodes already. */
export const objectOf = (members) => new ObjectNode(SharedMap.of(members));

/** Make a plain value of a node; it shares nothing. */
export function thaw(node) {
  if (node instanceof ArrayNode) return node.elements.map(thaw);
  if (!(node instanceof ObjectNode)) return node;
  const value = {};
  for (const [token, below] of node) value[token] = thaw(below);
  return value;
}

export const isObject = (node) => node instanceof ObjectNode;
export const isArray = (node) => node instanceof ArrayNode;
export const isContainer = (node) => isObject(node) || isArray(node);

/** Give what is below `token`, or undefined. */
export const child = (node, token) => (isContainer(node) ? node.child(token) : undefined);

/** Tell whether a node is this plain value. */
export function equal(node, value) {
  if (typeof value !== "object" || value === null) return node === value;
  if (Array.isArray(value)) {
    return isArray(node) && node.length === value.length && value.every((element, index) => equal(node.elements[index], element));
  }
  const keys = Object.keys(value);
  return isObject(node) && node.length === keys.length && keys.every((key) => node.members.has(key) && equal(node.child(key), value[key]));
}

/** One version of a document. */
export class Document {
  constructor(root) {
    this.root = root;
  }

  /** Make a document of a plain, normalized value. */
  static of(value) {
    return new Document(freeze(value));
  }

  /** Give the node at a pointer, or undefined. */
  find(pointer) {
    let node = this.root;
    for (const token of parse(pointer)) node = child(node, token);
    return node;
  }

  /** Give the plain value at a pointer, or undefined. */
  plain(pointer) {
    return thaw(this.find(pointer));
  }

  /**
   * Set a member of an object, replace an element of an array, or the root.
   * @throws {DoesNotFit} there is no such container, or no such element
   */
  put(pointer, node) {
    if (pointer === "") return new Document(node);
    const { above, token, holder } = this.#holder(pointer);
    if (isArray(holder) && holder.child(token) === undefined) throw new DoesNotFit(pointer, noElement(holder, token));
    return this.#rebuilt(above, holder.with(token, node));
  }

  /**
   * Insert an element into an array ("-": at its end), or set a member of an object, or the root.
   * @throws {DoesNotFit} there is no such container, or the index is beyond its end
   */
  insert(pointer, node) {
    if (pointer === "") return new Document(node);
    const { above, token, holder } = this.#holder(pointer);
    if (isObject(holder)) return this.#rebuilt(above, holder.with(token, node));
    const index = token === "-" ? holder.length : indexOf(token);
    if (index === undefined || index > holder.length) throw new DoesNotFit(pointer, noElement(holder, token));
    return this.#rebuilt(above, holder.inserted(index, node));
  }

  /**
   * Take a member or an element away.
   * @throws {DoesNotFit} nothing is there, or it is the root
   */
  remove(pointer) {
    if (pointer === "") throw new DoesNotFit(pointer, "the document itself can't be removed");
    const { above, token, holder } = this.#holder(pointer);
    if (holder.child(token) === undefined) throw new DoesNotFit(pointer, "nothing is there");
    return this.#rebuilt(above, holder.without(token));
  }

  /**
   * Apply changes in order.
   * @throws {DoesNotFit} one is for another document; nothing is applied
   */
  apply(changes) {
    let document = this;
    for (const { op, path, value } of changes) {
      if (op === "remove") document = document.remove(path);
      else if (op === "add") document = document.insert(path, freeze(value));
      else if (document.find(path) === undefined) throw new DoesNotFit(path, "nothing is there to be replaced");
      else document = document.put(path, freeze(value));
    }
    return document;
  }

  #holder(pointer) {
    const above = parent(pointer);
    const holder = this.find(above);
    if (!isContainer(holder)) throw new DoesNotFit(pointer, `${JSON.stringify(above)} is no object and no array`);
    return { above, token: last(pointer), holder };
  }

  /** Put `node` in the place of the container at `pointer`, and so on up to the root. */
  #rebuilt(pointer, node) {
    while (pointer !== "") {
      const above = parent(pointer);
      node = this.find(above).with(last(pointer), node);
      pointer = above;
    }
    return new Document(node);
  }
}

/**
 * A document that is put together of parts, a container before what it holds. Its nodes are changed in place, which nobody
 * sees: `document` is taken when all is there.
 */
export class Assembly {
  #root = freeze({});

  /**
   * Set a part: [pointer, plain and normalized value].
   * @throws {DoesNotFit} what holds it is not there, or the elements before it are not
   * @throws {RangeError} it is no pointer
   */
  set(pointer, value) {
    const node = freeze(value);
    if (!parse(pointer).length) return void (this.#root = node);
    const holder = this.document.find(parent(pointer));
    const token = last(pointer);
    if (isObject(holder)) holder.members.add(token, node);
    else if (isArray(holder) && (token === "-" || indexOf(token) === holder.length)) holder.elements.push(node);
    else throw new DoesNotFit(pointer, isArray(holder) ? noElement(holder, token) : "what holds it is not there");
  }

  get document() {
    return new Document(this.#root);
  }
}

function noElement(array, token) {
  return `${JSON.stringify(token.slice(0, 40))} is no index of the ${array.length} elements there`;
}
