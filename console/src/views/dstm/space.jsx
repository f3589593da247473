// One space: its document as a tree, what is chosen in it, what the person did, and its history.

import { useEffect, useRef, useState } from "preact/hooks";

import { call, state as connection, useJoin } from "../../connection.js";
import { identity } from "../../identity.js";
import { go, href, route } from "../../route.js";
import { useShortcut } from "../../shortcuts.js";
import { bytes, Button, Facts, Field, Notice, number, Page, Panel, Problem } from "../../ui/index.js";
import { parse } from "../../../../router/web/dstm/pointer.js";
import { Chosen } from "./chosen.jsx";
import { Edits } from "./edits.jsx";
import { KeptSpace, LiveSpace } from "./held.js";
import { History } from "./history.jsx";
import { Keep } from "./keep.jsx";
import { isKept } from "./kept_spaces.js";
import { small } from "./mutators.js";
import { TreeView } from "./tree_view.jsx";
import "./dstm.css";

export function Space({ name }) {
  const who = identity.value;
  const keeps = isKept(who, name);
  const { held, error } = useHeld(name, who, keeps);
  const [selected, select] = useState(route.value.query.at ?? "");
  const [editing, edit] = useState(null); // what the editor is open for, see chosen.jsx
  const [past, showPast] = useState(null); // {snapshot, marks} of the history
  const isPast = route.value.query.view === "history";
  const shown = held?.shown.value;
  const status = useStatus(name);
  const open = (pointer) => {
    select(pointer);
    const isSmall = small(shown.document.find(pointer)) !== undefined;
    if (isSmall && editing?.pointer !== pointer) edit({ kind: "set", pointer });
  };
  const edited = (wanted) => {
    edit(wanted);
    if (wanted === null) focusTree();
  };
  const turn = () => {
    showPast(null);
    go("spaces", [name], isPast ? {} : { view: "history" });
  };
  useShortcut("h", "History of the space", turn);
  useShortcut("p", "Go to a pointer", () => document.querySelector("[data-pointer] input")?.focus());
  const refusal = held?.refusal.value;
  return (
    <Page title={name} fill about={<About held={held} shown={past?.snapshot ?? shown} isPast={past !== null} />} tools={(
      <>
        <GoTo shown={shown} onGo={select} />
        {!isPast && <Keep name={name} who={who} keeps={keeps} held={held} />}
        <Button onClick={turn} aria-pressed={isPast} title="h">{isPast ? "Back to now" : "History"}</Button>
      </>
    )}>
      {error && <Problem what={`what this device keeps of ${name}`} error={error} />}
      {refusal && <Problem what={`the space ${name}`} error={refusal} />}
      {!refusal && held?.state.value === "refused" && <Notice kind="warn">The router refuses this space to the session. What is shown is this device's copy, and changes of it wait.</Notice>}
      {!refusal && shown === undefined && <p class="muted">{connection.value === "joined" ? "Reading the document." : "The router can't be reached, and this device keeps nothing of it."}</p>}
      {shown !== undefined && (
        <div class="dstm">
          <TreeView shown={past ? past.snapshot : shown} name={name} label={`Document of ${name}`} selected={selected} onSelect={select}
            onEdit={past ? undefined : open} marks={past?.marks} />
          <div class="dstm-side">
            {isPast ? <History name={name} held={held} onShow={showPast} onSelect={select} selected={selected} /> : (
              <>
                <Chosen key={selected} held={held} shown={shown} pointer={selected} editing={editing} onEdit={edited} onSelect={select} />
                <Edits held={held} shown={shown} onEdit={(wanted) => { select(wanted.pointer); edit(wanted); }} onSelect={select} />
                <Panel title="Counters"><Problem what="the counters" error={status.error} /><Facts facts={factsOf(status.value)} /></Panel>
              </>
            )}
          </div>
        </div>
      )}
    </Page>
  );
}

const focusTree = () => document.querySelector("[role=tree]")?.focus({ preventScroll: true });

const STATES = { live: "Live", syncing: "Synchronizing", joining: "Synchronizing", detached: "Not connected", refused: "Refused", closed: "Closed" };

function About({ held, shown, isPast }) {
  if (!held || !shown) return <a href={href("spaces")}>All spaces</a>;
  const live = held.state.value === "live";
  return (
    <>
      <a href={href("spaces")}>All spaces</a>{" · "}
      <span class={isPast ? "warn-text" : live ? "good-text" : "warn-text"}>{isPast ? "As it was" : STATES[held.state.value]}</span>{" · version "}
      <span data-version>{number(shown.version)}</span>
    </>
  );
}

/** Hold the space while it is shown: kept by this device, or not. */
function useHeld(name, who, keeps) {
  const [held, setHeld] = useState(null);
  const [error, setError] = useState(null);
  const before = useRef({}); // {replica, whose}: what is shown goes on where it begins or ends to be kept
  const whose = JSON.stringify([who?.realm, who?.authid, name]);
  useEffect(() => {
    const replica = before.current.whose === whose ? before.current.replica : undefined;
    if (!replica) setHeld(null);
    let mine;
    let isOver = false;
    const take = (made) => {
      if (isOver) return made.close();
      mine = made;
      setHeld(made);
    };
    setError(null);
    if (keeps) KeptSpace.open(name, who, replica).then(take, setError);
    else take(new LiveSpace(name, replica));
    return () => {
      isOver = true;
      before.current = { whose, replica: mine?.replica };
      mine?.close();
    };
  }, [whose, keeps]);
  return { held, error };
}

function useStatus(name) {
  const [status, setStatus] = useState({ value: null, error: null });
  useJoin(() => {
    const read = () => call(`dstm.${name}.status`).then(({ kwargs }) => setStatus({ value: kwargs, error: null }), (error) => setStatus((before) => ({ ...before, error })));
    read();
    const timer = setInterval(read, 3_000);
    return () => clearInterval(timer);
  }, [name]);
  return status;
}

function GoTo({ shown, onGo }) {
  const [text, setText] = useState("");
  const [error, setError] = useState(undefined);
  const submit = (event) => {
    event.preventDefault();
    try {
      parse(text);
    } catch (wrong) {
      return setError(wrong.message);
    }
    if (!shown?.has(text)) return setError("Nothing is there.");
    setError(undefined);
    onGo(text);
    focusTree();
  };
  return (
    <form onSubmit={submit} data-pointer>
      <Field label="Go to pointer" class="filter" value={text} onInput={(value) => { setText(value); setError(undefined); }} placeholder="/a/b" error={error} />
    </form>
  );
}

/** Numbers of a space's status, as facts. */
function factsOf(status) {
  if (!status) return [];
  const busiest = Object.entries(status.conflicts_by_path ?? {}).slice(0, 5);
  return [
    ["Commits", number(status.commits)], ["Conflicts", number(status.conflicts)], ["Other rejections", number(status.rejects)], ["Waiting", number(status.waits)],
    ["Log", status.log], ["Size", status.bytes === undefined ? undefined : bytes(status.bytes)], ["Kept whole from version", number(status.horizon)],
    ["Bound to sessions or a time", number(status.bindings)],
    ["Most conflicts at", busiest.length ? busiest.map(([path, count]) => `${path || "the document"} (${number(count)})`).join(", ") : undefined],
  ];
}
