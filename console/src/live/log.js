// The lines of the router's log, as `concord.log` tells them, the newest 5,000 of this page.

import { signal } from "@preact/signals";

import { call, isDenied, onJoin, subscribe } from "../connection.js";

export const LEVELS = ["debug", "info", "warn", "error", "critical"];
export const MOST_LINES = 5_000;

/** [{id, time, level, namespace, message, fields?, traceback?, lost?}], the oldest first. */
export const lines = signal([]);
/** Why no lines come: a WampError, or null. */
export const logError = signal(null);

const PAUSE_MS = 250;
let waiting = [];
let timer = null;
let last = 0;

function take({ kwargs }) {
  waiting.push({ ...kwargs, id: ++last });
  if (waiting.length > MOST_LINES) waiting.shift();
  timer ??= setTimeout(show, PAUSE_MS);
}

function show() {
  timer = null;
  lines.value = [...lines.value, ...waiting].slice(-MOST_LINES);
  waiting = [];
}

export function clearLines() {
  lines.value = [];
}

onJoin(() => {
  logError.value = null;
  const refused = (error) => {
    if (isDenied(error)) logError.value = error;
  };
  // Everybody whose role may subscribe it can do so; its events are for operators alone, who may ask this.
  call("concord.log_level").catch(refused);
  return subscribe("concord.log", take, { onState: refused });
});
