// The one connection of the console: who is joined, and what can be asked.
//
// Rules of this file:
// - A connection that breaks is opened again, without end; one that the router ended on purpose is not: the user decides.
// - A subscription that a view wants lives on over reconnects; what happened in between is not told, so
//   that views read again in `onJoin`.
// - A topic is subscribed once, however many want it.
// - Nothing here throws at a view: `call` rejects with a WampError, a subscription tells its error.

import { batch, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { delayMs } from "./connection/backoff.js";
import { Client } from "./connection/client.js";
import { optionsFor } from "./connection/credentials.js";
import { errorOf, LOST, WampError } from "./connection/errors.js";
import { Topic } from "./connection/topic.js";

export { isDenied, WampError } from "./connection/errors.js";

/** "out" (nobody has joined), "joining", "joined", or "waiting" (lost; another attempt follows). */
export const state = signal("out");
/** {id, realm, authid, authrole, authmethod, authprovider, agent, details} of the session; null when there is none. */
export const session = signal(null);
/** The realm of the session, or of the one before it; null before the first. */
export const realm = signal(null);
/** The joined client of wampy.js, for libraries that take one, as dstm.js; null when there is none. */
export const client = signal(null);
/** Why there is no session, as {uri, text}; null while all is well. */
export const trouble = signal(null);
/** When the next attempt begins, in milliseconds of performance.now(); null while none is planned. */
export const nextAttempt = signal(null);

const ENDS_THAT_PASS = new Set(["wamp.close.system_shutdown", "wamp.close.close_realm", "wamp.error.unavailable"]);
const REFUSALS_THAT_PASS = new Set(["wamp.close.system_shutdown", "wamp.error.unavailable", "concord.error.limit_exceeded"]);

const SILENT_MS = 10_000;
const ANSWER_MS = 10_000;
const JOIN_MS = 15_000;
const REACH_MS = 4_000;

let credentials = null; // those with which the page joins again
let attempt = 0;
let timer = null;
let serial = 0; // counts the attempts, so that what an older one brings is ignored
const topics = new Map(); // key of a topic and its options -> Topic
const joined = new Set(); // functions to run after each join; they may give one that runs at its end
const cleanups = new Map(); // function of `joined` -> what it gave

/**
 * Join with `given` ({realm, method, authid, secret}), and again whenever the connection breaks.
 *
 * Resolves with true when joined, with false when refused; `trouble` then says why.
 */
export async function join(given) {
  forget();
  credentials = given;
  attempt = 0;
  return attemptToJoin();
}

/** Leave the realm, and forget the credentials. */
export async function leave() {
  const leaving = client.value;
  forget();
  end(null);
  state.value = "out";
  await leaving?.disconnect().catch(() => {});
}

/** Try at once instead of waiting. */
export function tryNow() {
  if (state.value === "waiting") {
    clearTimeout(timer);
    attemptToJoin();
  }
}

/**
 * Call `procedure`; resolves with {args, kwargs, details}, rejects with a WampError.
 *
 * options: those of CALL, and `onProgress({args, kwargs, details})`. The promise has `cancel(mode)`.
 */
export function call(procedure, args = [], kwargs = {}, { onProgress, ...options } = {}) {
  const using = client.value;
  if (!using) return cancelable(Promise.reject(noSession()), null, 0);
  const sent = { ...options };
  if (onProgress) sent.progress_callback = (result) => onProgress(resultOf(result));
  const promise = using.call(procedure, { argsList: args, argsDict: kwargs }, sent);
  const { reqId } = using.getOpStatus();
  return cancelable(promise.then(resultOf, (error) => Promise.reject(errorOf(error))), using, reqId);
}

/** Publish to `topic`; resolves with the publication's id where `options.acknowledge` is not false. */
export async function publish(topic, args = [], kwargs = {}, options = {}) {
  const using = client.value;
  if (!using) throw noSession();
  const sent = using.publish(topic, { argsList: args, argsDict: kwargs }, options);
  if (options.acknowledge === false) {
    sent.catch(() => {});
    return null;
  }
  return sent.then((done) => done.publicationId, (error) => Promise.reject(errorOf(error)));
}

/**
 * Register `procedure`, for this session only; resolves with its registration's id.
 *
 * answer({args, kwargs, details}) gives {args, kwargs}, or a promise of it; a WampError that it throws is the answer.
 */
export async function register(procedure, answer, options = {}) {
  const using = client.value;
  if (!using) throw noSession();
  const invoked = async ({ argsList, argsDict, details }) => {
    try {
      const { args = [], kwargs = {} } = (await answer({ args: argsList ?? [], kwargs: argsDict ?? {}, details })) ?? {};
      return { argsList: args, argsDict: kwargs };
    } catch (error) {
      throw errorSent(error);
    }
  };
  return using.register(procedure, invoked, options).then((done) => done.registrationId, (error) => Promise.reject(errorOf(error)));
}

/** Give what wampy.js sends as ERROR. */
function errorSent(error) {
  const isWhole = error instanceof WampError && (error.args.length > 0 || !error.text);
  const argsList = isWhole ? error.args : [error.text ?? String(error)];
  return { error: error.uri ?? "wamp.error.runtime_error", argsList, argsDict: error.kwargs };
}

/** Take a registration back. */
export async function unregister(procedure) {
  await client.value?.unregister(procedure).catch((error) => Promise.reject(errorOf(error)));
}

/**
 * Subscribe to `topic` until the function that this gives is called, over reconnects too.
 *
 * onEvent({args, kwargs, details}); onState(null) when it is subscribed, onState(error) when it was refused.
 * options: those of SUBSCRIBE.
 */
export function subscribe(topic, onEvent, { onState, ...options } = {}) {
  const key = JSON.stringify([topic, options]);
  if (!topics.has(key)) topics.set(key, new Topic(topic, options, client));
  const wanted = topics.get(key);
  const listener = { onEvent, onState: onState ?? (() => {}) };
  wanted.add(listener);
  return () => {
    if (wanted.remove(listener) && topics.get(key) === wanted) topics.delete(key);
  };
}

/** Run `begin` now, if joined, and after each join; what it gives runs when the session ends. Gives a function that stops it. */
export function onJoin(begin) {
  joined.add(begin);
  if (state.value === "joined") cleanups.set(begin, begin());
  return () => {
    joined.delete(begin);
    finish(begin);
  };
}

/** `onJoin` for a component: from its first showing to its last. */
export function useJoin(begin, dependencies = []) {
  useEffect(() => onJoin(begin), dependencies);
}

let path = null;

async function websocketPath() {
  if (path === null) path = (await (await askWhere()).json()).path;
  return path;
}

/** Ask where the WebSocket is; a TypeError where nobody answers in time. */
async function askWhere() {
  try {
    return await fetch("websocket.json", { signal: AbortSignal.timeout(REACH_MS) });
  } catch (error) {
    throw new TypeError("no answer", { cause: error });
  }
}

/** Tell whether the router gives an answer now. */
export async function isReachable() {
  try {
    return (await askWhere()).ok;
  } catch {
    return false;
  }
}

async function attemptToJoin() {
  const mine = ++serial;
  state.value = "joining";
  nextAttempt.value = null;
  let made = null;
  try {
    const [where, options] = [await websocketPath(), await optionsFor(credentials)];
    made = new Client(where, options);
    const closed = made.closed.then(() => mine === serial && lost(made));
    const ended = Promise.race([closed, after(JOIN_MS)]).then(() => Promise.reject(new TypeError("no answer")));
    const details = await Promise.race([made.connect(), ended]);
    if (mine !== serial) return void made.disconnect().catch(() => {});
    welcome(made, details);
    return true;
  } catch (error) {
    made?.drop();
    if (mine === serial) refused(made, error);
    return false;
  }
}

function after(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function welcome(made, details) {
  attempt = 0;
  batch(() => {
    client.value = made;
    session.value = { id: made.getSessionId(), realm: credentials.realm, details, ...namesOf(details) };
    realm.value = credentials.realm;
    trouble.value = null;
    state.value = "joined";
  });
  for (const topic of topics.values()) topic.begin();
  for (const begin of [...joined]) cleanups.set(begin, begin());
}

function namesOf({ authid, authrole, authmethod, authprovider, agent }) {
  return { authid, authrole, authmethod, authprovider, agent };
}

/** The attempt failed: by an answer of the router, which counts, or for want of a connection, which passes. */
function refused(made, error) {
  const said = typeof error?.errorUri === "string" ? errorOf(error) : null;
  const isMistake = !made && !(error instanceof TypeError) && !(error instanceof SyntaxError); // those are fetch's
  if (said && !REFUSALS_THAT_PASS.has(said.uri)) return stop({ uri: said.uri, text: said.text });
  if (isMistake) return stop({ uri: "", text: error.message });
  waitAndTry(said ? { uri: said.uri, text: said.text } : { uri: LOST, text: "The router does not answer." });
}

/** The connection of a joined session ended, or nothing has come over it for too long. */
function lost(made) {
  if (made !== client.value) return;
  const { goodbye } = made;
  made.drop();
  if (goodbye && !ENDS_THAT_PASS.has(goodbye.reason)) {
    return stop({ uri: goodbye.reason, text: goodbye.message || "The router ended this session." });
  }
  const text = goodbye ? "The router is stopping." : "The connection was lost.";
  waitAndTry({ uri: goodbye?.reason ?? LOST, text });
}

function waitAndTry(why) {
  end(why);
  const wait = delayMs(attempt++);
  batch(() => {
    state.value = "waiting";
    nextAttempt.value = performance.now() + wait;
  });
  timer = setTimeout(attemptToJoin, wait);
}

function stop(why) {
  end(why);
  credentials = null;
  state.value = "out";
}

/** Nobody is joined any more. */
function end(why) {
  for (const topic of topics.values()) topic.end();
  for (const begin of [...cleanups.keys()]) finish(begin);
  batch(() => {
    client.value = null;
    session.value = null;
    trouble.value = why;
    nextAttempt.value = null;
  });
}

function forget() {
  serial += 1;
  clearTimeout(timer);
  credentials = null;
}

function finish(begin) {
  const cleanup = cleanups.get(begin);
  cleanups.delete(begin);
  if (typeof cleanup === "function") cleanup();
}

function resultOf({ argsList, argsDict, details }) {
  return { args: argsList ?? [], kwargs: argsDict ?? {}, details: details ?? {} };
}

function noSession() {
  return new WampError(LOST, "There is no session now.");
}

function cancelable(promise, using, request) {
  promise.cancel = (mode = "killnowait") => {
    try {
      using?.cancel(request, { mode });
    } catch {
      // It has its answer already.
    }
  };
  return promise;
}

// A network that is gone closes no connection: where nothing has come for a while, anything is asked, and an error is an
// answer too. Browsers may run this seldom (pages in the background), so that only a question without an answer counts.
let askedAt = null;

function ask() {
  const using = client.value;
  const now = performance.now();
  const isOpen = askedAt !== null && using && using.heardAt < askedAt;
  if (isOpen && now - askedAt > ANSWER_MS) {
    askedAt = null;
    lost(using);
  } else if (!isOpen) {
    askedAt = null;
    if (!using || now - using.heardAt < SILENT_MS) return;
    askedAt = now;
    call("wamp.session.get", [session.value.id]).catch(() => {});
  }
}

setInterval(ask, SILENT_MS / 2);
addEventListener("online", tryNow);
