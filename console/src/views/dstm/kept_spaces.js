// The spaces that this device keeps, so that one can work in them without the router: whose, and which.

import { signal } from "@preact/signals";

import { kept, keep } from "../../kept.js";

const KEY = "spaces";
const MOST = 100;

const spaces = signal(valid(kept(KEY)));
globalThis.addEventListener?.("storage", () => (spaces.value = valid(kept(KEY)))); // another tab has changed them

/** Give them: [{realm, authid, space}]; authid is null where it is anonymous users'. */
export function keptSpaces() {
  return spaces.value;
}

/** Tell whether this device keeps `space` for `who` ({realm, authid}). */
export function isKept(who, space) {
  return spaces.value.some((it) => isOne(it, who, space));
}

/** Note that it does, or does not any more. Tells whether the browser remembers that. */
export function noteKept(who, space, isKeptNow) {
  const others = valid(kept(KEY)).filter((it) => !isOne(it, who, space));
  const now = isKeptNow ? [...others, { realm: who.realm, authid: who.authid, space }] : others;
  if (now.length > MOST || !keep(KEY, now)) return false;
  spaces.value = now;
  return true;
}

function isOne(it, who, space) {
  return it.realm === who?.realm && it.authid === who?.authid && it.space === space;
}

function valid(value) {
  if (!Array.isArray(value)) return [];
  return value.filter((it) => typeof it?.realm === "string" && typeof it.space === "string" && (it.authid === null || typeof it.authid === "string"));
}
