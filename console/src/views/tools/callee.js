// The procedures that this page has registered, what was asked of them, and what waits for the person's answer.
//
// A registration ends with its session. It is not made again by itself: callers would get answers that nobody thinks of any more.

import { signal } from "@preact/signals";

import { onJoin, register, unregister, WampError } from "../../connection.js";
import { onOthers } from "./drafts.js";
import { Recent } from "./recent.js";
import { requestOf } from "./forms.js";

const MOST_REGISTRATIONS = 50;
const MOST_WAITING = 100;
const MOST_INVOCATIONS = 500;
const PAUSE_MS = 50;

/** [{id, procedure, form, state, error, count}]: `state` is "asking", "on", "refused" or "ended". */
export const registrations = signal([]);
/** {list, count, forgotten}: the invocations, the oldest first, [{id, at, procedure, answer, args, kwargs, details, text}]. */
export const invocations = signal({ list: [], count: 0, forgotten: 0 });
/** Those that wait for an answer: [{id, at, procedure, args, kwargs, details, answer(payload), refuse(error)}]. */
export const waiting = signal([]);

const recent = new Recent(MOST_INVOCATIONS);
let timer = null;
let last = 0;

/** Register; gives a text where that cannot be, or null. */
export function provide(request, form) {
  const { procedure } = request;
  const before = registrations.value.find((one) => one.procedure === procedure);
  if (before && (before.state === "on" || before.state === "asking")) return "This page has registered it already.";
  if (!before && registrations.value.length >= MOST_REGISTRATIONS) return `This page registers ${MOST_REGISTRATIONS} procedures at most.`;
  const id = ++last;
  const entry = { id, procedure, form, state: "asking", error: null, count: 0 };
  registrations.value = [...registrations.value.filter((one) => one !== before), entry];
  register(procedure, (invocation) => invoked(id, request, invocation), request.options).then(
    () => change(id, { state: "on" }),
    (error) => change(id, { state: "refused", error }),
  );
  return null;
}

/** Register those again whose session has ended. */
export function provideAgain(which = registrations.value.filter(({ state }) => state === "ended")) {
  for (const { form } of which) provide(requestOf("register", form).request, form);
}

/** Take a registration back, or forget one that is none any more; rejects with a WampError. */
export async function withdraw({ id, procedure, state }) {
  if (state === "on") await unregister(procedure);
  registrations.value = registrations.value.filter((one) => one.id !== id);
}

export function clearInvocations() {
  show(recent.clear());
}

function invoked(id, request, { args, kwargs, details }) {
  const { answer } = request;
  const procedure = details.procedure ?? request.procedure;
  recent.add({ at: Date.now(), registration: id, procedure, answer, args, kwargs, details });
  timer ??= setTimeout(gathered, PAUSE_MS);
  if (answer === "ask") return asked({ procedure, args, kwargs, details });
  if (answer === "error") throw new WampError(request.error, "", { args: request.args, kwargs: request.kwargs });
  return answer === "echo" ? { args, kwargs } : { args: request.args, kwargs: request.kwargs };
}

/** Give a promise of what the person answers. */
function asked(what) {
  if (waiting.value.length >= MOST_WAITING) throw new WampError("wamp.error.unavailable", `${MOST_WAITING} others wait for an answer already`);
  return new Promise((resolve, reject) => {
    const id = ++last;
    const ended = (settle) => (given) => {
      waiting.value = waiting.value.filter((one) => one.id !== id);
      settle(given);
    };
    waiting.value = [...waiting.value, { ...what, id, at: Date.now(), answer: ended(resolve), refuse: ended(reject) }];
  });
}

function gathered() {
  timer = null;
  const before = invocations.value.count;
  show(recent.take());
  const counts = new Map();
  for (const { id, registration } of invocations.value.list) if (id > before) counts.set(registration, (counts.get(registration) ?? 0) + 1);
  registrations.value = registrations.value.map((one) => (counts.has(one.id) ? { ...one, count: one.count + counts.get(one.id) } : one));
}

function show(list) {
  invocations.value = { list, count: recent.count, forgotten: recent.forgotten };
}

function change(id, fields) {
  registrations.value = registrations.value.map((one) => (one.id === id && one.state === "asking" ? { ...one, ...fields } : one));
}

onJoin(() => () => {
  waiting.value = [];
  registrations.value = registrations.value.map((one) => (one.state === "refused" ? one : { ...one, state: "ended" }));
});

onOthers(() => {
  for (const one of registrations.value) withdraw(one).catch(() => {});
  registrations.value = [];
  waiting.value = [];
  clearInvocations();
});
