// What the browser keeps for the user between visits: small JSON values. Never a secret.
//
// A browser that keeps nothing (private windows, full storage) is no error: the console then forgets.

const PREFIX = "concord.";

/** Give the value that was kept under `name`, or undefined. */
export function kept(name) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Keep `value` under `name`; undefined forgets it. Tells whether the browser did. */
export function keep(name, value) {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
