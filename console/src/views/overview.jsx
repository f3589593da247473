// How the router is: its realms, their rates and times as plots, the node.

import { useMemo, useState } from "preact/hooks";

import { call, isDenied, session, useJoin } from "../connection.js";
import { past, pastOfNode, stats, statsError } from "../live/stats.js";
import { href } from "../route.js";
import { bytes, Empty, Facts, Field, isKnown, milliseconds, moment, number, Page, Panel, Plot, Problem, span, Stat } from "../ui/index.js";

const RATES = [
  { title: "Calls/s", name: "calls_per_second", color: "--plot-1" },
  { title: "Events/s", name: "events_per_second", color: "--plot-2" },
  { title: "Errors/s", name: "errors_per_second", color: "--plot-4" },
];
const TIMES = [
  { title: "Median", name: "call_p50_ms", color: "--plot-1" },
  { title: "99th percentile", name: "call_p99_ms", color: "--plot-3" },
];
const OPEN = [
  { title: "Sessions", name: "sessions", color: "--plot-1" },
  { title: "Pending calls", name: "pending_calls", color: "--plot-2" },
];
const MEMORY = [{ title: "Memory", name: "memory_bytes", color: "--plot-1" }];
const DELAY = [{ title: "99th percentile", name: "reactor_delay_p99_ms", color: "--plot-3" }];
const NODE_MS = 10_000;
const SPANS = [["120", "2 minutes"], ["300", "5 minutes"], ["900", "15 minutes"]].map(([value, title]) => ({ value, title }));

export function Overview() {
  const told = stats.value;
  const [chosen, setChosen] = useState(null);
  const [seconds, setSeconds] = useState("300");
  const names = told?.realms.map(({ realm }) => realm) ?? [];
  const name = names.includes(chosen) ? chosen : names.includes(session.value?.realm) ? session.value.realm : names[0];
  const realm = told?.realms.find((one) => one.realm === name);
  const tools = told && (
    <>
      {names.length > 1 && <Field label="Realm" value={name} onInput={setChosen} options={names} />}
      <Field label="Plots of" value={seconds} onInput={setSeconds} options={SPANS} />
    </>
  );
  return (
    <Page title="Overview" about={told ? `Every ${number(told.interval_ms / 1000)} s.` : undefined} tools={tools}>
      {statsError.value && <Problem what="the statistics of the router" error={statsError.value} />}
      {statsError.value && isDenied(statsError.value) && <Counts />}
      {realm && <Realm realm={realm} samples={past.value.get(name) ?? []} seconds={Number(seconds)} />}
      {names.length > 1 && <Realms realms={told.realms} />}
      {told?.node && <Node seconds={Number(seconds)} />}
      {!told && !statsError.value && <Empty>Waiting for the first numbers.</Empty>}
    </Page>
  );
}

function Realm({ realm, samples, seconds }) {
  const errors = Object.entries(realm.errors_by_uri).sort(([, a], [, b]) => b - a).slice(0, 12);
  return (
    <>
      <div class="stats">
        <Stat title="Sessions" value={number(realm.sessions)} />
        <Stat title="Registrations" value={number(realm.registrations)} />
        <Stat title="Subscriptions" value={number(realm.subscriptions)} />
        <Stat title="Pending calls" value={number(realm.pending_calls)} />
        <Stat title="Queued calls" value={number(realm.queued_calls)} />
        <Stat title="Queued" value={bytes(realm.queued_bytes)} />
        <Stat title="Slow consumers" value={number(realm.slow_consumers)} kind={realm.slow_consumers > 0 ? "bad" : ""} />
        <Stat title="Events dropped" value={number(realm.events_dropped)} kind={realm.events_dropped > 0 ? "bad" : ""} />
      </div>
      <div class="panels">
        <section class="panel"><Series title="Rates" samples={samples} series={RATES} seconds={seconds} format={number} /></section>
        <section class="panel"><Series title="Time of calls" samples={samples} series={TIMES} seconds={seconds} format={milliseconds} /></section>
        <section class="panel"><Series title="Open" samples={samples} series={OPEN} seconds={seconds} format={number} /></section>
        <Panel title="Since the start">
          <Facts facts={[["Calls", number(realm.calls)], ["Events", number(realm.events)], ["Errors", number(realm.errors)]]} />
          {errors.length > 0 && <h3 class="small-head">Errors by kind</h3>}
          {errors.length > 0 && <Facts facts={errors.map(([uri, count]) => [number(count), <code key={uri}>{uri}</code>])} />}
        </Panel>
      </div>
    </>
  );
}

