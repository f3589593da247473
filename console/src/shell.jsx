// What is around every view: who is joined, where one can go, what is wrong with the connection.

import { useEffect, useRef, useState } from "preact/hooks";

import { leave, nextAttempt, session, state, trouble, tryNow } from "./connection.js";
import { forgetIdentity, isAlone } from "./identity.js";
import { isResuming, Login, Mark, rememberLeaving } from "./login.jsx";
import { go, href, route } from "./route.js";
import { addShortcut, setViewKeys } from "./shortcuts.js";
import { choice, chooseNext } from "./theme.js";
import { Boundary, Button, Toasts } from "./ui/index.js";
import { GROUPS, views } from "./views/index.js";

export function Shell() {
  const wasJoined = useRef(false);
  wasJoined.current = state.value === "joined" || (wasJoined.current && state.value !== "out");
  const isInside = wasJoined.current || isResuming.value || isAlone.value;
  return (
    <>
      {isInside ? <Inside /> : <Login />}
      <Toasts />
    </>
  );
}

function Inside() {
  const main = useRef(null);
  const view = views.find(({ path }) => path === route.value.path) ?? views[0];
  const before = useRef(view);
  const wasJoined = useRef(false); // a view stays while the connection is lost: what it shows is as it was
  wasJoined.current ||= state.value === "joined";
  useEffect(useKeys, []);
  useEffect(() => {
    document.title = `${view.title} - Concord`;
    if (before.current !== view) main.current?.focus({ preventScroll: true });
    before.current = view;
  }, [view]);
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to the content</a>
      <Top />
      <Navigation present={view} />
      <main id="main" class="main" tabIndex={0} ref={main} aria-label={view.title}>
        <Connection />
        <Boundary key={view.path}>{wasJoined.current || isAlone.value ? <view.View /> : <p class="muted">Joining</p>}</Boundary>
      </main>
    </div>
  );
}

function useKeys() {
  setViewKeys(new Map(views.filter(({ key }) => key).map((view) => [view.key, () => go(view.path)])));
  const undo = [
    addShortcut("?", "Show the shortcuts", () => go("shortcuts")),
    addShortcut("t", "Dark, light, or as the system", chooseNext),
    addShortcut("/", "Filter what is shown", () => document.querySelector("[data-filter] input, input[data-filter]")?.focus()),
    addShortcut("m", "Go to the navigation", () => document.querySelector(".navigation a[aria-current]")?.focus()),
  ];
  return () => undo.forEach((take) => take());
}

function Top() {
  const now = session.value;
  const out = () => {
    rememberLeaving();
    forgetIdentity();
    leave();
  };
  return (
    <header class="top">
      <a class="brand" href={href(views[0].path)}><Mark /> Concord</a>
      <span class="who" data-state={state.value}>
        <span class="dot" aria-hidden="true" />
        {now ? <><b>{now.realm}</b> <span class="who-name">{now.authid} <span class="muted">as {now.authrole}</span></span></> : <span role="status">{STATES[state.value]}</span>}
      </span>
      <span class="top-tools">
        <Button kind="quiet" onClick={chooseNext} title="Dark, light, or as the system (t)">{THEME_TITLES[choice.value]}</Button>
        <Button kind="quiet" onClick={out}>Leave</Button>
      </span>
    </header>
  );
}

const STATES = { out: "Not joined", joining: "Joining", joined: "Joined", waiting: "Disconnected" };
const THEME_TITLES = { system: "Auto", light: "Light", dark: "Dark" };

function Navigation({ present }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <nav class="navigation" aria-label="Views" data-open={isOpen}>
      <Button kind="quiet" class="navigation-switch" aria-expanded={isOpen} aria-controls="navigation-list" onClick={() => setOpen(!isOpen)}>
        {present.title} <span aria-hidden="true">{isOpen ? "▴" : "▾"}</span>
      </Button>
      <div id="navigation-list" class="navigation-list">
        {GROUPS.map((group) => <Group key={group} title={group} present={present} onGo={() => setOpen(false)} />)}
      </div>
    </nav>
  );
}

function Group({ title, present, onGo }) {
  const members = views.filter(({ group }) => group === title);
  if (members.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      <ul>
        {members.map((view) => (
          <li key={view.path}>
            <a href={href(view.path)} aria-current={view === present ? "page" : undefined} onClick={onGo}
              title={view.key ? `g ${view.key}` : undefined}>{view.title}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** A line above the view while there is no session: what is shown is of before, or kept on this device. */
function Connection() {
  const [, again] = useState(0);
  const isWaiting = state.value === "waiting";
  useEffect(() => {
    if (!isWaiting) return undefined;
    const timer = setInterval(() => again((count) => count + 1), 500);
    return () => clearInterval(timer);
  }, [isWaiting]);
  if (state.value === "joined" || !(trouble.value || isAlone.value)) return null;
  const seconds = Math.max(0, Math.ceil((nextAttempt.value - performance.now()) / 1000));
  const attempts = { joining: "Connecting.", waiting: `Next attempt in ${seconds} s.` };
  return (
    <div class="connection" role="status">
      <span>{trouble.value?.text} {isAlone.value ? "What is shown is kept on this device." : "What is shown is as it was before."}</span>
      <span class="muted">{attempts[state.value]}</span>
      {isWaiting && <Button onClick={tryNow}>Try now</Button>}
      {state.value === "out" && <Button onClick={forgetIdentity}>Join</Button>}
    </div>
  );
}
