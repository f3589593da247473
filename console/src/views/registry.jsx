// What is registered, and what is subscribed: two views of one form.

import { useEffect, useMemo, useState } from "preact/hooks";

import { call, isDenied, state } from "../connection.js";
import { Registry, REGISTRATIONS, SUBSCRIPTIONS } from "../live/registry.js";
import { useLive } from "../live/use.js";
import { go, href, route } from "../route.js";
import { useShortcut } from "../shortcuts.js";
import { Facts, Field, moment, number, Page, Panel, Problem, Table } from "../ui/index.js";

const URI = { name: "uri", title: "URI", width: "minmax(10rem, 3fr)", cell: ({ uri }) => <span class="mono" title={uri}>{uri}</span> };
const MATCH = { name: "match", title: "Match", width: "6rem", hideBelow: 480 };
const CREATED = { name: "created", title: "Since", width: "11.5rem", hideBelow: 720, cell: ({ created }) => moment(created) };
const members = (title) => ({ name: "members", title, align: "end", width: "6.5rem", cell: (row) => number(row.members) });

const OF_REGISTRATIONS = {
  kind: REGISTRATIONS, path: "registrations", title: "Registrations", members: "Callees", describe: "wamp.reflection.procedure.describe",
  columns: [URI, MATCH, { name: "invoke", title: "Shared", width: "7rem", hideBelow: 560 }, CREATED, members("Callees")],
};
const OF_SUBSCRIPTIONS = {
  kind: SUBSCRIPTIONS, path: "subscriptions", title: "Subscriptions", members: "Subscribers", describe: "wamp.reflection.topic.describe",
  columns: [URI, MATCH, CREATED, members("Subscribers")],
};

export const Registrations = () => <Listing key="registrations" about={OF_REGISTRATIONS} />;
export const Subscriptions = () => <Listing key="subscriptions" about={OF_SUBSCRIPTIONS} />;

const key = ({ id }) => id;
const MATCHES = [{ value: "", title: "Any" }, "exact", "prefix", "wildcard"];

function Listing({ about }) {
  const live = useLive(() => new Registry(about.kind));
  const [text, setText] = useState("");
  const [match, setMatch] = useState("");
  const rows = live?.rows.list.value ?? [];
  const shown = useMemo(() => filtered(rows, text, match), [rows, text, match]);
  const id = Number(route.value.rest[0]);
  const close = () => go(about.path);
  useShortcut("Escape", "Close what is shown", close);
  const { noun } = about.kind;
  const isAway = live !== null && isDenied(live.error.value);
  return (
    <Page title={about.title} fill about={live && !isAway ? aboutOf(live, rows, shown) : undefined} tools={!isAway && (
      <>
        <Field label="Match" value={match} onInput={setMatch} options={MATCHES} />
        <Field label="Filter" class="filter" data-filter type="search" value={text} onInput={setText} placeholder="URI" />
      </>
    )}>
      {live && <Problem what={`the ${noun}`} error={live.error.value} />}
      {live && !live.error.value && <Problem what={`changes of ${noun}`} error={live.deaf.value} />}
      {!isAway && (
        <div class={`split ${id ? "open" : ""}`}>
          <Table label={about.title} rows={shown} columns={about.columns} rowKey={key} selected={id} sort={{ name: "uri" }}
            onSelect={(row) => go(about.path, [row.id])} empty={text || match ? "Nothing matches." : `No ${noun}.`} />
          {id ? <Detail key={id} id={id} about={about} row={rows.find((row) => row.id === id)} onClose={close} /> : null}
        </div>
      )}
    </Page>
  );
}

function aboutOf(live, rows, shown) {
  const count = shown.length === rows.length ? number(rows.length) : `${number(shown.length)} of ${number(rows.length)}`;
  return live.missing.value ? `${count}; reading ${number(live.missing.value)} more.` : `${count} in this realm.`;
}

function filtered(rows, text, match) {
  const wanted = text.trim().toLowerCase();
  return wanted || match ? rows.filter((row) => (!match || row.match === match) && row.uri.toLowerCase().includes(wanted)) : rows;
}

function Detail({ id, about, row, onClose }) {
  const { prefix, list } = about.kind;
  const [sessions, setSessions] = useState(null);
  const [error, setError] = useState(null);
  const [described, setDescribed] = useState(null);
  const isJoined = state.value === "joined";
  useEffect(() => {
    if (!row || !isJoined) return;
    call(`${prefix}.${list}`, [id]).then(({ args }) => setSessions(args[0]), setError);
    call(about.describe, [row.uri], { match: row.match }).then(({ args }) => setDescribed(args[0]), () => {});
  }, [id, row?.members, isJoined]);
  if (!row) return <Panel title={`Number ${id}`} onClose={onClose}><p class="muted">It is not there any more.</p></Panel>;
  return (
    <Panel title={row.uri} class="named" onClose={onClose}>
      {described?.title && <p><b>{described.title}</b></p>}
      {described?.description && <p class="described">{described.description}</p>}
      <Facts facts={[["Number", id], ["Match", row.match], ["Shared", row.invoke], ["Since", moment(row.created)], ["Deprecated", described?.deprecated ? "yes" : undefined]]} />
      <h3 class="small-head">{about.members}{sessions && `: ${number(sessions.length)}`}</h3>
      <Problem what="who they are" error={error} />
      <ul class="links">{(sessions ?? []).slice(0, 200).map((session) => <li key={session}><a class="mono" href={href("sessions", [session])}>{session}</a></li>)}</ul>
      {sessions?.length > 200 && <p class="muted">And {number(sessions.length - 200)} more.</p>}
    </Panel>
  );
}
