// The undoing of a version: a transaction that fails if what the version changed was changed since.

import { useRef, useState } from "preact/hooks";

import { randomId } from "../../../../router/web/dstm/values.js";
import { call } from "../../connection.js";
import { Dialog, Notice, toast } from "../../ui/index.js";
import { shown } from "./mutators.js";

/** Ask, and undo `version` of the history `epoch`; `onDone` when it is undone. */
export function Undo({ name, version, epoch, onDone, onClose }) {
  const [error, setError] = useState(null);
  const [isAsking, setAsking] = useState(false);
  const tx = useRef(`${randomId()}:1`); // if it is sent twice, it happens once
  const undo = async () => {
    if (isAsking) return;
    setAsking(true);
    try {
      const { kwargs } = await call(`dstm.${name}.undo`, [version], { tx: tx.current, epoch });
      toast(`Version ${version} was undone by version ${kwargs.version}.`);
      onDone?.();
      onClose();
    } catch (wrong) {
      setError(wrong);
      setAsking(false);
    }
  };
  return (
    <Dialog title={`Undo version ${version}`} confirm="Undo it" danger onConfirm={undo} onClose={onClose}>
      <p>A new version brings back what was there before. What was changed again since is not overwritten: then it is a conflict, and nothing happens.</p>
      {error?.uri === "dstm.error.conflict" ? <Notice kind="error"><b>Conflict:</b> changed again since: {error.kwargs.paths?.map(shown).join(", ") || error.text}</Notice>
        : error && <Notice kind="error"><b>Not undone:</b> {error.text || error.uri}</Notice>}
    </Dialog>
  );
}
