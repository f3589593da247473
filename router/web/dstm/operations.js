// What a transaction may do to a document: the ops of JSON Patch, and six that need no read before.
//
//     op                        sets                               reads, by itself
//     add                       as RFC 6902                        container of the parent
//     remove, replace           as RFC 6902                        existence of the target
//     copy, move                as RFC 6902                        value of `from`, and as add
//     test                      nothing                            value
//     inc (min, max: bounds)    the sum; a missing number is 0     place
//     min, max                  the smaller, the greater           place
//     push                      one more element at the end        container
//     merge                     JSON Merge Patch, RFC 7396         container
//     setdefault                only where nothing is              existence
//
// `add` of an element into an array reads the array's keys, unless it is appended with "-". An op is its wire form.

import { CONFLICT, CONSTRAINT, DstmError, INVALID } from "./errors.js";
import { child, DoesNotFit, equal, freeze, isArray, isContainer, isObject, thaw } from "./document.js";
import { below, indexOf, isWithin, last, parent, parse, prefixes } from "./pointer.js";
import { MAX_DEPTH, normalized } from "./values.js";

const BINDABLE = ["add", "replace", "setdefault"];

/** An op that can't be applied; `met` are the reads that tell why. */
class Refused extends Error {
  constructor(reason, met, uri = INVALID) {
    super(reason);
    this.met = met;
    this.uri = uri;
  }
}

/**
 * Check an op, and give it with its value copied.
 * @throws {RangeError} what is wrong
 */
export function checked(op) {
  const room = MAX_DEPTH - parse(op.path).length - (op.op === "push" ? 1 : 0);
  if (room < 0) throw new RangeError(`a pointer may have ${MAX_DEPTH} tokens`);
  const copy = { ...op };
  if ("from" in op) {
    parse(op.from);
    if (op.path !== op.from && isWithin(op.path, op.from)) throw new RangeError(`path ${op.path} lies inside from ${op.from}`);
  }
  if ("value" in op) copy.value = normalized(op.value, room);
  if (["inc", "min", "max"].includes(op.op)) {
    for (const name of ["value", "min", "max"]) {
      if (name in op && typeof copy[name] !== "number") throw new RangeError(`${name}: a number is needed, got ${typeof copy[name]}`);
      if (name in op) normalized(copy[name]);
    }
  }
  checkBinding(op);
  return copy;
}

function checkBinding({ op, bind, linger_ms, ttl_ms }) {
  if ([bind, linger_ms, ttl_ms].some((it) => it !== undefined) && !BINDABLE.includes(op)) throw new RangeError(`${op} can't be bound`);
  if (bind !== undefined && bind !== "session") throw new RangeError('bind must be "session"');
  if (linger_ms !== undefined && bind === undefined) throw new RangeError('linger_ms needs bind: "session"');
  if (linger_ms !== undefined && !(Number.isSafeInteger(linger_ms) && linger_ms >= 0)) throw new RangeError("linger_ms must be 0 or more");
  if (ttl_ms !== undefined && !(Number.isSafeInteger(ttl_ms) && ttl_ms >= 1)) throw new RangeError("ttl_ms must be 1 or more");
}

// What each op does to the document; each gives the document after it.
const APPLY = {
  add: (document, { path, value }) => document.insert(path, freeze(value)),
  remove(document, { path }) {
    existing(document, path);
    if (path === "") throw new Refused("the document itself can't be removed; replace it", [{ kind: "place", pointer: path }]);
    return document.remove(path);
  },
  replace(document, { path, value }) {
    existing(document, path);
    return document.put(path, freeze(value));
  },
  copy: (document, { from, path }) => document.insert(path, existing(document, from)),
  move(document, { from, path }) {
    const node = existing(document, from);
    return APPLY.remove(document, { path: from }).insert(path, node);
  },
  test(document, { path, value }) {
    if (equal(document.find(path), value)) return document;
    throw new Refused(`${shown(path)} is not the value that the test names`, [{ kind: "value", pointer: path }], CONFLICT);
  },
  inc(document, { path, value, min, max }) {
    const total = (number(document, path) ?? 0) + value;
    const wrong =
      min !== undefined && total < min ? `is less than min ${min}`
      : max !== undefined && total > max ? `is more than max ${max}`
      : !Number.isFinite(total) || (Number.isInteger(total) && !Number.isSafeInteger(total)) ? "is out of range: integers go to 2**53 - 1"
      : undefined;
    if (wrong) throw new Refused(`at ${shown(path)}, ${total} ${wrong}`, [{ kind: "value", pointer: path }], CONSTRAINT);
    return document.put(path, total + 0);
  },
  min(document, { path, value }) {
    const present = number(document, path);
    return present === undefined || value < present ? document.put(path, value) : document;
  },
  max(document, { path, value }) {
    const present = number(document, path);
    return present === undefined || value > present ? document.put(path, value) : document;
  },
  push(document, { path, value }) {
    const node = document.find(path);
    if (node === undefined) return document.put(path, freeze([value]));
    if (!isArray(node)) throw new Refused(`${shown(path)} is no array`, met(document, path));
    return document.insert(`${path}/-`, freeze(value));
  },
  merge: (document, { path, value }) => merged(document, path, value),
  setdefault: (document, { path, value }) => (document.find(path) === undefined ? document.put(path, freeze(value)) : document),
};

