// What a transaction has come to: changes, and the deltas that carry them from one version to another.
//
// On the wire a change is a JSON Patch object of add, remove or replace, and a delta is [from, version, changes, meta].

import { parse } from "./pointer.js";
import { normalized } from "./values.js";

const OPS = ["add", "remove", "replace"];

/**
 * Check the wire form of a delta.
 * @returns {{from: number, version: number, changes: Object[], hash: string, time: number, digest?: {version: number, sha256: string}}}
 * @throws {RangeError} what is wrong
 */
export function readDelta(wire) {
  if (!Array.isArray(wire) || wire.length !== 4) throw new RangeError("a delta is [from, version, changes, meta]");
  const [first, second, changes, meta] = wire;
  if (!Array.isArray(changes) || typeof meta !== "object" || meta === null) {
    throw new RangeError("a delta's changes are a list, its meta an object");
  }
  const [from, version] = [whole("from", first), whole("version", second)];
  if (from >= version) throw new RangeError(`a delta leads to a later version, got ${from} to ${version}`);
  return { from, version, changes: changes.map(readChange), hash: hex("hash", meta.hash, 16), time: whole("time", meta.time), digest: readDigest(meta.digest) };
}

function readChange(wire) {
  const { op, path } = wire ?? {};
  if (!OPS.includes(op)) throw new RangeError(`a change is add, remove or replace, got ${String(op)}`);
  parse(path);
  if (op === "remove") return { op, path };
  if (!("value" in wire)) throw new RangeError(`${op} has a value`);
  return { op, path, value: normalized(wire.value) };
}

function readDigest(digest) {
  if (digest === undefined || digest === null) return undefined;
  return { version: whole("digest.version", digest.version), sha256: hex("digest.sha256", digest.sha256, 32) };
}

/** Read a number that some serializers give as a BigInt. */
export function whole(name, value) {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (!Number.isSafeInteger(number) || number < 0) throw new RangeError(`${name} is a whole number from 0 to 2**53 - 1, got ${String(value)}`);
  return number;
}

function hex(name, value, bytes) {
  if (typeof value !== "string" || value.length !== 2 * bytes || !/^[0-9a-f]*$/i.test(value)) {
    throw new RangeError(`${name} is ${2 * bytes} hexadecimal digits, got ${String(value)}`);
  }
  return value.toLowerCase();
}
