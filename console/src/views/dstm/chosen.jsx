// What is chosen in a document, and the editor in which it is changed.
//
// The editor remembers what the person saw when it was opened; if that changes meanwhile it says so, and the edit
// fails as a conflict instead of overwriting it.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { isArray, isObject } from "../../../../router/web/dstm/document.js";
import { below, last, parse } from "../../../../router/web/dstm/pointer.js";
import { Button, Facts, Field, JsonEditor, JsonView, Notice, number, Panel, parsed, toast } from "../../ui/index.js";
import { isSame, kindOf, renamed, seenOf, short, shown as inWords, small } from "./mutators.js";

const KINDS = { object: "Object", array: "List", string: "Text", number: "Number", boolean: "True or false", null: "Null" };

/** editing: {kind: "set" | "add" | "append" | "move" | "increment", pointer, text?, name?} or null. */
export function Chosen({ held, shown, pointer, editing, onEdit, onSelect }) {
  const node = shown.document.find(pointer);
  const value = useMemo(() => small(node), [node]);
  const title = inWords(pointer);
  if (node === undefined) return <Panel title={title} class="named"><p class="muted">Nothing is there any more.</p></Panel>;
  const kind = kindOf(node);
  const isContainer = isObject(node) || isArray(node);
  const begin = (what) => onEdit({ kind: what, pointer });
  const remove = () => {
    held.mutate("remove", pointer, seenOf(node));
    onSelect(pointer.slice(0, pointer.lastIndexOf("/")));
  };
  return (
    <Panel title={title} class="named">
      <Facts facts={[["Kind", isContainer ? `${KINDS[kind]} of ${number(node.length)}` : KINDS[kind]], ["Pointer", <code key="pointer">{JSON.stringify(pointer)}</code>]]} />
      {editing && editing.pointer === pointer ? (
        <Editor key={`${editing.kind} ${pointer}`} held={held} node={node} editing={editing} onDone={(there) => { onEdit(null); if (there !== undefined) onSelect(there); }} />
      ) : (
        <>
          {value === undefined ? <p class="muted">Too large to be shown whole: open it in the tree.</p> : <JsonView value={value} label={`Value of ${title}`} open={2} />}
          <div class="dstm-buttons">
            {(!isContainer || value !== undefined) && <Button kind="primary" onClick={() => begin("set")}>Edit</Button>}
            {isObject(node) && <Button onClick={() => begin("add")}>Add a member</Button>}
            {isArray(node) && <Button onClick={() => begin("append")}>Append</Button>}
            {kind === "number" && <Button onClick={() => begin("increment")}>Add to it</Button>}
            {pointer !== "" && isObject(shown.document.find(pointer.slice(0, pointer.lastIndexOf("/")))) && <Button onClick={() => begin("move")}>Rename</Button>}
            {pointer !== "" && <Button kind="danger" onClick={remove}>Remove</Button>}
            <Button kind="quiet" onClick={() => copy(pointer)}>Copy pointer</Button>
          </div>
        </>
      )}
    </Panel>
  );
}

async function copy(pointer) {
  try {
    await navigator.clipboard.writeText(pointer);
    toast("Copied.");
  } catch {
    toast(`The browser does not allow it. The pointer is ${JSON.stringify(pointer)}`);
  }
}

const TITLES = { set: "Value", add: "Value", append: "New last element", increment: "Amount" };

function Editor({ held, node, editing, onDone }) {
  const { kind, pointer } = editing;
  const form = useRef(null);
  const [seen] = useState(() => seenOf(node));
  const [name, setName] = useState(editing.name ?? (kind === "move" ? last(pointer) : ""));
  const [text, setText] = useState(editing.text ?? (kind === "set" ? JSON.stringify(seen.value, null, 2) : ""));
  useEffect(() => form.current.querySelector("input, textarea")?.focus(), []);
  const { value, error } = parsed(text);
  const isNamed = kind === "add" || kind === "move";
  const wrong = isNamed ? nameError(kind, name, pointer, node) : undefined;
  const amountError = kind === "increment" && text.trim() !== "" && typeof value !== "number" ? "A number is needed." : undefined;
  const isReady = !error && !wrong && !amountError && (kind === "move" || value !== undefined);
  const now = useMemo(() => small(node), [node]);
  const isOther = (kind === "set" || kind === "move") && "value" in seen && !isSame(now, seen.value);
  const submit = (event) => {
    event.preventDefault();
    if (!isReady) return;
    const there = { set: pointer, add: below(pointer, name), append: pointer, increment: pointer, move: kind === "move" && renamed(pointer, name) }[kind];
    const edits = {
      set: () => held.mutate("set", pointer, value, seen),
      add: () => held.mutate("set", there, value, {}),
      append: () => held.mutate("append", pointer, value),
      increment: () => held.mutate("increment", pointer, value),
      move: () => held.mutate("move", pointer, there, seen),
    };
    try {
      edits[kind]();
    } catch (refused) {
      return toast(refused.text ?? refused.message, "error");
    }
    onDone(kind === "move" ? there : undefined);
  };
  const keys = (event) => {
    if (event.key === "Escape") onDone();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  };
  return (
    <form onSubmit={submit} class="dstm-editor" ref={form} onKeyDown={keys}>
      {isNamed && <Field label={kind === "move" ? "New name" : "Name"} value={name} onInput={setName} error={name === "" ? undefined : wrong} autocomplete="off" />}
      {kind === "increment" ? <Field label={TITLES[kind]} value={text} onInput={setText} error={error ?? amountError} inputmode="decimal" />
        : kind !== "move" && <JsonEditor label={TITLES[kind]} text={text} onInput={setText} rows={6} hint="JSON: texts in quotes. Ctrl+Enter commits." />}
      {isOther && <Notice kind="warn">It has changed meanwhile: it is {short(now)} now. Committing yours will be a conflict.</Notice>}
      <div class="dstm-buttons">
        <Button kind="primary" type="submit" disabled={!isReady}>Commit</Button>
        <Button onClick={() => onDone()}>Cancel</Button>
      </div>
    </form>
  );
}

function nameError(kind, name, pointer, node) {
  try {
    const there = kind === "add" ? below(pointer, name) : renamed(pointer, name);
    parse(there);
    if (kind === "move" && there === pointer) return "This is its name.";
    if (kind === "add" && node.child(name) !== undefined) return "There is one of this name.";
  } catch (error) {
    return error.message;
  }
  return undefined;
}