/**
 * Apply one checked op; give the document after it.
 * @param {function({kind: string, pointer: string}): void} note is told what of the document is the cause of a failure
 * @throws {DstmError} it can't be applied
 */
export function apply(document, op, index, note) {
  try {
    return APPLY[op.op](document, op);
  } catch (error) {
    const fits = error instanceof DoesNotFit;
    if (!fits && !(error instanceof Refused)) throw error;
    const reason = fits ? error.reason : error.message;
    const reads = fits ? met(document, error.pointer) : error.met;
    for (const read of reads.length ? reads : [{ kind: "value", pointer: "" }]) note(read);
    throw new DstmError(fits ? INVALID : error.uri, `ops[${index}]: ${reason}`, { index, reason });
  }
}

/** The reads that ops imply on `document`, the one that the first of them meets. */
export class Implied {
  constructor(document, writes) {
    this.document = document;
    this.writes = writes;
  }

  /** Note what an op determines; what it reads is known to the server. */
  take(op) {
    const { path } = op;
    switch (op.op) {
      case "add":
        return this.#add(path);
      case "remove":
        return this.#remove(path);
      case "replace":
        return this.#set(path);
      case "copy":
        return this.#add(path);
      case "move":
        this.#remove(op.from);
        return this.#add(path);
      case "inc":
      case "min":
      case "max":
      case "push":
        return this.#touch(path);
      case "merge":
        return typeof op.value === "object" && op.value !== null && !Array.isArray(op.value) ? this.#touch(path) : this.#set(path);
      case "setdefault":
        if (!this.writes.covers("exists", path) && this.document.find(path) === undefined) this.#set(path);
    }
  }

  #add(path) {
    if (path === "") this.writes.set(path);
    else if (last(path) === "-") return;
    else if (this.#isElement(path)) this.writes.move(parent(path));
    else this.#set(path);
  }

  #remove(path) {
    if (path !== "" && this.#isElement(path)) this.writes.move(parent(path));
    else this.#set(path);
  }

  #set(path) {
    if (!this.#leadsThroughArray(path)) this.writes.set(path);
  }

  #touch(path) {
    if (!this.#leadsThroughArray(path)) this.writes.touch(path);
  }

  #isElement(path) {
    return /\/\d[^/]*$/.test(path) && isArray(this.document.find(parent(path)));
  }

  #leadsThroughArray(path) {
    if (!/\/\d/.test(path)) return false;
    for (const above of prefixes(path)) if (above !== path && isArray(this.document.find(above))) return true;
    return false;
  }
}

/** Give declared reads of all that an op's success depended on. */
export function looked({ op, path, from }) {
  const at = ["inc", "min", "max", "push", "merge", "test"].includes(op) ? "value" : "exists";
  return [...(from === undefined ? [] : [{ kind: "value", pointer: from }]), { kind: at, pointer: path }];
}

/** Do RFC 7396's MergePatch at `path`. */
function merged(document, path, patch) {
  const isPatch = typeof patch === "object" && patch !== null && !Array.isArray(patch);
  if (!isPatch || !isObject(document.find(path))) return document.put(path, freeze(withoutNulls(patch)));
  for (const [token, value] of Object.entries(patch)) {
    const place = below(path, token);
    if (value !== null) document = merged(document, place, value);
    else if (document.find(place) !== undefined) document = document.remove(place);
  }
  return document;
}

function withoutNulls(patch) {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const kept = Object.entries(patch).filter(([, value]) => value !== null);
  return Object.fromEntries(kept.map(([token, value]) => [token, withoutNulls(value)]));
}

function existing(document, pointer) {
  const node = document.find(pointer);
  if (node === undefined) throw new Refused(`nothing is at ${shown(pointer)}`, met(document, pointer));
  return node;
}

function number(document, pointer) {
  const node = document.find(pointer);
  if (node === undefined || typeof node === "number") return node;
  throw new Refused(`${shown(pointer)} is no number`, met(document, pointer));
}

/** Give the reads that tell why an op does not fit at `pointer`. */
function met(document, pointer) {
  let node = document.root;
  let at = "";
  for (const token of parse(pointer)) {
    const next = child(node, token);
    if (next === undefined) {
      if (isArray(node)) return [{ kind: "keys", pointer: at }];
      return [isObject(node) ? { kind: "exists", pointer: below(at, token) } : { kind: "value", pointer: at }];
    }
    node = next;
    at = below(at, token);
  }
  return isContainer(node)
    ? [{ kind: "exists", pointer }, { kind: "container", pointer }]
    : [{ kind: "value", pointer }];
}

const shown = (pointer) => JSON.stringify(pointer);
