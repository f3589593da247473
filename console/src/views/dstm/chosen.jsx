// What is chosen in a document, and what can be done to it.

import { useMemo, useState } from "preact/hooks";

import { isArray, isObject } from "../../../../router/web/dstm/document.js";
import { parent } from "../../../../router/web/dstm/pointer.js";
import { Button, Dialog, Facts, JsonView, number, Panel, toast } from "../../ui/index.js";
import { Editor } from "./editor.jsx";
import { kindOf, seenOf, shown as inWords, small } from "./mutators.js";

const KINDS = { object: "Object", array: "List", string: "Text", number: "Number", boolean: "True or false", null: "Null" };

/** `editing`: what the editor is open for, see editor.jsx, or null; it stays open while something else is chosen. */
export function Chosen({ held, shown, pointer, editing, onEdit, onSelect }) {
  const node = shown.document.find(pointer);
  const value = useMemo(() => small(node), [node]);
  const title = inWords(pointer);
  const isContainer = isObject(node) || isArray(node);
  const kind = KINDS[kindOf(node)];
  const done = (there) => {
    onEdit(null);
    if (there !== undefined) onSelect(there);
  };
  const isEdited = editing?.pointer === pointer;
  return (
    <Panel title={title} class="named">
      {node !== undefined && <Facts facts={[["Kind", isContainer ? `${kind} of ${number(node.length)}` : kind], ["Pointer", <code key="pointer">{JSON.stringify(pointer)}</code>]]} />}
      {isEdited && <Editor key={editing.kind} held={held} shown={shown} node={node} editing={editing} onDone={done} />}
      {!isEdited && node === undefined && <p class="muted">Nothing is there.</p>}
      {!isEdited && node !== undefined && (
        <>
          {value === undefined ? <p class="muted">Too large to be shown whole: open it in the tree.</p> : <JsonView value={value} label={`Value of ${title}`} open={2} />}
          <Actions held={held} shown={shown} pointer={pointer} node={node} value={value} onEdit={onEdit} onSelect={onSelect} />
        </>
      )}
      {editing && !isEdited && <p class="muted">An edit of <button type="button" class="dstm-edit" onClick={() => onSelect(editing.pointer)}>{inWords(editing.pointer)}</button> is open.</p>}
    </Panel>
  );
}

function Actions({ held, shown, pointer, node, value, onEdit, onSelect }) {
  const [isAsking, setAsking] = useState(false);
  const begin = (kind) => () => onEdit({ kind, pointer });
  const remove = () => {
    held.mutate("remove", pointer, seenOf(node));
    onSelect(parent(pointer));
  };
  const isMember = pointer !== "" && isObject(shown.document.find(parent(pointer)));
  return (
    <div class="dstm-buttons">
      {value !== undefined && <Button kind="primary" onClick={begin("set")}>Edit</Button>}
      {isObject(node) && <Button onClick={begin("add")}>Add a member</Button>}
      {isArray(node) && <Button onClick={begin("append")}>Append</Button>}
      {typeof node === "number" && <Button onClick={begin("increment")}>Add to it</Button>}
      {isMember && <Button onClick={begin("move")}>Rename</Button>}
      {pointer !== "" && <Button kind="danger" onClick={value === undefined ? () => setAsking(true) : remove}>Remove</Button>}
      <Button kind="quiet" onClick={() => copy(pointer)}>Copy pointer</Button>
      {isAsking && (
        <Dialog title={`Remove ${pointer}`} confirm="Remove it" danger onConfirm={remove} onClose={() => setAsking(false)}>
          <p>It holds so much that it can't be compared with what you saw: what others change in it until then is removed too.</p>
        </Dialog>
      )}
    </div>
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
