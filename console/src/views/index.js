// The views, in the order of the navigation. A view is a module of its own; one line here shows it.
//
// {path, title, group, key?, View}: `path` is its place in the address (#/path), `group` its heading in the navigation,
// `key` what goes there after `g`, and `View` its component, which is shown while somebody is, or was, joined.

import { Shortcuts } from "./shortcuts.jsx";

export const GROUPS = ["Router", "Data", "Tools", "Help"];

export const views = [
  { path: "shortcuts", title: "Keyboard", group: "Help", key: "k", View: Shortcuts },
];
