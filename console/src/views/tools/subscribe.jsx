// Subscriptions by hand, and the events of all of them as they come.

import { useMemo, useState } from "preact/hooks";

import { useJoin } from "../../connection.js";
import { useShortcut } from "../../shortcuts.js";
import { Button, Facts, Field, JsonView, moment, Notice, number, Page, Panel, Problem, Table, timeOfDay } from "../../ui/index.js";
import { Examples } from "./examples.jsx";
import { clearEvents, events, follow, historyOf, subscriptions, unfollow } from "./feed.js";
import { Check, onControlEnter, Payload, UriField, useForm } from "./fields.jsx";
import { CHOICES } from "./forms.js";

const key = ({ id }) => id;
const time = { name: "at", title: "Time", width: "6rem", sortable: false, cell: ({ at }) => timeOfDay(at) };
const topic = { name: "topic", title: "Topic", width: "minmax(6rem, 16rem)", hideBelow: 300, sortable: false, cell: (one) => <span class="mono" title={one.topic}>{one.topic}</span> };
const what = { name: "text", title: "Arguments", width: "minmax(8rem, 1fr)", sortable: false, cell: ({ kind, text, args }) => (kind === "gap" ? <span class="badge warn">{args[0]}</span> : <span class="mono" title={text}>{text}</span>) };
const publisher = { name: "publisher", title: "Publisher", width: "10rem", hideBelow: 720, sortable: false, cell: ({ details }) => details.publisher_authid ?? details.publisher ?? "" };
const COLUMNS = [time, topic, what, publisher];
const OF_HISTORY = [{ ...time, width: "11.5rem", cell: ({ at }) => moment(at) }, topic, what];

export function Subscribe() {
  const [text, setText] = useState("");
  const [held, setHeld] = useState(null); // the events as they were when the user paused
  const [chosen, setChosen] = useState(null);
  const [past, setPast] = useState(null); // the subscription whose history is shown
  const now = events.value;
  const all = held ?? now;
  const shown = useMemo(() => filtered(all.list, text), [all, text]);
  const event = all.list.find(({ id }) => id === chosen);
  const hold = () => setHeld(held ? null : now);
  const clear = () => {
    clearEvents();
    setHeld(null);
  };
  useShortcut("p", "Pause the events, or let them go on", hold);
  useShortcut("Escape", "Close what is open", () => (event ? setChosen(null) : setPast(null)));
  return (
    <Page title="Subscribe" fill about={aboutOf(all, shown, held && now.count - held.count)} tools={(
      <>
        <Field label="Filter" class="filter" data-filter type="search" value={text} onInput={setText} placeholder="Topic or arguments" />
        <Button onClick={hold} aria-pressed={Boolean(held)} title="p">{held ? "Go on" : "Pause"}</Button>
        <Button onClick={clear}>Clear</Button>
      </>
    )}>
      <NewSubscription />
      <Subscriptions onHistory={setPast} />
      {past && <History key={past.id} of={past} onClose={() => setPast(null)} />}
      <div class={`split ${event ? "open" : ""}`}>
        <Table label="Events" rows={shown} columns={COLUMNS} rowKey={key} selected={chosen} onSelect={({ id }) => setChosen(id)} follow={!held} rowHeight={30}
          empty={all.list.length > 0 ? "No event matches." : "No event yet. They are shown as they come."} />
        {event && <Event event={event} onClose={() => setChosen(null)} />}
      </div>
    </Page>
  );
}

function aboutOf(all, shown, since) {
  const count = shown.length === all.list.length ? `${number(all.list.length)} ${all.list.length === 1 ? "event" : "events"}` : `${number(shown.length)} of ${number(all.list.length)} events`;
  const notes = [all.forgotten > 0 && `${number(all.forgotten)} older ones are forgotten`, since !== null && `paused, ${number(since)} came since`].filter(Boolean);
  return [count, ...notes].join("; ");
}

