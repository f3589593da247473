// What a person does to a space, by name: transaction functions that can be run again on any version, and by a later page.
//
// Rules of this file:
// - What a person changes is what they saw: an edit carries that (`seen`), and fails with what is there now if it is no longer so.
//   So it is a conflict whoever was faster: the router, or the replica of this page.
// - `seen` is {value}, {} where nothing was, or {kind, size} of a container that is too large to be compared.

import { isArray, isObject } from "../../../../router/web/dstm/document.js";
import { below, parent } from "../../../../router/web/dstm/pointer.js";

const COMPARED = 2000; // members, at any depth: more are not compared

/** It is not as the person saw it. */
export class Changed extends Error {
  name = "Changed";
  uri = "concord.console.changed";
}

/** Give what an edit says of `node` (undefined: nothing is there) as its `seen`. */
export function seenOf(node) {
  if (node === undefined) return {};
  const value = small(node, { left: COMPARED });
  return value === undefined ? { kind: kindOf(node), size: node.length } : { value };
}

export function kindOf(node) {
  if (isObject(node)) return "object";
  if (isArray(node)) return "array";
  return node === null ? "null" : typeof node;
}

/** Give the plain value of a node, or undefined where that is too large. */
export function small(node, budget = { left: COMPARED }) {
  if (--budget.left < 0) return undefined;
  if (!isObject(node) && !isArray(node)) return node;
  const value = isArray(node) ? [] : {};
  for (const [token, under] of node) {
    const plain = small(under, budget);
    if (plain === undefined) return undefined;
    value[token] = plain;
  }
  return value;
}

export const mutators = {
  /** Set what is there, or a member that was not. */
  set(tx, pointer, value, seen) {
    check(tx, pointer, seen);
    tx.set(pointer, value);
  },

  append(tx, pointer, value) {
    if (!tx.has(pointer)) throw new Changed(`${shown(pointer)} is not there any more`);
    tx.push(pointer, value);
  },

  remove(tx, pointer, seen) {
    check(tx, pointer, seen);
    tx.delete(pointer);
  },

  move(tx, from, pointer, seen) {
    check(tx, from, seen);
    if (tx.has(pointer)) throw new Changed(`something is at ${shown(pointer)} already`);
    tx.move(from, pointer);
  },

  increment(tx, pointer, amount) {
    if (!tx.has(pointer)) throw new Changed(`${shown(pointer)} is not there any more`);
    tx.inc(pointer, amount);
  },
};

function check(tx, pointer, seen) {
  if (seen.kind) {
    if (!tx.has(pointer)) throw new Changed(`${shown(pointer)} is not there any more`);
    return;
  }
  const now = tx.get(pointer);
  if (!isSame(now, seen.value)) {
    throw new Changed(now === undefined ? `${shown(pointer)} is not there any more` : `${shown(pointer)} is ${short(now)} now`);
  }
}

/** Tell whether two JSON values, or undefined, are the same. */
export function isSame(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => Object.hasOwn(other, key) && isSame(one[key], other[key]));
}

/** Give what the person saw of what an edit changes; undefined where that does not matter. */
export function seenBy({ name, args }) {
  return ["set", "remove", "move"].includes(name) ? args.at(-1) : undefined;
}

/** Say an edit in words: {name, args} -> "Set /a to 3". */
export function inWords({ name, args: [pointer, value] }) {
  const there = shown(pointer);
  const words = {
    set: () => `Set ${there} to ${short(value)}`,
    append: () => `Append ${short(value)} to ${there}`,
    remove: () => `Remove ${there}`,
    move: () => `Move ${there} to ${shown(value)}`,
    increment: () => `Add ${short(value)} to ${there}`,
  };
  return Object.hasOwn(words, name) ? words[name]() : name;
}

/** A pointer for people: the root has a name. */
export function shown(pointer) {
  return pointer === "" ? "the document" : pointer;
}

/** A value for people, in one short line. */
export function short(value, most = 60) {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** Give the pointer that a member of `pointer`'s holder would have under another name. */
export function renamed(pointer, token) {
  return below(parent(pointer), token);
}
