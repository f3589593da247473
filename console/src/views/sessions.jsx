// Who is joined: a list that follows, one session in detail, and its end.

import { useMemo, useState } from "preact/hooks";

import { call, isDenied, realm as ownRealm, session as own } from "../connection.js";
import { Sessions as Live } from "../live/sessions.js";
import { stats } from "../live/stats.js";
import { useLive } from "../live/use.js";
import { go, route } from "../route.js";
import { useShortcut } from "../shortcuts.js";
import { bytes, Button, Dialog, Facts, Field, JsonView, number, Page, Panel, Problem, Table, timeOfDay, toast } from "../ui/index.js";

const WHO = [
  { name: "session", title: "Session", width: "minmax(9.5rem, 1fr)", cell: ({ session }) => <span class="mono">{session}</span> },
  { name: "authid", title: "Name", width: "minmax(8rem, 1.4fr)" },
  { name: "authrole", title: "Role", width: "minmax(6rem, 1fr)" },
  { name: "authmethod", title: "Method", width: "minmax(6rem, 0.8fr)", hideBelow: 1000 },
  { name: "type", title: "Transport", width: "minmax(6.6rem, 0.8fr)", hideBelow: 880 },
  { name: "peer", title: "From", width: "minmax(10rem, 1.2fr)", hideBelow: 780, cell: ({ peer }) => <span title={peer}>{peer?.replace(/^tcp:/, "")}</span> },
];
const NUMBERS = [
  { name: "subscriptions", title: "Subscr.", align: "end", width: "5rem", hideBelow: 700, cell: (row) => number(row.subscriptions) },
  { name: "registrations", title: "Regist.", align: "end", width: "5rem", hideBelow: 700, cell: (row) => number(row.registrations) },
  { name: "pending_calls", title: "Calls", align: "end", width: "4.5rem", hideBelow: 560, cell: (row) => number(row.pending_calls) },
  { name: "queued_bytes", title: "Queued", align: "end", width: "6rem", hideBelow: 560, cell: (row) => bytes(row.queued_bytes) },
];
const ALL = [...WHO, ...NUMBERS];
const key = ({ session }) => session;

export function Sessions() {
  const mine = ownRealm.value;
  const realm = route.value.query.realm ?? mine;
  const live = useLive(() => new Live(realm), [realm]);
  const [text, setText] = useState("");
  const rows = live?.rows.list.value ?? [];
  const shown = useMemo(() => filtered(rows, text), [rows, text]);
  const id = Number(route.value.rest[0]);
  const chosen = id ? rows.find(({ session }) => session === id) : undefined;
  const realms = stats.value?.realms.map((one) => one.realm) ?? [];
  const query = realm === mine ? {} : { realm };
  const close = () => go("sessions", [], query);
  const isAway = live !== null && isDenied(live.error.value);
  useShortcut("r", "Read the sessions again", () => live?.read());
  useShortcut("Escape", "Close the session", close);
  return (
    <Page title="Sessions" fill about={isAway ? undefined : aboutOf(live, rows, shown)} tools={!isAway && (
      <>
        {realms.length > 1 && <Field label="Realm" value={realm} options={realms} onInput={(name) => go("sessions", [], name === mine ? {} : { realm: name })} />}
        <Field label="Filter" class="filter" data-filter type="search" value={text} onInput={setText} placeholder="Name, role, id" />
        <Button onClick={() => live?.read()} title="r">Read again</Button>
      </>
    )}>
      {live && <Problem what="the sessions" error={live.error.value} />}
      {live && !live.error.value && <Problem what="who joins and leaves" error={live.deaf.value} />}
      {!isAway && (
        <div class={`split ${id ? "open" : ""}`}>
          <Table label="Sessions" rows={shown} columns={live?.hasNumbers.value === false ? WHO : ALL} rowKey={key} selected={id}
            onSelect={(row) => go("sessions", [row.session], query)} sort={{ name: "session" }} empty={text ? "No session matches." : "No sessions."} />
          {id ? <Detail id={id} row={chosen} realm={realm} onClose={close} /> : null}
        </div>
      )}
    </Page>
  );
}

function aboutOf(live, rows, shown) {
  if (!live) return undefined;
  const count = shown.length === rows.length ? number(rows.length) : `${number(shown.length)} of ${number(rows.length)}`;
  const read = live.hasNumbers.value && live.readAt.value ? ` Numbers of ${timeOfDay(live.readAt.value)}.` : "";
  return `${count} joined.${read}`;
}

function filtered(rows, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return rows;
  return rows.filter((row) => textOf(row).includes(wanted));
}

const texts = new WeakMap(); // row -> what a filter looks at, made once

function textOf(row) {
  if (!texts.has(row)) texts.set(row, `${row.session} ${row.authid} ${row.authrole} ${row.authmethod} ${row.peer}`.toLowerCase());
  return texts.get(row);
}

function Detail({ id, row, realm, onClose }) {
  const [isAsking, setAsking] = useState(false);
  const isOwn = id === own.value?.id;
  if (!row) return <Panel title={`Session ${id}`} onClose={onClose}><p class="muted">It is not there any more.</p></Panel>;
  return (
    <Panel title={`Session ${id}`} onClose={onClose}>
      <Facts facts={[
        ["Name", row.authid], ["Role", row.authrole], ["Method", row.authmethod], ["Provider", row.authprovider], ["Realm", row.realm ?? realm],
        ["Subscriptions", row.subscriptions], ["Registrations", row.registrations], ["Calls it waits for", row.pending_calls],
        ["Calls it answers", row.pending_invocations], ["Queued for it", row.queued_bytes === undefined ? undefined : bytes(row.queued_bytes)],
      ]} />
      {row.authextra && <><h3 class="small-head">authextra</h3><JsonView value={row.authextra} label="authextra" /></>}
      {row.transport && <><h3 class="small-head">Transport</h3><JsonView value={row.transport} label="Transport" /></>}
      <p class="panel-end">
        {isOwn ? <span class="muted">This is the console itself.</span> : <Button kind="danger" onClick={() => setAsking(true)}>End this session</Button>}
      </p>
      {isAsking && <End id={id} row={row} realm={realm} onClose={() => setAsking(false)} />}
    </Panel>
  );
}

/** Ask, and end a session: as an operator, else by the session meta API. */
export function End({ id, row, realm, onClose }) {
  const [reason, setReason] = useState("wamp.close.killed");
  const [message, setMessage] = useState("");
  const [error, setError] = useState(null);
  const end = async () => {
    const details = { reason, ...(message ? { message } : {}) };
    try {
      await call("concord.kill", [id], { ...details, realm }).catch((wrong) => {
        if (!isDenied(wrong) || realm !== ownRealm.value) throw wrong;
        return call("wamp.session.kill", [id], details);
      });
      toast(`Session ${id} was ended.`);
      onClose();
    } catch (wrong) {
      setError(wrong);
    }
  };
  return (
    <Dialog title={`End session ${id}`} confirm="End it" danger onConfirm={end} onClose={onClose}>
      <p>{row?.authid ? <><b>{row.authid}</b> gets GOODBYE.</> : "It gets GOODBYE."} What it registered and subscribed is gone with it.</p>
      <Field label="Reason (URI)" value={reason} onInput={setReason} required />
      <Field label="Message" value={message} onInput={setMessage} />
      {error && <Problem what="ending it" error={error} />}
    </Dialog>
  );
}
