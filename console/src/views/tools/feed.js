// What this page is subscribed to, and the newest events of it: they go on while other views are shown, and over reconnects.

import { signal } from "@preact/signals";

import { call, onJoin, subscribe } from "../../connection.js";
import { timeOfDay } from "../../ui/format.js";
import { onOthers } from "./drafts.js";
import { Recent } from "./recent.js";

const MOST_TOPICS = 50;
const MOST_EVENTS = 2_000;
const MOST_OF_HISTORY = 200;
const PAUSE_MS = 100;

/** [{id, topic, match, form, state, error, count}]: `state` is "asking", "on" or "refused". */
export const subscriptions = signal([]);
/** {list, count, forgotten}: the events, the oldest first, [{id, kind, at, topic, args, kwargs, details, text}]; `kind` is "event" or "gap". */
export const events = signal({ list: [], count: 0, forgotten: 0 });

const recent = new Recent(MOST_EVENTS);
const undo = new Map(); // id of a subscription -> function that ends it
const counts = new Map(); // id of a subscription -> how many events came
let timer = null;
let last = 0;
let lostAt = null;

/** Subscribe; gives a text where that cannot be, or null. */
export function follow({ topic, options }, form) {
  const match = options.match ?? "exact";
  if (subscriptions.value.some((one) => one.topic === topic && one.match === match)) return "This page is subscribed to it already.";
  if (subscriptions.value.length >= MOST_TOPICS) return `This page subscribes to ${MOST_TOPICS} topics at most.`;
  const id = ++last;
  counts.set(id, 0);
  subscriptions.value = [...subscriptions.value, { id, topic, match, form, state: "asking", error: null, count: 0 }];
  const onState = (error) => change(id, { state: error ? "refused" : "on", error });
  undo.set(id, subscribe(topic, (event) => take(id, topic, event), { ...asked(topic, options), onState }));
  return null;
}

export function unfollow(id) {
  undo.get(id)?.();
  undo.delete(id);
  counts.delete(id);
  subscriptions.value = subscriptions.value.filter((one) => one.id !== id);
}

export function clearEvents() {
  show(recent.clear());
}

/** Give the newest events that the router keeps of a subscription, the oldest first. */
export async function historyOf({ topic, match }) {
  const { args: [id] } = await call("wamp.subscription.lookup", [topic, { match }]);
  const { args: [kept] } = await call("wamp.subscription.get_events", [id], { limit: MOST_OF_HISTORY, reverse: true });
  const past = new Recent(MOST_OF_HISTORY);
  for (const { timestamp, details = {}, args = [], kwargs = {} } of (Array.isArray(kept) ? kept : []).reverse()) {
    past.add({ kind: "event", at: timestamp, topic: details.topic ?? topic, args, kwargs, details });
  }
  return past.take();
}

/** The router's own topics have no retained events; other views subscribe to them too, by the same subscription. */
function asked(topic, { get_retained: getRetained, ...options }) {
  return getRetained && !/^(wamp|concord)\./.test(topic) ? { ...options, get_retained: true } : options;
}

function take(id, topic, { args, kwargs, details }) {
  counts.set(id, counts.get(id) + 1);
  recent.add({ kind: "event", at: Date.now(), topic: details.topic ?? topic, args, kwargs, details });
  timer ??= setTimeout(gathered, PAUSE_MS);
}

function gathered() {
  timer = null;
  show(recent.take());
  subscriptions.value = subscriptions.value.map((one) => (one.count === counts.get(one.id) ? one : { ...one, count: counts.get(one.id) }));
}

function show(list) {
  events.value = { list, count: recent.count, forgotten: recent.forgotten };
}

function change(id, fields) {
  subscriptions.value = subscriptions.value.map((one) => (one.id === id ? { ...one, ...fields } : one));
}

/** Say in the list that events may be missing. */
function mark() {
  const text = `There was no session from ${timeOfDay(lostAt)} to ${timeOfDay(Date.now())}: events of that time are missing.`;
  recent.add({ kind: "gap", at: Date.now(), topic: "", args: [text], kwargs: {}, details: {} });
  gathered();
}

onJoin(() => {
  if (lostAt !== null && subscriptions.value.length > 0) mark();
  lostAt = null;
  return () => {
    lostAt = Date.now();
    subscriptions.value = subscriptions.value.map((one) => ({ ...one, state: "asking", error: null }));
  };
});

onOthers(() => {
  for (const { id } of subscriptions.value) unfollow(id);
  clearEvents();
});
