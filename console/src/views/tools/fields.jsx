// The fields that the tools share: URIs that complete, JSON with its mistakes, boxes; and what a request came to.

import { useEffect, useMemo, useState } from "preact/hooks";

import { call, state, useJoin } from "../../connection.js";
import { Button, Field, JsonView, Notice } from "../../ui/index.js";
import { known, offered, readKnown } from "./completion.js";
import { draft, drafts } from "./drafts.js";
import { requestOf } from "./forms.js";
import { readJson } from "./json_text.js";

const SETTLED_MS = 300; // typing has paused
const LONGEST = 200_000;

/** Give what the fields of a tool's form need, and `submit(send)` for its form: `send(request)` when nothing is wrong. */
export function useForm(tool) {
  const [isTried, setTried] = useState(false);
  const form = drafts[tool].value;
  const { request, errors } = requestOf(tool, form);
  const field = (name) => ({
    value: form[name],
    error: isTried || form[name] !== "" ? errors[name] : undefined,
    onInput: (value) => draft(tool, { [name]: value }),
  });
  const submit = (send) => (event) => {
    event.preventDefault();
    const isRight = Object.keys(errors).length === 0;
    setTried(!isRight);
    if (isRight) send(request, form);
    else requestAnimationFrame(() => document.querySelector(".tool-form [aria-invalid]")?.focus());
  };
  return { form, field, submit };
}

/** Ctrl and Enter send a form from any of its fields. */
export function onControlEnter(event) {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.currentTarget.requestSubmit();
}

/** A URI. kind: "procedures" or "topics". */
export function UriField({ kind, label, value, ...rest }) {
  useJoin(() => void readKnown(kind), [kind]);
  const all = known[kind].value;
  const suggestions = useMemo(() => offered(all, value), [all, value]);
  return <Field label={label} value={value} suggestions={suggestions} autocomplete="off" autocapitalize="off" class="uri" {...rest} />;
}

export function JsonField({ label, value, onInput, error, rows = 3, ...rest }) {
  const format = () => onInput(JSON.stringify(readJson(value).value, null, 2));
  return (
    <div class="json-editor">
      <Field type="textarea" label={label} value={value} onInput={onInput} error={error} rows={rows} maxlength={LONGEST} {...rest} />
      {!error && value.trim() !== "" && <Button kind="quiet" onClick={format} aria-label={`Format ${label}`}>Format</Button>}
    </div>
  );
}

export function Check({ label, value, onInput }) {
  return <label class="check"><input type="checkbox" checked={value} onChange={(event) => onInput(event.currentTarget.checked)} />{label}</label>;
}

/** Options that are seldom needed. */
export function More({ title = "Options", children }) {
  return <details class="more"><summary>{title}</summary><div class="more-fields">{children}</div></details>;
}

/** args and kwargs, as JSON that opens. */
export function Payload({ args, kwargs, name }) {
  const hasKwargs = Object.keys(kwargs).length > 0;
  if (args.length === 0 && !hasKwargs) return <p class="muted">No arguments.</p>;
  return (
    <>
      {args.length > 0 && <><h3 class="small-head">args</h3><JsonView value={args} open={2} label={`${name} args`} /></>}
      {hasKwargs && <><h3 class="small-head">kwargs</h3><JsonView value={kwargs} open={2} label={`${name} kwargs`} /></>}
    </>
  );
}

/** An ERROR as it came. */
export function Failure({ error, name = "Error" }) {
  const isMore = error.args.length > 1 || (error.args.length === 1 && error.args[0] !== error.text) || Object.keys(error.kwargs).length > 0;
  return (
    <>
      <Notice kind="error"><b class="mono">{error.uri}</b>{error.text && <span>{error.text}</span>}</Notice>
      {isMore && <Payload args={error.args} kwargs={error.kwargs} name={name} />}
    </>
  );
}

/** What the catalogue says of a URI, if anything. kind: "procedure" or "topic". */
export function Described({ kind, uri }) {
  const [about, setAbout] = useState(null);
  const isJoined = state.value === "joined";
  useEffect(() => {
    setAbout(null);
    if (!uri.trim() || !isJoined) return undefined;
    let isWanted = true;
    const ask = () => call(`wamp.reflection.${kind}.describe`, [uri.trim()]).then(({ args }) => isWanted && setAbout(args[0] ?? null), () => {});
    const timer = setTimeout(ask, SETTLED_MS);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [kind, uri, isJoined]);
  if (!about || !(about.title || about.description || about.args || about.kwargs)) return null;
  const schemas = [["args", about.args], ["kwargs", about.kwargs], ["result", about.result], ["result kwargs", about.result_kwargs], ["errors", about.errors]].filter(([, schema]) => schema);
  return (
    <div class="tool-described" role="group" aria-label="Description">
      {about.title && <b>{about.title}</b>}{about.deprecated && <> <span class="badge warn">deprecated</span></>}
      {about.description && <p class="described">{about.description}</p>}
      {schemas.map(([name, schema]) => <div key={name}><h3 class="small-head">{name}</h3><JsonView value={opened(schema)} open={1} label={`Schema of ${name}`} /></div>)}
    </div>
  );
}

function opened(schema) {
  try {
    return typeof schema === "string" ? JSON.parse(schema) : schema;
  } catch {
    return schema;
  }
}
