// JSON, shown as a tree that opens, and edited as text with the mistake beside it.

import { useState } from "preact/hooks";

import { bytesOf, hex } from "./binary.js";
import { Button, Field } from "./form.jsx";
import { parsed } from "./parsed.js";

const AT_ONCE = 100; // members of one object or array that are shown before the rest is asked for
const LONG_TEXT = 2_000;

/** Show `value`; the first `open` levels are open. */
export function JsonView({ value, open = 1, label }) {
  return <div class="json" role="group" aria-label={label ?? "JSON"} tabIndex={0}><Value value={value} open={open} /></div>;
}

function Value({ name, value, open }) {
  if (value === null || typeof value !== "object") return <div class="json-line"><Name name={name} /><Leaf value={value} /></div>;
  const members = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value);
  if (members.length === 0) return <div class="json-line"><Name name={name} /><span>{Array.isArray(value) ? "[]" : "{}"}</span></div>;
  return <Branch name={name} members={members} isArray={Array.isArray(value)} open={open} />;
}

function Branch({ name, members, isArray, open }) {
  const [isOpen, setOpen] = useState(open > 0);
  const [count, setCount] = useState(AT_ONCE);
  const title = isArray ? `[${members.length}]` : `{${members.length}}`;
  return (
    <details class="json-branch" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary><Name name={name} /><span class="muted">{title}</span></summary>
      {isOpen && members.slice(0, count).map(([key, item]) => <Value key={key} name={key} value={item} open={open - 1} />)}
      {isOpen && members.length > count && <Button kind="quiet" onClick={() => setCount(count + 10 * AT_ONCE)}>{members.length - count} more</Button>}
    </details>
  );
}

function Name({ name }) {
  return name === undefined ? null : <span class="json-name">{name}: </span>;
}

function Leaf({ value }) {
  const [isWhole, setWhole] = useState(false);
  if (typeof value !== "string") return <span class={`json-${value === null ? "null" : typeof value}`}>{String(value)}</span>;
  const binary = bytesOf(value);
  if (binary) return <span class="json-binary">{binary.length} bytes: {hex(binary)}</span>;
  const isCut = !isWhole && value.length > LONG_TEXT;
  const text = JSON.stringify(isCut ? value.slice(0, LONG_TEXT) : value);
  return <span class="json-string">{text}{isCut && <Button kind="quiet" onClick={() => setWhole(true)}>{value.length} characters</Button>}</span>;
}

/**
 * Edit JSON as text. `text` and onInput(text) as of a Field; `expect` is "array", "object" or nothing.
 *
 * Use `parsed(text, expect)` for the value.
 */
export function JsonEditor({ label, text, onInput, expect, rows = 4, hint, ...rest }) {
  const { error, value } = parsed(text, expect);
  return (
    <div class="json-editor">
      <Field type="textarea" label={label} value={text} onInput={onInput} rows={rows} error={error} hint={hint} {...rest} />
      {!error && text.trim() !== "" && (
        <Button kind="quiet" class="json-format" onClick={() => onInput(JSON.stringify(value, null, 2))}>Format</Button>
      )}
    </div>
  );
}
