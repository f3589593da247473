// Whose things the browser keeps: a realm and a name in it, with and without a connection.
//
// Anonymous users have another name in each session; what one browser keeps for them is of one and the same person, whose
// authid is null here.

import { effect, signal } from "@preact/signals";

import { session } from "./connection.js";

/** {realm, authid}: who is joined, was until the connection broke, or works without one; null: nobody. */
export const identity = signal(null);
/** Nobody has joined, and somebody works with what this device keeps. */
export const isAlone = signal(false);

effect(() => {
  if (!session.value) return;
  const { realm, authid, authmethod } = session.value;
  become({ realm, authid: authmethod === "anonymous" ? null : authid });
  isAlone.value = false;
});

/** Work as `who` ({realm, authid}) with what this device keeps, until somebody joins. */
export function workAlone(who) {
  become(who);
  isAlone.value = true;
}

/** Nobody works here any more. */
export function forgetIdentity() {
  identity.value = null;
  isAlone.value = false;
}

/** Tell whether two of them are of the same person. */
export function isSame(one, other) {
  return one?.realm === other?.realm && one?.authid === other?.authid;
}

function become(who) {
  if (!isSame(identity.value, who)) identity.value = who;
}
