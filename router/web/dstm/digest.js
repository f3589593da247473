// The digest of a document: SHA-256 of its canonical form (RFC 8785), made in slices so that nothing waits for it.
//
// RFC 8785 writes numbers and strings as JSON.stringify does, and sorts keys as `sort` does.

import { isArray, isObject } from "./document.js";

const SLICE_BYTES = 64 * 1024; // of text, between two pauses

/** Tell whether digests can be taken here: not on pages that came without TLS. */
export const canDigest = () => globalThis.crypto?.subtle !== undefined;

/**
 * Take the digest of a document, in hexadecimal.
 * @param {function(): Promise<void>} pause waited for between two slices
 */
export async function digest(document, pause) {
  const parts = [];
  let slice = [];
  let length = 0;
  for (const piece of pieces(document.root)) {
    slice.push(piece);
    length += piece.length;
    if (length < SLICE_BYTES) continue;
    parts.push(new TextEncoder().encode(slice.join("")));
    slice = [];
    length = 0;
    await pause();
  }
  parts.push(new TextEncoder().encode(slice.join("")));
  const hash = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function* pieces(node) {
  if (isArray(node)) {
    yield "[";
    for (const [token, below] of node) {
      if (token !== "0") yield ",";
      yield* pieces(below);
    }
    yield "]";
  } else if (isObject(node)) {
    yield "{";
    let comma = "";
    for (const key of [...node.members.keys()].sort()) {
      yield `${comma}${JSON.stringify(key)}:`;
      comma = ",";
      yield* pieces(node.child(key));
    }
    yield "}";
  } else {
    yield JSON.stringify(node);
  }
}
