// The views, in the order of the navigation. A view is a module of its own; one line here shows it.
//
// {path, title, group, key?, View}: `path` is its place in the address (#/path), `group` its heading in the navigation,
// `key` what goes there after `g`, and `View` its component, which is shown while somebody is, or was, joined.

import { Spaces } from "./dstm/spaces.jsx";
import { Log } from "./log.jsx";
import { Overview } from "./overview.jsx";
import { Registrations, Subscriptions } from "./registry.jsx";
import { Sessions } from "./sessions.jsx";
import { Shortcuts } from "./shortcuts.jsx";
import { SlowConsumers } from "./slow.jsx";
import { Call } from "./tools/call.jsx";
import { Publish } from "./tools/publish.jsx";
import { Register } from "./tools/register.jsx";
import { Subscribe } from "./tools/subscribe.jsx";
import "./tools/tools.css";

export const GROUPS = ["Router", "Data", "Tools", "Help"];

export const views = [
  { path: "overview", title: "Overview", group: "Router", key: "o", View: Overview },
  { path: "sessions", title: "Sessions", group: "Router", key: "s", View: Sessions },
  { path: "registrations", title: "Registrations", group: "Router", key: "r", View: Registrations },
  { path: "subscriptions", title: "Subscriptions", group: "Router", key: "u", View: Subscriptions },
  { path: "slow", title: "Slow consumers", group: "Router", key: "c", View: SlowConsumers },
  { path: "log", title: "Log", group: "Router", key: "l", View: Log },
  { path: "spaces", title: "Spaces", group: "Data", key: "d", View: Spaces },
  { path: "call", title: "Call", group: "Tools", key: "a", View: Call },
  { path: "publish", title: "Publish", group: "Tools", key: "p", View: Publish },
  { path: "subscribe", title: "Subscribe", group: "Tools", key: "e", View: Subscribe },
  { path: "register", title: "Register", group: "Tools", key: "n", View: Register },
  { path: "shortcuts", title: "Keyboard", group: "Help", key: "k", View: Shortcuts },
];
