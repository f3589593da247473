// Where the user is: the part of the address after "#". `#/sessions/12?sort=authid` is
// {path: "sessions", rest: ["12"], query: {sort: "authid"}}.

import { signal } from "@preact/signals";

/** {path, rest, query} */
export const route = signal(read());

/** Give the address of a view, for links. */
export function href(path, rest = [], query = {}) {
  const search = new URLSearchParams(query).toString();
  return `#/${[path, ...rest].map(encodeURIComponent).join("/")}${search ? `?${search}` : ""}`;
}

/** Go there; `replace` makes no entry for the browser's "back". */
export function go(path, rest = [], query = {}, { replace = false } = {}) {
  const there = href(path, rest, query);
  if (there === location.hash) return;
  if (replace) history.replaceState(null, "", there);
  else history.pushState(null, "", there);
  route.value = read();
}

function read() {
  const [where, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [path, ...rest] = where.split("/").map(decoded);
  return { path, rest, query: Object.fromEntries(new URLSearchParams(search)) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

addEventListener("hashchange", () => {
  route.value = read();
});
addEventListener("popstate", () => {
  route.value = read();
});
