// Who joins: the form, and what of it the browser remembers (everything but the secret).

import { useState } from "preact/hooks";
import { signal } from "@preact/signals";

import { join, state, trouble } from "./connection.js";
import { METHODS } from "./connection/credentials.js";
import { kept, keep } from "./kept.js";
import { Button, Field, Notice } from "./ui/index.js";

const KEY = "login";
const DEFAULTS = { realm: "realm1", method: "anonymous", authid: "" };

/** True until the first attempt of this page is decided: no form flashes before it. */
export const isResuming = signal(false);

/** Who joined anonymously the last time joins again. */
export async function resume() {
  const before = kept(KEY);
  if (before?.method !== "anonymous" || before.left) return;
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
    </main>
  );
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
