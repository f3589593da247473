// The menu of a tool's examples: take one, keep the form as one, forget one, all of them to a file and back.

import { useRef, useState } from "preact/hooks";

import { Button, Dialog, Field, Notice, toast } from "../../ui/index.js";
import { drafts } from "./drafts.js";
import { examples, exportExamples, forgetExample, importExamples, keepExamples } from "./examples.js";
import { BUILT_IN, LARGEST_FILE } from "./examples_file.js";

export function Examples({ tool }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button onClick={() => setOpen(true)} aria-haspopup="dialog">Examples</Button>
      {isOpen && <Menu tool={tool} onClose={() => setOpen(false)} />}
    </>
  );
}

function Menu({ tool, onClose }) {
  const [name, setName] = useState("");
  const [error, setError] = useState(null);
  const file = useRef(null);
  const own = examples.value.filter((one) => one.tool === tool);
  const take = ({ form }) => {
    drafts[tool].value = form;
    onClose();
  };
  const save = () => {
    const wrong = name.trim() ? keepExamples([{ tool, name: name.trim(), form: drafts[tool].value }]) : "A name is needed.";
    setError(wrong);
    if (!wrong) toast(`Example ${name.trim()} is kept.`);
    if (!wrong) setName("");
  };
  const read = async (event) => {
    const input = event.currentTarget;
    const [given] = input.files;
    if (!given) return;
    const { count, error: wrong } = given.size > 4 * LARGEST_FILE ? { error: "The file is too large." } : importExamples(await given.text());
    input.value = "";
    setError(wrong ?? null);
    if (!wrong) toast(`${count} examples are taken.`);
  };
  return (
    <Dialog title="Examples" confirm="Save" onConfirm={save} onClose={onClose}>
      <ul class="examples" aria-label="Examples of this browser">{own.map((one) => <Row key={one.name} one={one} onTake={take} onForget={() => setError(forgetExample(one))} />)}</ul>
      <ul class="examples" aria-label="Built-in examples">{BUILT_IN.filter((one) => one.tool === tool).map((one) => <Row key={one.name} one={one} onTake={take} />)}</ul>
      <Field label="Save this form as" value={name} onInput={setName} maxlength={80} />
      {error && <Notice kind="error">{error}</Notice>}
      <div class="tool-buttons">
        <Button onClick={exportExamples} disabled={examples.value.length === 0}>Export</Button>
        <Button onClick={() => file.current.click()}>Import</Button>
        <input ref={file} type="file" accept=".json,application/json" hidden aria-label="File of examples" onChange={read} />
      </div>
    </Dialog>
  );
}

function Row({ one, onTake, onForget }) {
  return (
    <li>
      <Button kind="quiet" class="example-name" onClick={() => onTake(one)}>{one.name}<span class="mono muted">{one.form.procedure ?? one.form.topic}</span></Button>
      {onForget && <Button kind="quiet" class="close" onClick={onForget} aria-label={`Delete ${one.name}`}>✕</Button>}
    </li>
  );
}