function filtered(list, text) {
  const wanted = text.trim().toLowerCase();
  return wanted ? list.filter((one) => `${one.topic} ${one.text}`.toLowerCase().includes(wanted)) : list;
}

function NewSubscription() {
  const { field, submit } = useForm("subscribe");
  const [refusal, setRefusal] = useState(null);
  const send = (request, form) => setRefusal(follow(request, form));
  return (
    <>
      <form class="line-form tool-form-line tool-form" aria-label="Subscribe" onKeyDown={onControlEnter} onSubmit={submit(send)}>
        <UriField kind="topics" label="Topic" {...field("topic")} placeholder="com.example.on_sum" />
        <Field label="Match" {...field("match")} options={CHOICES.match} />
        <Check label="Get retained" {...field("get_retained")} />
        <Button kind="primary" type="submit">Subscribe</Button>
        <Examples tool="subscribe" />
      </form>
      {refusal && <Notice kind="warn">{refusal}</Notice>}
    </>
  );
}

function Subscriptions({ onHistory }) {
  const refused = subscriptions.value.filter(({ error }) => error);
  return (
    <>
      <ul class="choices" aria-label="Subscriptions of this page">
        {subscriptions.value.map((one) => (
          <li key={one.id} class={one.error ? "bad" : ""} data-state={one.state}>
            <span class="mono">{one.topic || "everything"}</span>
            {one.match !== "exact" && <span class="badge">{one.match}</span>}
            <span class={`badge ${one.error ? "bad" : one.state === "asking" ? "warn" : ""}`}>{one.error ? "refused" : one.state === "asking" ? "waiting" : number(one.count)}</span>
            {one.state === "on" && <Button kind="quiet" onClick={() => onHistory(one)} aria-label={`History of ${one.topic}`}>History</Button>}
            <Button kind="quiet" class="close" onClick={() => unfollow(one.id)} aria-label={`Unsubscribe ${one.topic}`}>✕</Button>
          </li>
        ))}
      </ul>
      {refused.map(({ id, topic: uri, error }) => <Notice key={id} kind="error"><b class="mono">{uri}</b> {error.uri}{error.text && `: ${error.text}`}</Notice>)}
    </>
  );
}

function Event({ event, onClose }) {
  const { topic: uri, kind, at, args, kwargs, details } = event;
  return (
    <Panel title={kind === "gap" ? "Gap" : uri} class="named" onClose={onClose}>
      <Facts facts={[["Time", moment(at)], ["Publisher", details.publisher], ["authid", details.publisher_authid], ["authrole", details.publisher_authrole], ["Retained", details.retained && "yes"]]} />
      {kind === "gap" ? <p>{args[0]}</p> : <Payload args={args} kwargs={kwargs} name="Event" />}
      {Object.keys(details).length > 0 && <><h3 class="small-head">details</h3><JsonView value={details} label="Event details" /></>}
    </Panel>
  );
}

function History({ of, onClose }) {
  const [list, setList] = useState(null);
  const [error, setError] = useState(null);
  const [chosen, setChosen] = useState(null);
  const read = () => {
    setList(null);
    setError(null);
    historyOf(of).then(setList, setError);
  };
  useJoin(read);
  const event = list?.find(({ id }) => id === chosen);
  return (
    <Panel title={`History of ${of.topic}`} tools={<Button onClick={read}>Read again</Button>} onClose={onClose}>
      {error?.uri === "wamp.error.history_unavailable" ? <Notice>The router keeps no history of this.</Notice> : <Problem what="the history" error={error} />}
      {!list && !error && <p class="muted">Reading.</p>}
      {list && <div class="tool-list short"><Table label="Event history" rows={list} columns={OF_HISTORY} rowKey={key} selected={chosen} onSelect={({ id }) => setChosen(id)} rowHeight={30} follow empty="The router keeps no event of it." /></div>}
      {event && <Payload args={event.args} kwargs={event.kwargs} name="Past event" />}
    </Panel>
  );
}
