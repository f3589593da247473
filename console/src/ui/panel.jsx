// What holds a view together: its page with a title, panels, facts, and words about what is missing.

import { useId } from "preact/hooks";

import { session, isDenied } from "../connection.js";

/** A whole view: title, a line about it, `tools` (buttons, a filter) beside the title. `fill` makes it as high as the window. */
export function Page({ title, about, tools, fill, children }) {
  return (
    <div class={`page ${fill ? "fill" : ""}`}>
      <div class="page-head">
        <div class="page-title"><h1>{title}</h1>{about && <p class="muted">{about}</p>}</div>
        {tools && <div class="tools">{tools}</div>}
      </div>
      {children}
    </div>
  );
}

/** A part of a view with a heading. `onClose` gives it a button that closes it. */
export function Panel({ title, tools, onClose, class: more = "", children }) {
  const id = useId();
  return (
    <section class={`panel ${more}`} aria-labelledby={id}>
      <div class="panel-head">
        <h2 id={id}>{title}</h2>
        <div class="tools">
          {tools}
          {onClose && <button type="button" class="button quiet close" onClick={onClose} aria-label={`Close ${title}`}>✕</button>}
        </div>
      </div>
      {children}
    </section>
  );
}

/** Words that matter. kind: "info", "warn" or "error". */
export function Notice({ kind = "info", children }) {
  return <div class={`notice ${kind}`} role={kind === "error" ? "alert" : "note"}>{children}</div>;
}

/** Says what the role may not do; `what` names it ("the sessions"), `error` is the WampError. */
export function Denied({ what, error }) {
  const role = session.value?.authrole;
  const isForOperators = error.uri === "wamp.error.no_such_procedure";
  return (
    <Notice>
      <p>{role ? <>Role <b>{role}</b></> : "This session"} may not see {what}.</p>
      <p class="muted">{isForOperators ? <>It is for operators: the realm's file names their roles under <code>management</code>.</> : error.text}</p>
    </Notice>
  );
}

/** `Denied` where it is that, else the error as it is. */
export function Problem({ what, error }) {
  if (!error) return null;
  if (isDenied(error)) return <Denied what={what} error={error} />;
  return <Notice kind="error"><b>{what}:</b> {error.text || error.uri}</Notice>;
}

/** What stands where there is nothing. */
export function Empty({ children }) {
  return <p class="empty">{children}</p>;
}

/** Names and values: `facts` is a list of [name, value]; those without a value are left out. */
export function Facts({ facts }) {
  const told = facts.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return <dl class="facts">{told.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

/** One number with its name. */
export function Stat({ title, value, unit, kind = "" }) {
  return (
    <div class={`stat ${kind}`}>
      <span class="stat-title">{title}</span>
      <span class="stat-value">{value}{unit && <small> {unit}</small>}</span>
    </div>
  );
}
