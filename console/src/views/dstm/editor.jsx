// The editor in which a document is changed.
//
// Rules of this file:
// - It remembers what the person saw when it was opened. If that changes meanwhile it says so, and the edit fails as a conflict
//   instead of overwriting it.
// - What was typed stays in `editing` while something else is looked at, and when what it is about is removed by others.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { below, last, parse } from "../../../../router/web/dstm/pointer.js";
import { Button, Field, JsonEditor, Notice, parsed, toast } from "../../ui/index.js";
import { child } from "../../../../router/web/dstm/document.js";
import { isSame, renamed, seenOf, short, small } from "./mutators.js";

const TITLES = { set: "Value", add: "Value", append: "New last element", increment: "Amount" };
const NAMED = { add: "Name", move: "New name" };

/** editing: {kind: "set" | "add" | "append" | "move" | "increment", pointer, text?, name?}. onDone(pointer?) with what is to be chosen then. */
export function Editor({ held, shown, node, editing, onDone }) {
  const form = useRef(null);
  const { kind, pointer } = editing;
  editing.shown ??= shown;
  const [draft, change] = useDraft(editing, node);
  const { seen, name, text } = draft;
  useEffect(() => form.current.querySelector("input, textarea")?.focus(), []);
  const { value, error } = parsed(text);
  const wrongName = NAMED[kind] && nameError(kind, name, pointer, node);
  const wrongAmount = kind === "increment" && text.trim() !== "" && !error && typeof value !== "number" ? "A number is needed." : undefined;
  const isReady = !error && !wrongName && !wrongAmount && (kind === "move" || value !== undefined);
  const submit = (event) => {
    event.preventDefault();
    if (!isReady) return;
    const there = { add: () => below(pointer, name), move: () => renamed(pointer, name) }[kind]?.() ?? pointer;
    const args = { set: [pointer, value, seen], add: [there, value, {}], move: [pointer, there, seen] }[kind] ?? [pointer, value];
    try {
      held.mutateAt(editing.shown, kind === "add" ? "set" : kind, ...args);
    } catch (refused) {
      return toast(refused.text ?? refused.message, "error");
    }
    onDone(there);
  };
  const keys = (event) => {
    if (event.key === "Escape") onDone();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  };
  return (
    <form onSubmit={submit} class="dstm-editor" ref={form} onKeyDown={keys}>
      {NAMED[kind] && <Field label={NAMED[kind]} value={name} onInput={change("name")} error={name === "" ? undefined : wrongName} autocomplete="off" />}
      {kind === "increment" && <Field label={TITLES[kind]} value={text} onInput={change("text")} error={error ?? wrongAmount} inputmode="decimal" />}
      {["set", "add", "append"].includes(kind) && <JsonEditor label={TITLES[kind]} text={text} onInput={change("text")} rows={6} hint="JSON: texts in quotes. Ctrl+Enter commits." />}
      <Meanwhile kind={kind} node={node} seen={seen} />
      <div class="dstm-buttons">
        <Button kind="primary" type="submit" disabled={!isReady}>Commit</Button>
        <Button onClick={() => onDone()}>Cancel</Button>
      </div>
    </form>
  );
}

/** Give {seen, name, text}, and change(name) that makes a function to change one. */
function useDraft(editing, node) {
  const [draft, setDraft] = useState(() => {
    editing.seen ??= seenOf(node);
    editing.name ??= editing.kind === "move" ? last(editing.pointer) : "";
    editing.text ??= editing.kind === "set" && "value" in editing.seen ? JSON.stringify(editing.seen.value, null, 2) : "";
    return { ...editing };
  });
  const change = (name) => (text) => {
    editing[name] = text;
    setDraft({ ...editing });
  };
  return [draft, change];
}

/** Says at once what others have done to what is edited. */
function Meanwhile({ kind, node, seen }) {
  const now = useMemo(() => small(node), [node]);
  const isChange = kind === "set" || kind === "move";
  if (node === undefined && !(isChange && seen.value === undefined && !seen.kind)) {
    return <Notice kind="warn">It has been removed meanwhile. Committing will be a conflict.</Notice>;
  }
  if (!isChange || seen.kind || isSame(now, seen.value)) return null;
  return <Notice kind="warn">It has changed meanwhile: it is {now === undefined ? "too large to be shown" : short(now)} now. Committing yours will be a conflict.</Notice>;
}

function nameError(kind, name, pointer, node) {
  try {
    const there = kind === "add" ? below(pointer, name) : renamed(pointer, name);
    parse(there);
    if (kind === "move" && there === pointer) return "This is its name.";
    if (kind === "add" && child(node, name) !== undefined) return "There is one of this name.";
  } catch (error) {
    return error.message;
  }
  return undefined;
}
