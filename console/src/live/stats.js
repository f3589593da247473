// The statistics of the router, as `concord.stats` tells them, and those of the last minutes for plots.
//
// It listens as long as the page is open, so that a plot has its past when one looks.

import { signal } from "@preact/signals";

import { call, onJoin, session, state, subscribe } from "../connection.js";

/** What was told last: {time_ms, interval_ms, realms, node?}; null before. */
export const stats = signal(null);
/** Why nothing is told: a WampError, or null. */
export const statsError = signal(null);
/** realm -> samples, the oldest first, each {time_ms, ...numbers of the realm}. */
export const past = signal(new Map());
/** Samples of the node, as `past`; empty where the role sees its realm alone. */
export const pastOfNode = signal([]);

const LEAST_MS = 200;
const KEPT_MS = 15 * 60_000;
let of = null; // who was told: statistics of another role or realm begin anew

function take(told) {
  stats.value = told;
  const { time_ms: time } = told;
  const grown = new Map();
  for (const realm of told.realms) grown.set(realm.realm, added(past.value.get(realm.realm), { ...realm, time_ms: time }));
  past.value = grown;
  if (told.node) pastOfNode.value = added(pastOfNode.value, { ...told.node, time_ms: time });
}

function added(samples = [], sample) {
  if (sample.time_ms - samples.at(-1)?.time_ms < LEAST_MS) return samples; // the answer, and an event just after it
  const first = samples.findIndex(({ time_ms: time }) => time > sample.time_ms - KEPT_MS);
  return [...(first < 0 ? [] : samples.slice(first)), sample];
}

onJoin(() => {
  const { realm, authrole } = session.value;
  if (of !== `${realm} ${authrole}`) {
    of = `${realm} ${authrole}`;
    stats.value = null;
    past.value = new Map();
    pastOfNode.value = [];
  }
  statsError.value = null;
  const refused = (error) => {
    if (state.value === "joined") statsError.value = error;
  };
  call("concord.stats").then(({ args }) => take(args[0]), refused);
  return subscribe("concord.stats", ({ kwargs }) => take(kwargs), { onState: (error) => error && refused(error) });
});
