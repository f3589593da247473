// Procedures by hand: registered with a template of an answer, or answered one by one.

import { useState } from "preact/hooks";

import { WampError } from "../../connection.js";
import { Button, Empty, Facts, Field, Notice, number, Page, Panel, Table, timeOfDay, toast } from "../../ui/index.js";
import { clearInvocations, invocations, provide, provideAgain, registrations, waiting, withdraw } from "./callee.js";
import { Examples } from "./examples.jsx";
import { Described, Failure, JsonField, More, onControlEnter, Payload, UriField, useForm } from "./fields.jsx";
import { CHOICES } from "./forms.js";
import { readJson } from "./json_text.js";

const ANSWERS = [
  { value: "fixed", title: "A fixed result" },
  { value: "echo", title: "What came, as an echo" },
  { value: "error", title: "An error" },
  { value: "ask", title: "Ask me each time" },
];

export function Register() {
  return (
    <Page title="Register" about="Provide procedures to this realm, as long as this page is joined.">
      <div class="tool">
        <NewRegistration />
        <div class="tool-side">
          <Registrations />
          {waiting.value.length > 0 && <Waiting all={waiting.value} />}
          <Invocations />
        </div>
      </div>
    </Page>
  );
}

function NewRegistration() {
  const { field, submit, form } = useForm("register");
  const [refusal, setRefusal] = useState(null);
  const isTyped = form.answer === "fixed" || form.answer === "error";
  return (
    <Panel title="Procedure" tools={<Examples tool="register" />}>
      <form class="tool-form" aria-label="Register" onKeyDown={onControlEnter} onSubmit={submit((request, asked) => setRefusal(provide(request, asked)))}>
        <UriField kind="procedures" label="Procedure" {...field("procedure")} placeholder="com.example.add" />
        <Described kind="procedure" uri={form.procedure} />
        <Field label="Answer with" {...field("answer")} options={ANSWERS} />
        {form.answer === "error" && <Field label="Error URI" class="uri" {...field("error")} />}
        {isTyped && <JsonField label="args" {...field("args")} placeholder="[1, 2]" />}
        {isTyped && <JsonField label="kwargs" {...field("kwargs")} rows={2} placeholder='{"a": 1}' />}
        <More>
          <Field label="Match" {...field("match")} options={CHOICES.match} />
          <Field label="Invoke" {...field("invoke")} options={CHOICES.invoke} />
          <JsonField label="Further options" {...field("options")} rows={2} placeholder='{"concurrency": 1}' />
        </More>
        <div class="tool-buttons"><Button kind="primary" type="submit">Register</Button></div>
        {refusal && <Notice kind="warn">{refusal}</Notice>}
      </form>
    </Panel>
  );
}

function Registrations() {
  const all = registrations.value;
  const ended = all.filter(({ state }) => state === "ended");
  const end = (one) => withdraw(one).catch((error) => toast(error.message, "error"));
  return (
    <Panel title="Registrations">
      {all.length === 0 && <Empty>This page has registered nothing.</Empty>}
      {ended.length > 0 && (
        <Notice kind="warn">
          <span>{ended.length === 1 ? "A registration has" : `${ended.length} registrations have`} ended with the connection.</span>
          <Button onClick={() => provideAgain()}>Register again</Button>
        </Notice>
      )}
      <ul class="choices" aria-label="Registrations of this page">{all.map((one) => <Registration key={one.id} one={one} onEnd={() => end(one)} />)}</ul>
      {all.map(({ id, error }) => error && <Failure key={id} error={error} />)}
    </Panel>
  );
}

const STATES = { asking: "waiting", refused: "refused", ended: "ended" };
const KINDS = { asking: "warn", refused: "bad", ended: "warn" };

