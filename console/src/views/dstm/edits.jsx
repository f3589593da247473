// What the person did to a space in this page: what became of each transaction, and what to do about a conflict.

import { useEffect, useState } from "preact/hooks";

import { last, parent } from "../../../../router/web/dstm/pointer.js";
import { call, state } from "../../connection.js";
import { Button, moment, number, Panel } from "../../ui/index.js";
import { inWords, seenBy, seenOf, short, small } from "./mutators.js";
import { Undo } from "./undo.jsx";

const SHOWN = 20;
const LOOKED_BACK = 1000; // versions in which it is looked for who was faster
const MOST_PAGES = 5; // of the answer

/** `onEdit` gets what chosen.jsx edits; see there. */
export function Edits({ held, shown, onEdit, onSelect }) {
  const [gone, setGone] = useState(new Set()); // ids of those that the person has dealt with
  const [undoing, setUndoing] = useState(null);
  const edits = held.edits.value.filter(({ id }) => !gone.has(id)).slice(-SHOWN).reverse();
  const pending = held.edits.value.filter(({ status }) => status === "pending").length;
  const done = (id) => setGone(new Set([...gone, id].slice(-1000)));
  if (edits.length === 0) return null;
  return (
    <Panel title="Your transactions" tools={pending > 0 && <span class="muted">{number(pending)} not decided</span>}>
      <ul class="dstm-edits" aria-live="polite">
        {edits.map((edit) => (
          <li key={edit.id} data-status={edit.status}>
            <button type="button" class="dstm-edit" onClick={() => onSelect(edit.args[0])}>{inWords(edit)}</button>
            <Outcome edit={edit} />
            {edit.status === "rejected" && isConflict(edit) && <Conflict held={held} shown={shown} edit={edit} onEdit={onEdit} onDone={() => done(edit.id)} />}
            {edit.status === "rejected" && !isConflict(edit) && (
              <div class="dstm-buttons">
                {edit.name !== "remove" && <Button onClick={() => { done(edit.id); onEdit(again(edit, shown)); }}>Edit again</Button>}
                <Button kind="quiet" onClick={() => done(edit.id)}>Dismiss</Button>
              </div>
            )}
            {edit.status === "unknown" && <div class="dstm-buttons"><Button kind="quiet" onClick={() => done(edit.id)}>Dismiss</Button></div>}
            {edit.status === "committed" && edit.epoch === shown.epoch && (
              <div class="dstm-buttons"><Button kind="quiet" onClick={() => setUndoing(edit)} aria-label={`Undo version ${edit.version}`}>Undo</Button></div>
            )}
          </li>
        ))}
      </ul>
      {undoing && <Undo name={held.name} version={undoing.version} epoch={undoing.epoch} onClose={() => setUndoing(null)} />}
    </Panel>
  );
}

const isConflict = ({ reason }) => reason?.uri === "concord.console.changed" || reason?.uri === "dstm.error.conflict";

function Outcome({ edit: { status, version, reason, isKept } }) {
  if (status === "committed") return <span class="good-text">Committed at version {number(version)}</span>;
  if (status === "pending" && isKept === false) return <span class="muted">Not kept by this device yet</span>;
  if (status === "pending") return <span class="muted">{state.value === "joined" ? "Not decided yet" : "Waits for the router"}</span>;
  const text = reason?.text || reason?.message?.replace(/^[\w.]+: /, "") || String(reason);
  if (status === "unknown") return <span class="bad-text">Unknown: {text}. Look at what is there before you repeat it.</span>;
  return <span class="bad-text">{isConflict({ reason }) ? "Conflict" : "Rejected"}: {text}{isConflict({ reason }) || !reason?.uri ? "" : ` (${reason.uri})`}</span>;
}

/** What the person saw, what is there, who was faster, what the person wanted; and the ways to go on. */
function Conflict({ held, shown, edit, onEdit, onDone }) {
  const [pointer, wanted] = edit.args;
  const seen = seenBy(edit);
  const node = shown.document.find(pointer);
  const who = useLastChange(held.name, pointer, node);
  const mine = () => {
    onDone();
    const now = seenOf(shown.document.find(pointer));
    held.mutate(edit.name, ...edit.args.slice(0, -1), now);
  };
  const canRepeat = seen !== undefined && (edit.name === "set" || node !== undefined);
  return (
    <div class="dstm-conflict" role="group" aria-label={`Conflict at ${pointer}`}>
      <dl class="facts">
        {seen && !seen.kind && <div><dt>You saw</dt><dd><code>{short(seen.value)}</code></dd></div>}
        <div><dt>There is now</dt><dd><code>{short(node === undefined ? undefined : small(node) ?? "…")}</code></dd></div>
        {edit.name === "set" && <div><dt>You wanted</dt><dd><code>{short(wanted)}</code></dd></div>}
        {who && <div><dt>Changed by</dt><dd>{who.authid ?? "the router"}, version {number(who.version)}, {moment(who.time)}</dd></div>}
      </dl>
      <div class="dstm-buttons">
        <Button onClick={onDone}>Take what is there</Button>
        {canRepeat && <Button kind="danger" onClick={mine}>{edit.name === "set" ? "Write mine" : "Do it all the same"}</Button>}
        {edit.name !== "remove" && <Button onClick={() => { onDone(); onEdit(again(edit, shown)); }}>Edit further</Button>}
      </div>
    </div>
  );
}

/** Give what chosen.jsx is to edit, so that nothing is lost of what the person typed. */
function again({ name, args: [pointer, value] }, shown) {
  const text = JSON.stringify(value, null, 2);
  if (name === "move") return { kind: "move", pointer, name: last(value) };
  if (name !== "set") return { kind: name, pointer, text };
  if (pointer === "" || shown.has(pointer)) return { kind: "set", pointer, text };
  return { kind: "add", pointer: parent(pointer), name: last(pointer), text };
}

/** Look in the history who has changed `pointer` last. */
function useLastChange(space, pointer, node) {
  const [entry, setEntry] = useState(null);
  useEffect(() => {
    let isCurrent = true;
    if (state.value !== "joined") return undefined;
    // Where the role may not see it, the conflict is told without.
    lastChange(space, pointer).catch(() => null).then((found) => isCurrent && setEntry(found));
    return () => (isCurrent = false);
  }, [space, pointer, node]);
  return entry;
}

async function lastChange(space, pointer) {
  let found = null;
  for (let first = -LOOKED_BACK, page = 0; first !== undefined && page < MOST_PAGES; page++) {
    const { kwargs } = await call(`dstm.${space}.history`, [first], { pointer });
    found = kwargs.entries.at(-1) ?? found;
    first = kwargs.next;
  }
  return found;
}
