// The history of a space: version by version with a slider or the keys, what each has changed, and its undoing.

import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";

import { Snapshot } from "../../../../router/web/dstm/replica.js";
import { Document } from "../../../../router/web/dstm/document.js";
import { call, state, useJoin } from "../../connection.js";
import { useShortcut } from "../../shortcuts.js";
import { Button, Dialog, Facts, Field, moment, Notice, number, Panel, Problem, Table, toast } from "../../ui/index.js";
import { short } from "./mutators.js";
import { Past } from "./past.js";

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
    const there = Math.max(past.oldest, Math.min(newest, wanted));
    setVersion(there);
    past.look(there);
  };
  useEffect(() => {
    if (past.at === null || past.at.version !== version) return;
    const { document, changes = [] } = past.at;
    const snapshot = document && new Snapshot(Document.of(document.value), version, past.epoch);
    onShow(snapshot ? { snapshot, marks: new Set(changes.map(({ pointer }) => pointer)) } : null);
    if (snapshot && changes[0] && changes[0].after !== undefined) onSelect(changes[0].pointer);
  }, [past.at]);
  useShortcut("[", "One version back", () => look(current - 1));
  useShortcut("]", "One version on", () => look(current + 1));
  if (past.error) return <Problem what={`the history of ${name}`} error={past.error} />;
  if (past.epoch === null) return <p class="muted">{state.value === "joined" ? "Reading the history." : "The history is the router's: it can be read when the connection is back."}</p>;
  return (
    <>
      <Panel title="Version">
        <Scrubber version={current} oldest={past.oldest} newest={newest} onLook={look} />
        <Version name={name} at={past.at?.version === current ? past.at : null} current={current} past={past} onSelect={onSelect} />
      </Panel>
      <Panel title="Versions" class="dstm-versions">
        <Table label="Versions" rows={past.entries} columns={COLUMNS} rowKey={(row) => row.version} selected={current} onSelect={(row) => look(row.version)} empty="No versions are kept." />
        <Button kind="quiet" onClick={() => past.older()}>Older ones</Button>
      </Panel>
    </>
  );
}

function Scrubber({ version, oldest, newest, onLook }) {
  const input = useRef(null);
  return (
    <div class="dstm-scrubber">
      <Button onClick={() => onLook(version - 1)} disabled={version <= oldest} aria-label="One version back" title="[">◂</Button>
      <label class="unseen" for="dstm-version">Version</label>
      <input id="dstm-version" ref={input} type="range" min={oldest} max={newest} step={1} value={version} aria-valuetext={`Version ${version} of ${newest}`} onInput={(event) => onLook(Number(event.currentTarget.value))} />
      <Button onClick={() => onLook(version + 1)} disabled={version >= newest} aria-label="One version on" title="]">▸</Button>
      <Field label="Version number" hideLabel type="number" min={oldest} max={newest} value={String(version)} onInput={(text) => /^\d+$/.test(text) && onLook(Number(text))} />
    </div>
  );
}

function Version({ name, at, current, past, onSelect }) {
  const [isAsking, setAsking] = useState(false);
  if (at === null) return <p class="muted">Choose a version: its values can be had from {number(past.oldest)} on.</p>;
  if (at.error) return <Problem what={`version ${current}`} error={at.error} />;
  const { entry, changes, more, document } = at;
  return (
    <>
      {entry ? <Facts facts={[["When", moment(entry.time)], ["Who", entry.authid ?? "the router"], ["Role", entry.authrole]]} /> : <p class="muted">{current === 0 ? "The empty document, with which every space begins." : "What it changed is not kept, or not shown to this role."}</p>}
      <ul class="dstm-changes" aria-label={`Changes of version ${current}`}>
        {changes.map(({ pointer, before, after }) => (
          <li key={pointer}>
            <button type="button" class="dstm-edit" onClick={() => onSelect(pointer)}>{pointer || "the document"}</button>
            <span><code class="dstm-before">{short(before)}</code> <span aria-label="became">→</span> <code class="dstm-after">{short(after)}</code></span>
          </li>
        ))}
      </ul>
      {more > 0 && <p class="muted">And {number(more)} more.</p>}
      {!document && <Notice>The document of this version is too large for one answer, or forgotten: the tree shows the present one.</Notice>}
      {entry && <div class="dstm-buttons"><Button kind="danger" onClick={() => setAsking(true)}>Undo this version</Button></div>}
      {isAsking && <Undo name={name} version={current} past={past} onClose={() => setAsking(false)} />}
    </>
  );
}

/** Ask, and undo: a transaction that fails if what the version changed was changed since. */
function Undo({ name, version, past, onClose }) {
  const [error, setError] = useState(null);
  const tx = useRef(`${[...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}:1`); // if it is sent twice, it happens once
  const undo = async () => {
    try {
      const { kwargs } = await call(`dstm.${name}.undo`, [version], { tx: tx.current, epoch: past.epoch });
      toast(`Version ${version} was undone by version ${kwargs.version}.`);
      past.begin();
      onClose();
    } catch (wrong) {
      setError(wrong);
    }
  };
  return (
    <Dialog title={`Undo version ${version}`} confirm="Undo it" danger onConfirm={undo} onClose={onClose}>
      <p>A new version brings back what was there before. What was changed again since is not overwritten: then it is a conflict, and nothing happens.</p>
      {error?.uri === "dstm.error.conflict" ? <Notice kind="error"><b>Conflict:</b> changed again since: {(error.kwargs?.paths ?? []).join(", ") || error.text}</Notice> : error && <Problem what="undoing it" error={error} />}
    </Dialog>
  );
}
