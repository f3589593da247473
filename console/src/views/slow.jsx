// For whom something is queued, because they do not read fast enough: those with most first.

import { useState } from "preact/hooks";

import { call, isDenied, session, useJoin } from "../connection.js";
import { useShortcut } from "../shortcuts.js";
import { bytes, Button, Facts, number, Page, Panel, Problem, Table, timeOfDay } from "../ui/index.js";
import { End } from "./sessions.jsx";

const AGAIN_MS = 2_000;
const COLUMNS = [
  { name: "session", title: "Session", width: "minmax(9.5rem, 1fr)", cell: (row) => <span class="mono">{row.session}</span> },
  { name: "authid", title: "Name", width: "minmax(6rem, 1.4fr)" },
  { name: "authrole", title: "Role", width: "minmax(6rem, 1fr)", hideBelow: 720 },
  { name: "realm", title: "Realm", width: "minmax(6rem, 1fr)", hideBelow: 860 },
  { name: "state", title: "State", width: "9rem", hideBelow: 520, value: stateOf, cell: (row) => <State row={row} /> },
  { name: "queued_bytes", title: "Queued", align: "end", width: "7rem", cell: (row) => bytes(row.queued_bytes) },
  { name: "dropped", title: "Dropped", align: "end", width: "6rem", hideBelow: 620, cell: (row) => number(row.dropped) },
];
const key = ({ session: id }) => id;

export function SlowConsumers() {
  const [rows, setRows] = useState([]);
  const [error, setError] = useState(null);
  const [readAt, setReadAt] = useState(null);
  const [chosen, setChosen] = useState(null);
  const [isAsking, setAsking] = useState(false);
  useShortcut("Escape", "Close the session", () => setChosen(null));
  useJoin(() => {
    let timer = null;
    let isWanted = true;
    const read = () =>
      call("concord.slow_consumers").then(({ args }) => {
        if (!isWanted) return;
        setRows(args[0]);
        setError(null);
        setReadAt(Date.now());
        timer = setTimeout(read, AGAIN_MS);
      }, (wrong) => isWanted && setError(wrong));
    read();
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  });
  const row = rows.find(({ session: id }) => id === chosen);
  return (
    <Page title="Slow consumers" fill about={readAt ? `${number(rows.length)} at ${timeOfDay(readAt)}; read every 2 s.` : undefined}>
      <Problem what="who is slow" error={error} />
      {!isDenied(error) && (
        <div class={`split ${chosen ? "open" : ""}`}>
          <Table label="Slow consumers" rows={rows} columns={COLUMNS} rowKey={key} selected={chosen} onSelect={(one) => setChosen(one.session)}
            sort={{ name: "queued_bytes", descending: true }} empty="Everybody reads what they get." />
          {chosen && (
            <Panel title={`Session ${chosen}`} onClose={() => setChosen(null)}>
              {row ? (
                <Facts facts={[["Name", row.authid], ["Role", row.authrole], ["Realm", row.realm], ["From", row.transport?.peer], ["Queued", bytes(row.queued_bytes)],
                  ["Dropped events", number(row.dropped)], ["Subscriptions", row.subscriptions], ["State", <State key="state" row={row} />]]} />
              ) : <p class="muted">Nothing is queued for it any more.</p>}
              {row && row.session !== session.value?.id && <p class="panel-end"><Button kind="danger" onClick={() => setAsking(true)}>End this session</Button></p>}
              {isAsking && row && <End id={row.session} row={row} realm={row.realm} onClose={() => setAsking(false)} />}
            </Panel>
          )}
        </div>
      )}
    </Page>
  );
}

function stateOf({ dropping, reading_paused: paused }) {
  if (dropping) return "drops events";
  return paused ? "not read from" : "queued";
}

function State({ row }) {
  const kind = row.dropping ? "bad" : row.reading_paused ? "warn" : "";
  return <span class={`badge ${kind}`}>{stateOf(row)}</span>;
}
