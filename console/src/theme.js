// Dark or light: what the system prefers, unless the user has chosen; the choice is kept by the browser.
//
// A small file of its own in the page's head, so that the first thing to be seen has the right colours.

import { signal } from "@preact/signals";
import { kept, keep } from "./kept.js";

const THEMES = ["system", "light", "dark"];
const KEY = "theme";

/** The user's choice: "system", "light" or "dark". */
export const choice = signal(THEMES.includes(kept(KEY)) ? kept(KEY) : "system");
/** What is shown: "light" or "dark". Plots, which are drawn, follow it. */
export const theme = signal("light");

const dark = matchMedia("(prefers-color-scheme: dark)");

export function choose(name) {
  choice.value = name;
  keep(KEY, name === "system" ? undefined : name);
  show();
}

/** Choose what comes after the present choice. */
export function chooseNext() {
  choose(THEMES[(THEMES.indexOf(choice.value) + 1) % THEMES.length]);
}

function show() {
  theme.value = choice.value === "system" ? (dark.matches ? "dark" : "light") : choice.value;
  document.documentElement.dataset.theme = theme.value;
}

dark.addEventListener("change", show);
show();
