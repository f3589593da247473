// The switch whether this device keeps a space.

import { useState } from "preact/hooks";

import { Dialog, number, toast } from "../../ui/index.js";
import { noteKept } from "./kept_spaces.js";

/** `who`: {realm, authid}; `keeps`: whether it is kept now; `held`: the space as it is shown. */
export function Keep({ name, who, keeps, held }) {
  const [isAsking, setAsking] = useState(false);
  const pending = held?.edits.value.filter(({ status }) => status === "pending").length ?? 0;
  const turn = (event) => {
    event.currentTarget.checked = keeps; // until it is so
    if (!keeps && pending > 0) return toast("Your changes have to be decided first.", "error");
    if (!keeps && !noteKept(who, name, true)) toast("This browser can't keep more.", "error");
    if (keeps && pending > 0) setAsking(true);
    else if (keeps) forget();
  };
  const forget = () => {
    setAsking(false);
    noteKept(who, name, false);
    held.forget().catch((error) => toast(`It could not be forgotten: ${error.message}`, "error"));
  };
  return (
    <>
      <label class="switch" title="Keep a copy in this browser, and work without the router">
        <input type="checkbox" role="switch" checked={keeps} onChange={turn} disabled={!who || !held} /> Keep on this device
      </label>
      {isAsking && (
        <Dialog title="Forget on this device" confirm="Forget it" danger onConfirm={forget} onClose={() => setAsking(false)}>
          <p>{number(pending)} of your changes {pending === 1 ? "is" : "are"} not committed, and would be lost.</p>
        </Dialog>
      )}
    </>
  );
}
