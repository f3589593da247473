// Keys of the whole console. A key pressed while something is typed is text, not a shortcut.
//
// `g` and then the key of a view goes there; the other keys are in SHORTCUTS, and views add theirs with useShortcut.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** key -> {title, run}; the page of shortcuts lists what is here. */
export const shortcuts = signal(new Map());

const SEQUENCE_MS = 1_500;
let goingSince = -Infinity;
let views = new Map(); // key -> function that goes there

/** Say what `g` and a key do. */
export function setViewKeys(given) {
  views = given;
}

/** Let `key` run `run` until the function that this gives is called. */
export function addShortcut(key, title, run) {
  const mine = { title, run };
  shortcuts.value = new Map(shortcuts.value).set(key, mine);
  return () => {
    if (shortcuts.value.get(key) !== mine) return;
    const rest = new Map(shortcuts.value);
    rest.delete(key);
    shortcuts.value = rest;
  };
}

/** `addShortcut` for a component, while it is shown. */
export function useShortcut(key, title, run) {
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => addShortcut(key, title, (event) => latest.current(event)), [key, title]);
}

function isTyping({ target }) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event) || document.querySelector("dialog[open]")) return;
  const isSecond = event.timeStamp - goingSince < SEQUENCE_MS;
  goingSince = -Infinity;
  const run = isSecond ? views.get(event.key) : shortcuts.value.get(event.key)?.run;
  if (run) {
    event.preventDefault();
    run(event);
  } else if (event.key === "g") {
    goingSince = event.timeStamp;
  }
});
