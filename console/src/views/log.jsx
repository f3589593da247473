// The router's log as it comes, by level and text; and the levels themselves.

import { useMemo, useState } from "preact/hooks";

import { call, isDenied, useJoin } from "../connection.js";
import { clearLines, LEVELS, lines, logError, MOST_LINES } from "../live/log.js";
import { useShortcut } from "../shortcuts.js";
import { Button, Facts, Field, JsonView, number, Page, Panel, Problem, Table, timeOfDay, toast } from "../ui/index.js";

const COLUMNS = [
  { name: "time", title: "Time", width: "5.5rem", sortable: false, cell: ({ time }) => timeOfDay(time) },
  { name: "level", title: "Level", width: "5.5rem", sortable: false, cell: ({ level }) => <span class={`badge ${kindOf(level)}`}>{level}</span> },
  { name: "namespace", title: "From", width: "minmax(8rem, 14rem)", sortable: false, hideBelow: 800, cell: ({ namespace }) => <span class="mono">{namespace}</span> },
  { name: "message", title: "Message", width: "minmax(12rem, 1fr)", sortable: false, cell: ({ message }) => <span title={message}>{message}</span> },
];
const key = ({ id }) => id;

export function Log() {
  const [level, setLevel] = useState("debug");
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(null);
  const [held, setHeld] = useState(null); // the lines as they were when the user held them
  const [isSetting, setSetting] = useState(false);
  const all = held ?? lines.value;
  const shown = useMemo(() => filtered(all, level, text), [all, level, text]);
  const line = all.find(({ id }) => id === chosen);
  const hold = () => setHeld(held ? null : lines.value);
  const close = () => (chosen ? setChosen(null) : setSetting(false));
  useShortcut("p", "Hold the log, or let it go on", hold);
  useShortcut("Escape", "Close what is open", close);
  const denied = isDenied(logError.value);
  return (
    <Page title="Log" fill about={denied ? undefined : aboutOf(all, shown, held)} tools={!denied && (
      <>
        <Field label="From level" value={level} onInput={setLevel} options={LEVELS} />
        <Field label="Filter" class="filter" data-filter type="search" value={text} onInput={setText} placeholder="Text" />
        <Button onClick={hold} aria-pressed={Boolean(held)} title="p">{held ? "Go on" : "Hold"}</Button>
        <Button onClick={() => { clearLines(); setHeld(null); }}>Clear</Button>
        <Button onClick={() => setSetting(!isSetting)} aria-expanded={isSetting}>Levels</Button>
      </>
    )}>
      <Problem what="the log" error={logError.value} />
      {isSetting && <Levels onClose={() => setSetting(false)} />}
      {!denied && (
        <div class={`split ${line ? "open" : ""}`}>
          <Table label="Log" rows={shown} columns={COLUMNS} rowKey={key} selected={chosen} onSelect={({ id }) => setChosen(id)} follow={!held} rowHeight={30}
            empty={all.length ? "No line matches." : "No line yet. They are shown from now on."} />
          {line && <Line line={line} onClose={() => setChosen(null)} />}
        </div>
      )}
    </Page>
  );
}

function aboutOf(all, shown, held) {
  const count = shown.length === all.length ? `${number(all.length)} lines` : `${number(shown.length)} of ${number(all.length)} lines`;
  const lost = all.reduce((sum, line) => sum + (line.lost ?? 0), 0);
  const notes = [all.length >= MOST_LINES && "older ones are forgotten", lost > 0 && `${number(lost)} came too fast and are not shown`, held && "held"].filter(Boolean);
  return [count, ...notes].join("; ");
}

function filtered(all, level, text) {
  const least = LEVELS.indexOf(level);
  const wanted = text.trim().toLowerCase();
  if (least === 0 && !wanted) return all;
  return all.filter((line) => LEVELS.indexOf(line.level) >= least && (!wanted || `${line.namespace} ${line.message}`.toLowerCase().includes(wanted)));
}

function kindOf(level) {
  return level === "warn" ? "warn" : level === "error" || level === "critical" ? "bad" : "";
}

function Line({ line, onClose }) {
  return (
    <Panel title={line.level} onClose={onClose}>
      <p class="log-message">{line.message}</p>
      <Facts facts={[["Time", String(line.time)], ["From", <code key="from">{line.namespace}</code>]]} />
      {line.fields && Object.keys(line.fields).length > 0 && <><h3 class="small-head">Fields</h3><JsonView value={line.fields} label="Fields" /></>}
      {line.traceback && <><h3 class="small-head">Traceback</h3><pre class="traceback" tabIndex={0}>{line.traceback}</pre></>}
    </Panel>
  );
}

/** What is logged, by namespace; changed until the next start. */
function Levels({ onClose }) {
  const [levels, setLevels] = useState(null);
  const [error, setError] = useState(null);
  const [namespace, setNamespace] = useState("");
  const [level, setLevel] = useState("info");
  const take = ({ args }) => {
    setLevels(args[0]);
    setError(null);
  };
  useJoin(() => {
    call("concord.log_level").then(take, setError);
  });
  const change = (event) => {
    event.preventDefault();
    const done = (answer) => {
      take(answer);
      toast("The levels have changed.");
    };
    call("concord.log_level", [level, namespace.trim()]).then(done, setError);
  };
  return (
    <Panel title="Levels" onClose={onClose}>
      <Problem what="the levels" error={error} />
      {levels && <Facts facts={Object.entries(levels).map(([name, kept]) => [name || "Everything", kept])} />}
      <form class="line-form" onSubmit={change}>
        <Field label="Part of the router" value={namespace} onInput={setNamespace} placeholder="All, or router.node" />
        <Field label="Level" value={level} onInput={setLevel} options={[...LEVELS, "default"]} />
        <Button kind="primary" type="submit">Set</Button>
      </form>
    </Panel>
  );
}
