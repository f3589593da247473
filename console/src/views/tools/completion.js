// URIs that are offered while one is typed: what the role may see of the realm's own, and what every router has.

import { signal } from "@preact/signals";

import { call, session } from "../../connection.js";
import { forAll } from "../../live/for_all.js";

const MOST_READ = 300; // entries of the meta API that are asked for one by one
const MOST_KNOWN = 20_000;
const MOST_OFFERED = 50;
const AT_ONCE = 8;

const COUNTED = ["count", "list", "get"];
const LOOKED_UP = ["list", "get", "lookup", "match"];
const META = [
  ...COUNTED.map((name) => `wamp.session.${name}`), "wamp.session.kill", "wamp.session.kill_by_authid", "wamp.session.kill_by_authrole",
  ...LOOKED_UP.map((name) => `wamp.registration.${name}`), "wamp.registration.list_callees", "wamp.registration.count_callees",
  ...LOOKED_UP.map((name) => `wamp.subscription.${name}`), "wamp.subscription.list_subscribers", "wamp.subscription.count_subscribers", "wamp.subscription.get_events",
  ...["procedure", "topic", "error"].flatMap((kind) => [`wamp.reflection.${kind}.list`, `wamp.reflection.${kind}.describe`]), "wamp.reflect.describe",
];
const META_TOPICS = [
  "wamp.session.on_join", "wamp.session.on_leave",
  ...["create", "register", "unregister", "delete"].map((name) => `wamp.registration.on_${name}`),
  ...["create", "subscribe", "unsubscribe", "delete"].map((name) => `wamp.subscription.on_${name}`),
  "wamp.reflect.on_define", "wamp.reflect.on_undefine",
];

/** The URIs that are known, sorted. */
export const known = { procedures: signal(META), topics: signal(META_TOPICS) };

/** Read what the role may see; `kind` is "procedures" or "topics". What it may not is no mistake: less is offered. */
export async function readKnown(kind) {
  const mine = session.value?.id;
  const isProcedures = kind === "procedures";
  const own = isProcedures ? META : META_TOPICS;
  const reflected = await listed(isProcedures ? "wamp.reflection.procedure.list" : "wamp.reflection.topic.list");
  const isWhole = isProcedures && reflected !== null; // it has all that are registered; not so with topics
  const used = isWhole ? [] : await entries(isProcedures ? "wamp.registration" : "wamp.subscription", () => session.value?.id === mine);
  const found = [...(reflected ?? []), ...used];
  if (session.value?.id !== mine) return;
  known[kind].value = [...new Set([...found.filter((uri) => typeof uri === "string").slice(0, MOST_KNOWN), ...own])].sort();
}

/** Give a list of URIs, or null where the role may not see it. */
async function listed(procedure) {
  const answer = await call(procedure).catch(() => null);
  return Array.isArray(answer?.args[0]) ? answer.args[0] : null;
}

async function entries(prefix, isWanted) {
  const answer = await call(`${prefix}.list`).catch(() => null);
  const ids = answer?.args[0]?.exact;
  if (!Array.isArray(ids)) return [];
  const uris = [];
  const read = async (id) => uris.push((await call(`${prefix}.get`, [id])).args[0].uri);
  await forAll(ids.slice(0, MOST_READ), AT_ONCE, (id) => read(id).catch(() => {}), isWanted);
  return uris;
}

/** Give those that are offered for `text`: what begins with it first. */
export function offered(all, text) {
  const wanted = text.trim().toLowerCase();
  const matching = all.filter((uri) => uri.toLowerCase().includes(wanted) && uri !== text);
  const first = matching.filter((uri) => uri.toLowerCase().startsWith(wanted));
  const rest = matching.filter((uri) => !uri.toLowerCase().startsWith(wanted));
  return [...first, ...rest].slice(0, MOST_OFFERED);
}
