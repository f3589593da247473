// The calls of this page, the newest first: those that are open, and the last that are done.

import { signal } from "@preact/signals";

import { call, onJoin, state, WampError } from "../../connection.js";
import { LOST } from "../../connection/errors.js";
import { onOthers } from "./drafts.js";
import { Recent } from "./recent.js";

const MOST_CALLS = 50;
const MOST_OPEN = 20;
const MOST_PROGRESS = 200;
const PAUSE_MS = 50;

/**
 * [{id, form, procedure, at, state, ms, result, error, progress, progressCount, isCanceling}]: `state` is "open", "done" or
 * "failed", `form` the form that asked.
 */
export const calls = signal([]);

const promises = new Map(); // id -> {promise, ended}: the promise of the answer, which has cancel(mode), and what tells its end
let last = 0;

/** Tell why no further call may begin now, or null. */
export function whyNot() {
  if (state.value !== "joined") return "There is no session now.";
  return promises.size >= MOST_OPEN ? `${MOST_OPEN} calls are open: cancel one, or wait.` : null;
}

/** Call; gives the id of the new entry. */
export function begin({ procedure, args, kwargs, options, receivesProgress }, form) {
  const id = ++last;
  const began = performance.now();
  const entry = { id, form, procedure, at: Date.now(), state: "open", ms: null, result: null, error: null, progress: [], progressCount: 0, isCanceling: false };
  calls.value = bounded([entry, ...calls.value]);
  const ended = (fields) => {
    if (promises.get(id)?.promise !== promise) return; // the session ended before
    promises.delete(id);
    change(id, { ms: performance.now() - began, ...fields });
  };
  const onProgress = receivesProgress ? gathered(id) : undefined;
  const promise = call(procedure, args, kwargs, { ...options, onProgress });
  promises.set(id, { promise, ended });
  promise.then((result) => ended({ state: "done", result }), (error) => ended({ state: "failed", error }));
  return id;
}

/** Cancel an open call; mode: "skip", "kill" or "killnowait". */
export function cancel(id, mode) {
  change(id, { isCanceling: true });
  promises.get(id)?.promise.cancel(mode);
}

export function clearCalls() {
  calls.value = calls.value.filter((one) => one.state === "open");
}

function change(id, fields) {
  calls.value = calls.value.map((one) => (one.id === id ? { ...one, ...fields } : one));
}

/** Those that are open are never forgotten. */
function bounded(all) {
  let room = MOST_CALLS;
  return all.filter((one) => one.state === "open" || room-- > 0);
}

function gathered(id) {
  const recent = new Recent(MOST_PROGRESS, 2_000_000);
  let timer = null;
  const show = () => {
    timer = null;
    change(id, { progress: recent.take(), progressCount: recent.count });
  };
  return ({ args, kwargs }) => {
    recent.add({ args, kwargs, at: Date.now() });
    timer ??= setTimeout(show, PAUSE_MS);
  };
}

// A connection that hangs is given up before its promises are: no answer comes any more.
onJoin(() => () => {
  const error = new WampError(LOST, "The connection ended before an answer came.");
  for (const { ended } of [...promises.values()]) ended({ state: "failed", error });
});

onOthers(() => {
  promises.clear();
  calls.value = [];
});