function Series({ title, samples, series, seconds, format }) {
  const data = useMemo(
    () => [samples.map(({ time_ms: time }) => time / 1000), ...series.map(({ name }) => samples.map((sample) => sample[name] ?? null))],
    [samples, series],
  );
  return <Plot title={title} data={data} series={series} seconds={seconds} format={format} />;
}

const REALM_COLUMNS = [
  ["Sessions", ({ sessions }) => number(sessions)],
  ["Calls/s", ({ calls_per_second: rate }) => number(rate)],
  ["Events/s", ({ events_per_second: rate }) => number(rate)],
  ["Errors/s", ({ errors_per_second: rate }) => number(rate)],
  ["Call, p99", ({ call_p99_ms: time }) => milliseconds(time)],
  ["Slow", ({ slow_consumers: slow }) => number(slow)],
];

function Realms({ realms }) {
  return (
    <Panel title="Realms">
      <div class="scrolled" tabIndex={0} role="region" aria-label="Numbers of the realms">
        <table class="figures">
          <thead><tr><th scope="col">Realm</th>{REALM_COLUMNS.map(([title]) => <th key={title} scope="col" class="end">{title}</th>)}</tr></thead>
          <tbody>
            {realms.map((realm) => (
              <tr key={realm.realm}>
                <th scope="row"><a href={href("sessions", [], { realm: realm.realm })}>{realm.realm}</a></th>
                {REALM_COLUMNS.map(([title, text]) => <td key={title} class="end">{text(realm)}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Node({ seconds }) {
  const [facts, setFacts] = useState(null);
  const [error, setError] = useState(null);
  useJoin(() => {
    const read = () => call("concord.node").then(({ args }) => setFacts(args[0]), setError);
    read();
    const timer = setInterval(read, NODE_MS);
    return () => clearInterval(timer);
  });
  const now = pastOfNode.value.at(-1) ?? {};
  const about = facts ?? {};
  return (
    <>
      <div class="panels">
        <section class="panel"><Series title="Delay of the reactor" samples={pastOfNode.value} series={DELAY} seconds={seconds} format={milliseconds} /></section>
        <section class="panel"><Series title="Memory of the process" samples={pastOfNode.value} series={MEMORY} seconds={seconds} format={bytes} /></section>
        <Panel title="Node">
          <Problem what="The node" error={error} />
          <Facts facts={[
            ["Version", about.version && `Concord ${about.version}, Python ${about.python}`],
            ["Host", about.hostname && `${about.hostname}, process ${about.pid}`],
            ["System", about.platform],
            ["Reactor", about.reactor],
            ["Started", about.started && moment(about.started)],
            ["Up for", span(now.uptime_ms)],
            ["Open files", number(now.open_files)],
            ["Processor time", span(now.cpu_ms)],
            ["Configuration", about.configuration && <code>{about.configuration}</code>],
          ]} />
        </Panel>
        <Panel title="Transports">
          <Facts facts={(about.transports ?? []).map(({ name, endpoint, connections }) => [name, <span key={name}><code>{endpoint}</code> {number(connections)} open</span>])} />
          <h3 class="small-head">Counted since the start</h3>
          <Facts facts={Object.entries(now.counters ?? {}).map(([name, count]) => [name.replaceAll("_", " "), number(count)])} />
        </Panel>
      </div>
    </>
  );
}

const COUNTED = [
  ["Sessions", "wamp.session.count", ([count]) => count],
  ["Registrations", "wamp.registration.list", ([lists]) => Object.values(lists).flat().length],
  ["Subscriptions", "wamp.subscription.list", ([lists]) => Object.values(lists).flat().length],
];

/** What a role that is no operator may count, now and every few seconds. */
function Counts() {
  const [counts, setCounts] = useState({});
  useJoin(() => {
    const count = () => {
      for (const [title, procedure, read] of COUNTED) {
        call(procedure).then(({ args }) => setCounts((before) => ({ ...before, [title]: read(args) })), () => {});
      }
    };
    count();
    const timer = setInterval(count, 5_000);
    return () => clearInterval(timer);
  });
  const known = COUNTED.filter(([title]) => isKnown(counts[title]));
  return <div class="stats">{known.map(([title]) => <Stat key={title} title={title} value={number(counts[title])} />)}</div>;
}
