// What is in the forms now: it stays while other views are shown, and is forgotten when somebody else joins.

import { effect, signal } from "@preact/signals";

import { identity, isSame } from "../../identity.js";
import { BLANK, TOOLS } from "./forms.js";

/** tool -> signal of its form */
export const drafts = Object.fromEntries(TOOLS.map((tool) => [tool, signal(BLANK[tool])]));

/** Change fields of a form. */
export function draft(tool, fields) {
  drafts[tool].value = { ...drafts[tool].value, ...fields };
}

const forgetters = [() => TOOLS.forEach((tool) => (drafts[tool].value = BLANK[tool]))];

/** Run `forget` whenever somebody else than before works here: nobody sees what another one called or got. */
export function onOthers(forget) {
  forgetters.push(forget);
}

let before = null;
effect(() => {
  const now = identity.value;
  if (before !== null && !isSame(before, now)) for (const forget of forgetters) forget();
  before = now;
});
