// The examples that this browser keeps.

import { signal } from "@preact/signals";

import { keep, kept } from "../../kept.js";
import { merged, readExamples, wrongIn, writeExamples } from "./examples_file.js";

const NAME = "examples";

/** [{tool, name, form}], sorted by name. */
export const examples = signal(atFirst());

/** Keep one more, or several; gives an error's text or null. */
export function keepExamples(more) {
  const wrong = more.map(wrongIn).find(Boolean);
  if (wrong) return `This example cannot be kept: ${wrong}`;
  const { examples: all, error } = merged(examples.value, more);
  return error ?? put(all);
}

export function forgetExample({ tool, name }) {
  return put(examples.value.filter((one) => one.tool !== tool || one.name !== name));
}

/** Take what a file holds; gives {count} or {error}. */
export function importExamples(text) {
  const { examples: more, error } = readExamples(text);
  const wrong = error ?? keepExamples(more);
  return wrong ? { error: wrong } : { count: more.length };
}

/** Let the browser save all examples as a file. */
export function exportExamples() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([writeExamples(examples.value)], { type: "application/json" }));
  link.download = "concord-examples.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function put(all) {
  if (!keep(NAME, writeExamples(all))) return "This browser keeps nothing more.";
  examples.value = all;
  return null;
}

function atFirst() {
  const text = kept(NAME);
  return (typeof text === "string" && readExamples(text).examples) || [];
}
