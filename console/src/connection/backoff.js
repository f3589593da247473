// How long to wait before the next attempt: doubled each time, with jitter, never more than a few seconds.

const FIRST_MS = 250;
const MOST_MS = 8_000;

/** Give the time before attempt number `attempt`, which counts from 0; `random` gives numbers of [0, 1). */
export function delayMs(attempt, random = Math.random) {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(most * (0.5 + random() / 2));
}
