// The sessions of a realm. Operators get them with numbers (`concord.sessions`), others what the session meta API tells.
//
// - Who comes and goes is told by meta events, in the session's own realm. Numbers are read again: often where they
//   are few, at the user's wish where they are many, so that looking costs the router little.
// - Events that come while a list is read count: who has left meanwhile is not shown.

import { signal } from "@preact/signals";

import { call, isDenied, session as own, subscribe } from "../connection.js";
import { forAll } from "./for_all.js";
import { Rows } from "./rows.js";

const PAGE = 1_000;
const FEW = 1_000;
const AGAIN_MS = 5_000;
const MOST_ONE_BY_ONE = 2_000; // sessions whose details are asked for one by one
const AT_ONCE = 16;

export class Sessions {
  rows = new Rows();
  /** Why there is no list; null while there is one. */
  error = signal(null);
  /** Why changes are not told; null while they are. */
  deaf = signal(null);
  /** When the numbers were read, in milliseconds since 1970; null while they are being read for the first time. */
  readAt = signal(null);
  /** True where numbers are there: for operators. */
  hasNumbers = signal(true);
  #isOpen = true;
  #timer = null;
  #reading = null; // ids that left while a list is read

  constructor(realm) {
    this.realm = realm;
    this.#undo = realm === own.value?.realm ? this.#listen() : [];
    this.read();
  }

  #undo;

  close() {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    for (const undo of this.#undo) undo();
  }

  #listen() {
    const onState = (error) => {
      this.deaf.value = error;
    };
    const joined = ({ args: [details] }) => this.rows.put(details.session, { ...this.rows.get(details.session), ...rowOf(details) });
    const left = ({ args: [id] }) => {
      this.#reading?.add(id);
      this.rows.delete(id);
    };
    return [subscribe("wamp.session.on_join", joined, { onState }), subscribe("wamp.session.on_leave", left, { onState })];
  }

  /** Read the list (again). */
  async read() {
    if (this.#reading) return;
    this.#reading = new Set();
    clearTimeout(this.#timer);
    const before = new Set(this.rows.list.value.map(({ session }) => session));
    try {
      const seen = this.hasNumbers.value ? await this.#readPages() : await this.#readIds();
      if (!this.#isOpen) return;
      this.rows.keep((id) => seen.has(id) || !before.has(id)); // who joined since then stays
      this.error.value = null;
      this.readAt.value = Date.now();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#reading = null;
      if (this.#isOpen && this.rows.size <= FEW && !isDenied(this.error.value)) this.#timer = setTimeout(() => this.read(), AGAIN_MS);
    }
  }

  #failed(error) {
    if (this.hasNumbers.value && isDenied(error) && this.realm === own.value?.realm) {
      this.hasNumbers.value = false;
      queueMicrotask(() => this.read());
    } else {
      this.error.value = error;
    }
  }

  async #readPages() {
    const seen = new Set();
    for (let after = 0; this.#isOpen; ) {
      const { args: [page] } = await call("concord.sessions", [this.realm, PAGE, after]);
      for (const details of page) this.#seen(seen, rowOf(details));
      if (page.length < PAGE) break;
      after = page.at(-1).session;
    }
    return seen;
  }

  async #readIds() {
    const { args: [ids] } = await call("wamp.session.list");
    const seen = new Set();
    for (const id of ids) this.#seen(seen, { session: id });
    const unknown = ids.filter((id) => !this.rows.get(id)?.authid).slice(0, MOST_ONE_BY_ONE);
    const ask = async (id) => {
      const { args: [details] } = await call("wamp.session.get", [id]);
      this.rows.change(id, rowOf(details));
    };
    await forAll(unknown, AT_ONCE, (id) => ask(id).catch(() => {}), () => this.#isOpen);
    return seen;
  }

  #seen(seen, row) {
    if (this.#reading.has(row.session)) return;
    seen.add(row.session);
    this.rows.put(row.session, { ...this.rows.get(row.session), ...row });
  }
}

function rowOf({ transport, ...details }) {
  return { ...details, transport, type: transport?.type, peer: transport?.peer };
}