function Registration({ one, onEnd }) {
  return (
    <li class={one.error ? "bad" : ""} data-state={one.state}>
      <span class="mono">{one.procedure || "everything"}</span>
      <span class="badge">{one.form.answer}</span>
      <span class={`badge ${KINDS[one.state] ?? ""}`}>{STATES[one.state] ?? number(one.count)}</span>
      <Button kind="quiet" class="close" onClick={onEnd} aria-label={`${one.state === "on" ? "Unregister" : "Forget"} ${one.procedure}`} disabled={one.state === "asking"}>✕</Button>
    </li>
  );
}

/** The invocations that wait for the person, one of them with its answer. */
function Waiting({ all }) {
  const [chosen, setChosen] = useState(null);
  const one = all.find(({ id }) => id === chosen) ?? all[0];
  return (
    <Panel title={`Waiting for you: ${number(all.length)}`}>
      {all.length > 1 && (
        <Field label="Invocation" value={String(one.id)} onInput={(id) => setChosen(Number(id))}
          options={all.map(({ id, at, procedure }) => ({ value: String(id), title: `${timeOfDay(at)} ${procedure}` }))} />
      )}
      <Reply key={one.id} one={one} />
    </Panel>
  );
}

function Reply({ one }) {
  const [args, setArgs] = useState("");
  const [kwargs, setKwargs] = useState("");
  const [uri, setUri] = useState("com.example.refused");
  const [list, dict] = [readJson(args, "array"), readJson(kwargs, "object")];
  const isWrong = Boolean(list.error || dict.error);
  const payload = { args: list.value ?? [], kwargs: dict.value ?? {} };
  const answer = (event) => {
    event.preventDefault();
    if (!isWrong) one.answer(payload);
  };
  return (
    <form class="tool-form reply" aria-label="Answer an invocation" onKeyDown={onControlEnter} onSubmit={answer}>
      <Facts facts={[["Procedure", <code key="procedure">{one.procedure}</code>], ["At", timeOfDay(one.at)], ["Caller", one.details.caller_authid ?? one.details.caller]]} />
      <div><Payload args={one.args} kwargs={one.kwargs} name="Invocation" /></div>
      <JsonField label="Answer args" value={args} onInput={setArgs} error={list.error} rows={2} placeholder="[1, 2]" />
      <JsonField label="Answer kwargs" value={kwargs} onInput={setKwargs} error={dict.error} rows={2} placeholder='{"a": 1}' />
      <div class="line-form">
        <Button kind="primary" type="submit" disabled={isWrong}>Answer</Button>
        <Field label="Refuse with" class="uri" value={uri} onInput={setUri} />
        <Button kind="danger" disabled={isWrong || !uri.trim()} onClick={() => one.refuse(new WampError(uri.trim(), "", payload))}>Refuse</Button>
      </div>
    </form>
  );
}

const COLUMNS = [
  { name: "at", title: "Time", width: "6rem", sortable: false, cell: ({ at }) => timeOfDay(at) },
  { name: "procedure", title: "Procedure", hideBelow: 420, sortable: false, cell: ({ procedure }) => <span class="mono" title={procedure}>{procedure}</span> },
  { name: "text", title: "Arguments", sortable: false, cell: ({ text }) => <span class="mono" title={text}>{text}</span> },
  { name: "answer", title: "Answered", width: "5.5rem", sortable: false, cell: ({ answer }) => <span class="badge">{answer}</span> },
];
const key = ({ id }) => id;

function Invocations() {
  const { list, count, forgotten } = invocations.value;
  const [chosen, setChosen] = useState(null);
  const one = list.find(({ id }) => id === chosen);
  return (
    <Panel title="Invocations" tools={<Button onClick={clearInvocations} disabled={count === 0}>Clear</Button>}>
      {forgotten > 0 && <p class="muted">{number(forgotten)} older ones are forgotten.</p>}
      <div class="tool-list"><Table label="Invocations" rows={list} columns={COLUMNS} rowKey={key} selected={chosen} onSelect={({ id }) => setChosen(id)} follow rowHeight={30} empty="No invocation yet." /></div>
      {one && <Payload args={one.args} kwargs={one.kwargs} name="Chosen invocation" />}
    </Panel>
  );
}
