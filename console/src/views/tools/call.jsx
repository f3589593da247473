// Calls by hand: the form, the answer, and the last calls, which can be made again.

import { useState } from "preact/hooks";

import { Button, Empty, Facts, Field, milliseconds, Notice, number, Page, Panel, Table, timeOfDay } from "../../ui/index.js";
import { begin, calls, cancel, clearCalls, whyNot } from "./calls.js";
import { drafts } from "./drafts.js";
import { Examples } from "./examples.jsx";
import { Check, Described, Failure, JsonField, More, onControlEnter, Payload, UriField, useForm } from "./fields.jsx";
import { requestOf } from "./forms.js";

const MODES = [
  { value: "killnowait", title: "killnowait: end it, do not wait" },
  { value: "kill", title: "kill: end it, and wait for the callee" },
  { value: "skip", title: "skip: do not wait, let it go on" },
];

export function Call() {
  const { field, submit, form } = useForm("call");
  const [chosen, setChosen] = useState(null); // the newest where it is null
  const [refusal, setRefusal] = useState(null);
  const all = calls.value;
  const shown = all.find(({ id }) => id === chosen) ?? all[0];
  const send = (request, asked) => {
    const why = whyNot();
    setRefusal(why);
    if (!why) setChosen(begin(request, asked));
  };
  const again = (one) => send(requestOf("call", one.form).request, one.form);
  return (
    <Page title="Call" about="Call a procedure of this realm.">
      <div class="tool">
        <Panel title="Request" tools={<Examples tool="call" />}>
          <form class="tool-form" aria-label="Call" onKeyDown={onControlEnter} onSubmit={submit(send)}>
            <UriField kind="procedures" label="Procedure" {...field("procedure")} placeholder="com.example.add" />
            <Described kind="procedure" uri={form.procedure} />
            <JsonField label="args" {...field("args")} placeholder="[1, 2]" />
            <JsonField label="kwargs" {...field("kwargs")} placeholder='{"a": 1}' rows={2} />
            <More>
              <Field label="Timeout in ms" inputMode="numeric" {...field("timeout")} />
              <Check label="Receive progress" {...field("receive_progress")} />
              <Check label="Disclose me" {...field("disclose_me")} />
              <JsonField label="Further options" {...field("options")} rows={2} placeholder='{"rkey": 7, "runmode": "partition"}' />
            </More>
            <div class="tool-buttons"><Button kind="primary" type="submit">Call</Button></div>
            {refusal && <Notice kind="warn">{refusal}</Notice>}
          </form>
        </Panel>
        <div class="tool-side">
          <Panel title="Answer" class="tool-answer">{shown ? <Answer key={shown.id} one={shown} onAgain={() => again(shown)} /> : <Empty>No call yet.</Empty>}</Panel>
          {all.length > 0 && <Last all={all} shown={shown} onChoose={setChosen} />}
        </div>
      </div>
    </Page>
  );
}

const COLUMNS = [
  { name: "at", title: "Time", width: "6rem", hideBelow: 340, sortable: false, cell: ({ at }) => timeOfDay(at) },
  { name: "procedure", title: "Procedure", sortable: false, cell: ({ procedure }) => <span class="mono" title={procedure}>{procedure}</span> },
  { name: "state", title: "Answer", width: "5.5rem", sortable: false, cell: (one) => <span class={`badge ${one.state === "failed" ? "bad" : one.state === "open" ? "warn" : ""}`}>{one.state === "done" ? "result" : one.state === "failed" ? "error" : "open"}</span> },
  { name: "ms", title: "Took", width: "5rem", align: "end", sortable: false, cell: ({ ms }) => milliseconds(ms) },
];
const key = ({ id }) => id;

function Last({ all, shown, onChoose }) {
  return (
    <Panel title="Last calls" tools={<Button onClick={clearCalls}>Clear</Button>}>
      <div class="tool-list"><Table label="Last calls" rows={all} columns={COLUMNS} rowKey={key} selected={shown?.id} onSelect={({ id }) => onChoose(id)} /></div>
    </Panel>
  );
}

function Answer({ one, onAgain }) {
  const [mode, setMode] = useState("killnowait");
  const edit = () => {
    drafts.call.value = one.form;
  };
  return (
    <div role="status" aria-label="Answer" data-state={one.state}>
      <Facts facts={[["Procedure", <code key="procedure">{one.procedure}</code>], ["At", timeOfDay(one.at)], ["Took", one.ms === null ? null : milliseconds(one.ms)]]} />
      {one.progressCount > 0 && <Progress one={one} />}
      {one.state === "done" && <Payload args={one.result.args} kwargs={one.result.kwargs} name="Result" />}
      {one.state === "failed" && <Failure error={one.error} />}
      {one.state === "open" ? (
        <div class="line-form">
          <p class="tool-waiting">{one.isCanceling ? "Canceling." : "Waiting for the answer."}</p>
          <Field label="How to cancel" value={mode} onInput={setMode} options={MODES} />
          <Button kind="danger" onClick={() => cancel(one.id, mode)}>Cancel call</Button>
        </div>
      ) : (
        <div class="tool-buttons"><Button onClick={onAgain}>Call again</Button><Button onClick={edit}>Edit</Button></div>
      )}
    </div>
  );
}

const PROGRESS = [
  { name: "at", title: "Time", width: "6rem", sortable: false, cell: ({ at }) => timeOfDay(at) },
  { name: "text", title: "Progress", sortable: false, cell: ({ text }) => <span class="mono" title={text}>{text}</span> },
];

function Progress({ one }) {
  return (
    <div class="tool-list">
      <p class="muted">{number(one.progressCount)} progressive results{one.progressCount > one.progress.length && `, the last ${number(one.progress.length)} are shown`}</p>
      <Table label="Progress" rows={one.progress} columns={PROGRESS} rowKey={key} follow rowHeight={28} />
    </div>
  );
}
