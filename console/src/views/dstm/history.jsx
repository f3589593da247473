// The history of a space: version by version with a slider or the keys, what each has changed, and its undoing.

import { useEffect, useMemo, useReducer, useState } from "preact/hooks";

import { Snapshot } from "../../../../router/web/dstm/replica.js";
import { call, state, useJoin } from "../../connection.js";
import { useShortcut } from "../../shortcuts.js";
import { Button, Facts, Field, moment, Notice, number, Panel, Problem, Table } from "../../ui/index.js";
import { short, shown as inWords } from "./mutators.js";
import { Past } from "./past.js";
import { Undo } from "./undo.jsx";

const GATHERED_MS = 300; // new versions are read together

const COLUMNS = [
  { name: "version", title: "Version", width: "6rem", align: "end", cell: ({ version }) => number(version) },
  { name: "time", title: "When", width: "11.5rem", hideBelow: 420, cell: ({ time }) => moment(time) },
  { name: "authid", title: "Who", width: "minmax(5rem, 1fr)", cell: ({ authid }) => authid ?? "the router" },
  { name: "changes", title: "Changes", width: "5rem", align: "end", sortable: false, cell: ({ changes }) => number(changes.length) },
];

/** onShow({snapshot, marks}) with what the tree is to show, or null for the present. */
export function History({ name, held, onShow, onSelect }) {
  const [, again] = useReducer((count) => count + 1, 0);
  const past = useMemo(() => new Past(name, call, again), [name]);
  const [version, setVersion] = useState(null);
  const known = held.shown.value;
  useJoin(() => void past.begin(), [past]);
  const newest = Math.max(past.newest, known?.epoch === past.epoch ? known?.version ?? 0 : 0);
  const current = version ?? newest;
  const look = (wanted) => {
    const there = Math.max(0, Math.min(newest, wanted));
    setVersion(there);
    past.look(there, held.shown.value?.document);
  };
  useNewer(past, newest);
  useEffect(() => {
    if (past.at === null || past.at.version !== version) return;
    const { document, changes = [] } = past.at;
    const snapshot = document && new Snapshot(document, version, past.epoch);
    onShow(snapshot ? { snapshot, marks: new Set(changes.map(({ pointer }) => pointer)) } : null);
    const there = changes.find(({ pointer }) => snapshot?.has(pointer));
    if (there) onSelect(there.pointer);
  }, [past.at]);
  useShortcut("[", "One version back", () => look(current - 1));
  useShortcut("]", "One version on", () => look(current + 1));
  if (past.error && past.epoch === null) return <Problem what={`the history of ${name}`} error={past.error} />;
  if (past.epoch === null) return <p class="muted">{state.value === "joined" ? "Reading the history." : "The history is the router's: it can be read when the connection is back."}</p>;
  return (
    <>
      <Panel title="Version">
        <Problem what={`the history of ${name}`} error={past.error} />
        <Scrubber version={current} oldest={past.oldest} newest={newest} onLook={look} />
        <Version name={name} at={past.at?.version === current ? past.at : null} current={current} past={past} onSelect={onSelect} />
      </Panel>
      <Panel title="Versions" class="dstm-versions">
        <Table label="Versions" rows={past.entries} columns={COLUMNS} rowKey={(row) => row.version} selected={current} onSelect={(row) => look(row.version)} empty="No versions are kept." />
        {past.hasOlder && <Button kind="quiet" onClick={() => past.older()}>Older ones</Button>}
      </Panel>
    </>
  );
}

/** Read what is new while it is looked at. */
function useNewer(past, newest) {
  const isBehind = past.epoch !== null && newest > past.newest;
  useEffect(() => {
    if (!isBehind) return undefined;
    const timer = setTimeout(() => past.newer(), GATHERED_MS);
    return () => clearTimeout(timer);
  }, [isBehind, past.newest]);
}

function Scrubber({ version, oldest, newest, onLook }) {
  return (
    <div class="dstm-scrubber">
      <Button onClick={() => onLook(version - 1)} disabled={version <= 0} aria-label="One version back" title="[">◂</Button>
      <label class="unseen" for="dstm-version">Version</label>
      <input id="dstm-version" type="range" min={oldest} max={newest} step={1} value={Math.max(oldest, version)} aria-valuetext={`Version ${version} of ${newest}`} onInput={(event) => onLook(Number(event.currentTarget.value))} />
      <Button onClick={() => onLook(version + 1)} disabled={version >= newest} aria-label="One version on" title="]">▸</Button>
      <Field label="Version number" hideLabel type="number" min={0} max={newest} value={String(version)} onInput={(text) => /^\d+$/.test(text) && onLook(Number(text))} />
    </div>
  );
}

function Version({ name, at, current, past, onSelect }) {
  const [isAsking, setAsking] = useState(false);
  if (at === null) return <p class="muted">Choose a version. The router gives documents from version {number(past.oldest)} on.</p>;
  if (at.error) return <Problem what={`version ${current}`} error={at.error} />;
  const { entry, changes, more, document } = at;
  return (
    <>
      {entry ? <Facts facts={[["When", moment(entry.time)], ["Who", entry.authid ?? "the router"], ["Role", entry.authrole]]} /> : <p class="muted">{current === 0 ? "The empty document, with which every space begins." : "What it changed is not kept, or not shown to this role."}</p>}
      <ul class="dstm-changes" aria-label={`Changes of version ${current}`}>
        {changes.map(({ pointer, before, after }) => (
          <li key={pointer}>
            <button type="button" class="dstm-edit" onClick={() => onSelect(pointer)}>{inWords(pointer)}</button>
            <span><Told of={before} kind="before" /> <span role="img" aria-label="became">→</span> <Told of={after} kind="after" /></span>
          </li>
        ))}
      </ul>
      {more > 0 && <p class="muted">And {number(more)} more.</p>}
      {!document && <Notice>{at.version < past.oldest ? <>The router gives documents from version {number(past.oldest)} on. Of this one it knows what it changed.</> : "The document of this version is not shown to this role."} The tree shows the present.</Notice>}
      {entry && <div class="dstm-buttons"><Button kind="danger" onClick={() => setAsking(true)}>Undo this version</Button></div>}
      {isAsking && <Undo name={name} version={current} epoch={past.epoch} onDone={() => past.newer()} onClose={() => setAsking(false)} />}
    </>
  );
}

/** A value before or after a version: {value}, {} for nothing, null where that is not known. */
function Told({ of, kind }) {
  if (of === null) return <span class="muted">{kind === "before" ? "not known" : "too large"}</span>;
  return <code class={`dstm-${kind}`}>{short(of.value)}</code>;
}
