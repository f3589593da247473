// Publishing by hand.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";

import { publish, WampError } from "../../connection.js";
import { Button, Empty, Field, Page, Panel, Table, timeOfDay } from "../../ui/index.js";
import { drafts, onOthers } from "./drafts.js";
import { Examples } from "./examples.jsx";
import { Check, Described, Failure, JsonField, More, onControlEnter, UriField, useForm } from "./fields.jsx";

const MOST = 50;

/** [{id, form, topic, at, publication, error}]: `publication` is undefined while it is open, null where none was asked for. */
const publications = signal([]);
let last = 0;
onOthers(() => {
  publications.value = [];
});

function send({ topic, args, kwargs, options }, form) {
  const id = ++last;
  const change = (fields) => {
    publications.value = publications.value.map((one) => (one.id === id ? { ...one, ...fields } : one));
  };
  publications.value = [{ id, form, topic, at: Date.now(), publication: undefined, error: null }, ...publications.value].slice(0, MOST);
  publish(topic, args, kwargs, options).then((publication) => change({ publication }), (error) => {
    change({ error: error instanceof WampError ? error : new WampError("concord.console.refused", String(error.message)) });
  });
}

export function Publish() {
  const { field, submit, form } = useForm("publish");
  const [chosen, setChosen] = useState(null);
  const all = publications.value;
  const shown = all.find(({ id }) => id === chosen) ?? all[0];
  const published = (request, asked) => {
    send(request, asked);
    setChosen(null);
  };
  return (
    <Page title="Publish" about="Publish an event to a topic of this realm.">
      <div class="tool">
        <Panel title="Event" tools={<Examples tool="publish" />}>
          <form class="tool-form" aria-label="Publish" onKeyDown={onControlEnter} onSubmit={submit(published)}>
            <UriField kind="topics" label="Topic" {...field("topic")} placeholder="com.example.on_sum" />
            <Described kind="topic" uri={form.topic} />
            <JsonField label="args" {...field("args")} placeholder="[1, 2]" />
            <JsonField label="kwargs" {...field("kwargs")} placeholder='{"a": 1}' rows={2} />
            <More>
              <Check label="Acknowledge" {...field("acknowledge")} />
              <Check label="Exclude me" {...field("exclude_me")} />
              <Check label="Disclose me" {...field("disclose_me")} />
              <Check label="Retain" {...field("retain")} />
              <Field label="Eligible sessions" {...field("eligible")} placeholder="123, 456" />
              <Field label="Excluded sessions" {...field("exclude")} placeholder="123, 456" />
              <JsonField label="Further options" {...field("options")} rows={2} placeholder='{"eligible_authrole": ["operator"]}' />
            </More>
            <div class="tool-buttons"><Button kind="primary" type="submit">Publish</Button></div>
          </form>
        </Panel>
        <div class="tool-side">
          <Panel title="Answer" class="tool-answer">{shown ? <Outcome one={shown} /> : <Empty>Nothing published yet.</Empty>}</Panel>
          {all.length > 0 && (
            <Panel title="Last publications" tools={<Button onClick={() => { publications.value = []; }}>Clear</Button>}>
              <div class="tool-list"><Table label="Last publications" rows={all} columns={COLUMNS} rowKey={key} selected={shown?.id} onSelect={({ id }) => setChosen(id)} /></div>
            </Panel>
          )}
        </div>
      </div>
    </Page>
  );
}

const key = ({ id }) => id;
const COLUMNS = [
  { name: "at", title: "Time", width: "6rem", hideBelow: 340, sortable: false, cell: ({ at }) => timeOfDay(at) },
  { name: "topic", title: "Topic", sortable: false, cell: ({ topic }) => <span class="mono" title={topic}>{topic}</span> },
  { name: "publication", title: "Publication", width: "10.5rem", align: "end", hideBelow: 420, sortable: false, cell: (one) => <span class="mono">{shortly(one)}</span> },
];

function shortly({ publication, error }) {
  if (error) return "refused";
  return publication === undefined ? "open" : (publication ?? "sent");
}

function Outcome({ one }) {
  const edit = () => {
    drafts.publish.value = one.form;
  };
  return (
    <div role="status" aria-label="Answer" data-state={one.error ? "failed" : one.publication === undefined ? "open" : "done"}>
      {one.error && <Failure error={one.error} />}
      {!one.error && one.publication === undefined && <p>Waiting for the acknowledgement.</p>}
      {!one.error && one.publication === null && <p>Sent to <code>{one.topic}</code>, without an acknowledgement.</p>}
      {!one.error && Boolean(one.publication) && <p>Published to <code>{one.topic}</code> as number <code>{one.publication}</code>.</p>}
      <div class="tool-buttons"><Button onClick={edit}>Edit</Button></div>
    </div>
  );
}
