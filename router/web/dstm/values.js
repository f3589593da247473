// The values of a document: JSON, with the rules that keep them equal in every client.
//
// Integers lie within +-(2**53 - 1), other numbers are finite. Strings are valid Unicode and do not begin with
// U+0000, which stands for binary data in WAMP's JSON. Keys are not "__proto__". Nesting is bounded.

import { below, isText } from "./pointer.js";

export const MAX_DEPTH = 64;

/** A value that no document holds; `pointer` says where, from the value's own root. */
export class InvalidValue extends RangeError {
  constructor(pointer, reason) {
    super(pointer ? `${reason} at ${JSON.stringify(pointer.slice(0, 200))}` : reason);
    this.pointer = pointer;
    this.reason = reason;
  }
}

/**
 * Check a plain value, and give a copy that shares nothing with it.
 * @param {number} depth how many containers may lie in each other
 * @throws {InvalidValue} with the place and the reason
 */
export function normalized(value, depth = MAX_DEPTH, at = "") {
  switch (typeof value) {
    case "string":
      if (!isText(value)) throw new InvalidValue(at, "a lone surrogate is no text");
      if (value[0] === "\0") throw new InvalidValue(at, "a text that begins with U+0000 stands for binary data in WAMP's JSON");
      return value;
    case "number":
      if (!Number.isFinite(value)) throw new InvalidValue(at, `numbers are finite, got ${value}`);
      if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new InvalidValue(at, `integers are within +-(2**53 - 1), got ${value}`);
      return value + 0; // -0 is 0
    case "boolean":
      return value;
    case "object":
      if (value === null) return null;
      if (depth <= 0) throw new InvalidValue(at, "it nests too deeply");
      return Array.isArray(value) ? array(value, depth, at) : object(value, depth, at);
    default:
      throw new InvalidValue(at, `${value === undefined ? "undefined" : `a ${typeof value}`} is no JSON value`);
  }
}

function array(value, depth, at) {
  return Array.from(value, (element, index) => normalized(element, depth - 1, `${at}/${index}`));
}

function object(value, depth, at) {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new InvalidValue(at, `a ${value.constructor?.name ?? "class"} is no JSON value`);
  }
  const copy = {};
  for (const key of Object.keys(value)) {
    if (key === "__proto__") throw new InvalidValue(below(at, key), "this key is not allowed");
    if (!isText(key)) throw new InvalidValue(at, "a lone surrogate is no text");
    copy[key] = normalized(value[key], depth - 1, below(at, key));
  }
  return copy;
}

/** Give the bytes of a plain value as JSON. */
export function size(value) {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

/** Give 128 random bits, as 32 hex digits. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
