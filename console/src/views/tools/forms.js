// The forms of the four tools: what is in them, and the request that each is, or what is wrong with it.
//
// A form is a flat object of texts and booleans, so that an example of it is easily kept and checked.

import { readJson } from "./json_text.js";

/** tool -> its empty form. */
export const BLANK = {
  call: { procedure: "", args: "", kwargs: "", timeout: "", receive_progress: false, disclose_me: false, options: "" },
  publish: { topic: "", args: "", kwargs: "", acknowledge: true, exclude_me: true, disclose_me: false, retain: false, eligible: "", exclude: "", options: "" },
  subscribe: { topic: "", match: "exact", get_retained: false },
  register: { procedure: "", match: "exact", invoke: "single", answer: "fixed", args: "", kwargs: "", error: "com.example.error", options: "" },
};
export const TOOLS = Object.keys(BLANK);
/** field -> the values that it has. */
export const CHOICES = {
  match: ["exact", "prefix", "wildcard"],
  invoke: ["single", "roundrobin", "random", "first", "last"],
  answer: ["fixed", "echo", "error", "ask"],
};

const LISTS = {
  eligible: "number", exclude: "number", eligible_authid: "string", eligible_authrole: "string", exclude_authid: "string", exclude_authrole: "string",
};
const BOOLEANS = ["disclose_me", "retain", "acknowledge", "exclude_me", "get_retained"];
const NOT_HERE = ["receive_progress", "progress", "progress_callback", "onProgress", "onState"];

/** Give {request, errors}: `errors` is field -> what is wrong with it, and empty where all is well. */
export function requestOf(tool, form) {
  const errors = {};
  const json = (field, expect) => {
    const { value, error } = readJson(form[field], expect);
    if (error) errors[field] = error;
    return value;
  };
  const request = READERS[tool](form, json, errors);
  return { request, errors };
}

const READERS = {
  call(form, json, errors) {
    const options = optionsOf(form, json, errors);
    const timeout = whole(form.timeout);
    if (timeout === null) errors.timeout = "Milliseconds are needed, as 5000.";
    return {
      procedure: named(form, "procedure", errors),
      ...payload(json),
      options: { ...(timeout && { timeout }), ...(form.disclose_me && { disclose_me: true }), ...options },
      receivesProgress: form.receive_progress,
    };
  },
  publish(form, json, errors) {
    const options = optionsOf(form, json, errors);
    const lists = {};
    for (const field of ["eligible", "exclude"]) {
      const ids = numbers(form[field]);
      if (ids === null) errors[field] = "Numbers of sessions are needed, with commas between them.";
      else if (ids.length > 0) lists[field] = ids;
    }
    const { acknowledge, exclude_me, disclose_me, retain } = form;
    const chosen = { acknowledge, ...(!exclude_me && { exclude_me }), ...(disclose_me && { disclose_me }), ...(retain && { retain }) };
    return { topic: named(form, "topic", errors), ...payload(json), options: { ...chosen, ...lists, ...options } };
  },
  subscribe(form, json, errors) {
    const { match, get_retained: getRetained } = form;
    return {
      topic: match === "prefix" ? form.topic.trim() : named(form, "topic", errors),
      options: { ...(match !== "exact" && { match }), ...(getRetained && { get_retained: true }) },
    };
  },
  register(form, json, errors) {
    const { match, invoke, answer } = form;
    const error = answer === "error" ? named(form, "error", errors) : null;
    const isTyped = answer === "fixed" || answer === "error";
    const options = optionsOf(form, json, errors);
    return {
      procedure: match === "prefix" ? form.procedure.trim() : named(form, "procedure", errors),
      options: { ...(match !== "exact" && { match }), ...(invoke !== "single" && { invoke }), ...options },
      answer, error, ...(isTyped ? payload(json) : { args: [], kwargs: {} }),
    };
  },
};

function payload(json) {
  return { args: json("args", "array") ?? [], kwargs: json("kwargs", "object") ?? {} };
}

function named(form, field, errors) {
  const uri = form[field].trim();
  if (!uri) errors[field] = "A URI is needed.";
  return uri;
}

/** Give a number, undefined for no text, or null for what is none. */
function whole(text) {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  return /^\s*\d+\s*$/.test(text) && Number.isSafeInteger(value) ? value : null;
}

function numbers(text) {
  const values = text.split(/[\s,]+/).filter(Boolean).map(whole);
  return values.includes(null) ? null : values;
}

/** Give the options that are typed as JSON. What the client would not send, or not survive, is a mistake here. */
function optionsOf(form, json, errors) {
  const options = json("options", "object") ?? {};
  const wrong = Object.entries(options).map(([name, value]) => wrongOption(name, value)).find(Boolean);
  if (wrong) errors.options = wrong;
  return options;
}

function wrongOption(name, value) {
  if (NOT_HERE.includes(name)) return `"${name}" is not set here.`;
  if (name.startsWith("ppt_")) return "Payload passthru is not for JSON that is typed.";
  const type = LISTS[name];
  if (type && !(Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === type))) return `"${name}" is a list with at least one ${type}.`;
  if (BOOLEANS.includes(name) && typeof value !== "boolean") return `"${name}" is true or false.`;
  if (name === "timeout" && !(Number.isSafeInteger(value) && value >= 0)) return '"timeout" is a number of milliseconds.';
  const choices = CHOICES[name];
  if (choices && name !== "answer" && !choices.includes(value)) return `"${name}" is one of ${choices.join(", ")}.`;
  return null;
}
