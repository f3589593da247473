// A question above everything else: the browser's own dialog, which keeps the focus and closes on Escape.

import { useEffect, useId, useRef } from "preact/hooks";

import { Button } from "./form.jsx";

/**
 * Shown as long as it is rendered. `onClose()` when the user turns it down; `onConfirm()` on the button `confirm`.
 */
export function Dialog({ title, confirm, danger, onConfirm, onClose, children }) {
  const element = useRef(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before?.focus?.();
  }, []);
  const submit = (event) => {
    event.preventDefault();
    onConfirm();
  };
  return (
    <dialog ref={element} class="dialog" aria-labelledby={id} onCancel={(event) => { event.preventDefault(); onClose(); }}>
      <form onSubmit={submit}>
        <h2 id={id}>{title}</h2>
        {children}
        <div class="dialog-buttons">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind={danger ? "danger" : "primary"} type="submit">{confirm}</Button>
        </div>
      </form>
    </dialog>
  );
}
