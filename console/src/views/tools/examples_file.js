// Examples of requests, as they are kept and as they are in a file: {concord_examples: 1, examples: [{tool, name, form}]}.
//
// What comes from a file is checked as a whole before any of it is taken.

import { BLANK, CHOICES, TOOLS } from "./forms.js";

export const MOST_EXAMPLES = 200;
export const LARGEST_FILE = 1_000_000;
const LONGEST_NAME = 80;
const LONGEST_TEXT = 20_000;

/** Those that every realm has an answer for. */
export const BUILT_IN = [
  { tool: "call", name: "How many sessions", form: { procedure: "wamp.session.count" } },
  { tool: "call", name: "All registrations", form: { procedure: "wamp.registration.list" } },
  { tool: "call", name: "All subscriptions", form: { procedure: "wamp.subscription.list" } },
  { tool: "call", name: "Procedures that are described", form: { procedure: "wamp.reflection.procedure.list" } },
  { tool: "publish", name: "A greeting", form: { topic: "com.example.greeting", args: '["hello"]' } },
  { tool: "subscribe", name: "Sessions that join", form: { topic: "wamp.session.on_join" } },
  { tool: "subscribe", name: "Everything of com.example", form: { topic: "com.example.", match: "prefix" } },
  { tool: "register", name: "Echo", form: { procedure: "com.example.echo", answer: "echo" } },
  { tool: "register", name: "Ask me", form: { procedure: "com.example.ask", answer: "ask" } },
].map((one) => ({ ...one, form: { ...BLANK[one.tool], ...one.form } }));

/** Give {examples} of the text of a file, or {error}. */
export function readExamples(text) {
  if (text.length > LARGEST_FILE) return { error: `The file has more than ${LARGEST_FILE} characters.` };
  let whole;
  try {
    whole = JSON.parse(text);
  } catch (error) {
    return { error: `The file is no JSON: ${error.message}` };
  }
  if (whole?.concord_examples !== 1 || !Array.isArray(whole.examples)) return { error: "This is no file of examples: it has no \"concord_examples\": 1 with a list \"examples\"." };
  if (whole.examples.length > MOST_EXAMPLES) return { error: `The file has ${whole.examples.length} examples; ${MOST_EXAMPLES} are kept at most.` };
  for (const [index, one] of whole.examples.entries()) {
    const wrong = wrongIn(one);
    if (wrong) return { error: `Example ${index + 1}${typeof one?.name === "string" ? ` (${one.name.slice(0, LONGEST_NAME)})` : ""}: ${wrong}` };
  }
  return { examples: whole.examples.map(filled) };
}

/** Give the text of a file. */
export function writeExamples(examples) {
  return `${JSON.stringify({ concord_examples: 1, examples: examples.map(short) }, null, 2)}\n`;
}

/** Give `examples` with `more`, which take the place of those with the same tool and name; or {error}. */
export function merged(examples, more) {
  const byName = new Map([...examples, ...more].map((one) => [`${one.tool} ${one.name}`, one]));
  if (byName.size > MOST_EXAMPLES) return { error: `${MOST_EXAMPLES} examples are kept at most; this would make ${byName.size}.` };
  return { examples: [...byName.values()].sort((one, other) => one.name.localeCompare(other.name)) };
}

/** Tell what is wrong with an example, or null. */
export function wrongIn(one) {
  if (one === null || typeof one !== "object" || Array.isArray(one)) return "it is no object.";
  if (!TOOLS.includes(one.tool)) return `its tool is none of ${TOOLS.join(", ")}.`;
  if (typeof one.name !== "string" || one.name.trim() === "") return "it has no name.";
  if (one.name.length > LONGEST_NAME) return `its name has more than ${LONGEST_NAME} characters.`;
  if (one.form === null || typeof one.form !== "object" || Array.isArray(one.form)) return "it has no form.";
  return Object.entries(one.form).map(([field, value]) => wrongField(one.tool, field, value)).find(Boolean) ?? null;
}

function wrongField(tool, field, value) {
  if (!Object.hasOwn(BLANK[tool], field)) return `"${field}" is no field of ${tool}.`;
  const type = typeof BLANK[tool][field];
  if (typeof value !== type) return `"${field}" is no ${type === "string" ? "text" : "true or false"}.`;
  if (type === "string" && value.length > LONGEST_TEXT) return `"${field}" has more than ${LONGEST_TEXT} characters.`;
  if (CHOICES[field] && !CHOICES[field].includes(value)) return `"${field}" is none of ${CHOICES[field].join(", ")}.`;
  return null;
}

function filled({ tool, name, form }) {
  return { tool, name: name.trim(), form: { ...BLANK[tool], ...form } };
}

/** Without what is as in an empty form. */
function short({ tool, name, form }) {
  return { tool, name, form: Object.fromEntries(Object.entries(form).filter(([field, value]) => value !== BLANK[tool][field])) };
}
