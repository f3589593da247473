// Small things that all parts of the page use.

export const byId = (id) => document.getElementById(id);

/** Make an element with properties, and with elements or texts in it. */
export function element(name, { dataset = {}, ...properties } = {}, ...inside) {
  const made = Object.assign(document.createElement(name), properties);
  Object.assign(made.dataset, dataset);
  made.append(...inside);
  return made;
}

/** Make an id that nobody else makes. */
export const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Call `submitted` with a form's values when it is submitted, and empty its texts. */
export function onSubmit(form, submitted) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submitted();
  });
}
