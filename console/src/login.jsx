// Who joins: the form, and what of it the browser remembers (everything but the secret). What this device keeps can be
// worked in without joining.

import { useState } from "preact/hooks";
import { signal } from "@preact/signals";

import { isReachable, join, state, trouble } from "./connection.js";
import { METHODS } from "./connection/credentials.js";
import { isSame, workAlone } from "./identity.js";
import { kept, keep } from "./kept.js";
import { go, href, route } from "./route.js";
import { Button, Field, Notice } from "./ui/index.js";
import { keptSpaces } from "./views/dstm/kept_spaces.js";

const KEY = "login";
const DEFAULTS = { realm: "realm1", method: "anonymous", authid: "" };

/** True until the first attempt of this page is decided: no form flashes before it. */
export const isResuming = signal(false);

/**
 * Who joined anonymously the last time joins again. Whoever worked in a space that this device keeps goes on there, if the
 * router can't be reached.
 */
export async function resume() {
  const before = kept(KEY);
  if (!before || before.left) return;
  const who = { realm: before.realm, authid: before.method === "anonymous" ? null : before.authid };
  const isKept = keptSpaces().some((it) => isSame(it, who) && href("spaces", [it.space]) === href(route.value.path, route.value.rest));
  if (before.method !== "anonymous") {
    if (isKept && !(await isReachable()) && state.value === "out") workAlone(who);
    return;
  }
  if (isKept) workAlone(who);
  isResuming.value = true;
  await join({ ...DEFAULTS, ...before });
  isResuming.value = false;
}

/** The next visit begins with the form. */
export function rememberLeaving() {
  keep(KEY, { ...kept(KEY), left: true });
}

export function Login() {
  const [given, setGiven] = useState({ ...DEFAULTS, ...kept(KEY), secret: "" });
  const method = METHODS[given.method] ?? METHODS.anonymous;
  const isBusy = state.value !== "out";
  const change = (name) => (value) => setGiven({ ...given, [name]: value });

  const submit = async (event) => {
    event.preventDefault();
    const { realm, method: name, authid, secret } = given;
    if (await join({ realm: realm.trim(), method: name, authid: authid.trim(), secret })) {
      keep(KEY, { realm: realm.trim(), method: name, authid: authid.trim() });
    }
  };

  return (
    <main class="login" id="main">
      <form class="login-form" onSubmit={submit} aria-labelledby="login-title">
        <h1 id="login-title"><Mark /> Concord</h1>
        <p class="muted">Join a realm of this router.</p>
        <Trouble />
        <Field label="Realm" value={given.realm} onInput={change("realm")} required autocomplete="off" />
        <Field label="Method" value={given.method} onInput={change("method")} options={methodOptions()} />
        {method.fields.includes("authid") && (
          <Field label="Name (authid)" value={given.authid} onInput={change("authid")} required autocomplete="username" />
        )}
        {method.fields.includes("secret") && (
          <Field label={method.secret} type="password" value={given.secret} onInput={change("secret")} required
            autocomplete="current-password" />
        )}
        <Button kind="primary" type="submit" disabled={isBusy}>{isBusy ? "Joining" : "Join"}</Button>
      </form>
      <OnThisDevice />
    </main>
  );
}

function OnThisDevice() {
  const spaces = keptSpaces();
  if (spaces.length === 0) return null;
  return (
    <section class="login-form" aria-labelledby="kept-title">
      <h2 id="kept-title">On this device</h2>
      <p class="muted">Work without the router. Changes are committed after you have joined again.</p>
      <ul class="plain-list">
        {spaces.map(({ realm, authid, space }) => (
          <li key={`${realm} ${authid} ${space}`}>
            <a href={href("spaces", [space])} onClick={(event) => open(event, { realm, authid }, space)}>{space}</a>{" "}
            <span class="muted">{realm}, {authid ?? "anonymous"}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function open(event, who, space) {
  event.preventDefault();
  go("spaces", [space]);
  workAlone(who);
}

function methodOptions() {
  return Object.entries(METHODS).map(([value, { title }]) => ({ value, title }));
}

function Trouble() {
  if (!trouble.value) return null;
  const { uri, text } = trouble.value;
  return <Notice kind="error"><b>{text || "The router refused."}</b>{uri && <code>{uri}</code>}</Notice>;
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <g fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round">
        <path d="M16 16 7.5 8.5M16 16l8.5-7.5M16 16v9.5" />
      </g>
      <g fill="currentColor"><circle cx="16" cy="16" r="4.4" /><circle cx="7" cy="8" r="3" /><circle cx="25" cy="8" r="3" /><circle cx="16" cy="26" r="3" /></g>
    </svg>
  );
}
