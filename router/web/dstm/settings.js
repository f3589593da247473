// What of a client can be set, what it counts, and how long it waits before it tries again.

import { THROTTLED, UNAVAILABLE } from "./errors.js";

export const DEFAULTS = Object.freeze({
  transactions: 10_000, // that are neither decided nor failed; more are refused
  transactionBytes: 1_000_000, // of one transaction, as JSON
  inFlight: 32, // commits that wait for their answer; more wait for their turn, in order
  backlog: 10_000, // deltas that wait for a sync to end; more are dropped and fetched again
  firstDelayMs: 20, // the longest wait before the second try; it doubles with each
  longestDelayMs: 5_000,
  arrivalMs: 1_000, // how long the delta of an acknowledged version may take, before it is fetched
});

// Nothing is decided by these: the same request may be answered well a moment later.
const PASSING = new Set([THROTTLED, UNAVAILABLE, "wamp.error.timeout", "wamp.error.canceled", "wamp.error.unavailable"]);

export const isPassing = (error) => PASSING.has(error.uri);

/** Give the milliseconds to wait after so many tries in vain; `random` of [0, 1) keeps rivals apart. */
export function delayMs({ firstDelayMs, longestDelayMs }, tries, random) {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(tries - 1, 30)) * (0.5 + random / 2);
}

export const newCounters = () => ({ committed: 0, conflicts: 0, resubmissions: 0, syncs: 0, snapshots: 0, digests: 0, mismatches: 0 });
