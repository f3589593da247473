// Buttons and fields of forms: each field has a label that is read aloud, a hint, and its mistake beside it.

import { useId } from "preact/hooks";

/** kind: "plain", "primary", "danger" or "quiet". What else is given goes to the element. */
export function Button({ kind = "plain", type = "button", class: more = "", children, ...rest }) {
  return <button type={type} class={`button ${kind} ${more}`} {...rest}>{children}</button>;
}

/**
 * A labelled input. `onInput(value)` gets the text.
 *
 * type: as of <input>, or "textarea"; with `options` (a list of strings or of {value, title}) it is a <select>; with
 * `suggestions` (a list of strings) it completes. `error` is shown as the mistake, `hint` as help. What else is given goes to the element.
 */
export function Field({ label, value, onInput, hint, error, options, suggestions, type = "text", hideLabel, class: more = "", ...rest }) {
  const id = useId();
  const told = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ") || undefined;
  const attributes = {
    id,
    value,
    "aria-describedby": told,
    "aria-invalid": error ? "true" : undefined,
    spellcheck: false,
    onInput: (event) => onInput?.(event.currentTarget.value),
    ...rest,
  };
  return (
    <div class={`field ${more}`}>
      <label for={id} class={hideLabel ? "unseen" : ""}>{label}</label>
      {options ? <select {...attributes}>{options.map(option)}</select>
        : type === "textarea" ? <textarea {...attributes} />
        : <input type={type} list={suggestions && `${id}-list`} {...attributes} />}
      {suggestions && <datalist id={`${id}-list`}>{suggestions.map((text) => <option key={text} value={text} />)}</datalist>}
      {error && <span class="field-error" id={`${id}-error`}>{error}</span>}
      {hint && <span class="field-hint" id={`${id}-hint`}>{hint}</span>}
    </div>
  );
}

function option(given) {
  const { value, title } = typeof given === "string" ? { value: given, title: given } : given;
  return <option key={value} value={value}>{title}</option>;
}
