// Short words about what just happened, which go away by themselves; a screen reader says them.

import { signal } from "@preact/signals";

const SHOWN_MS = 6_000;
const MOST = 4;

const toasts = signal([]);
let last = 0;

/** Say `text`. kind: "info" or "error". */
export function toast(text, kind = "info") {
  const id = ++last;
  toasts.value = [...toasts.value.slice(1 - MOST), { id, text, kind }];
  setTimeout(() => drop(id), SHOWN_MS);
}

function drop(id) {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, text, kind }) => (
        <div key={id} class={`toast ${kind}`}>
          <span>{text}</span>
          <button type="button" class="button quiet close" onClick={() => drop(id)} aria-label="Dismiss">✕</button>
        </div>
      ))}
    </div>
  );
}
