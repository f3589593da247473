// The registrations, or the subscriptions, of the realm, by the meta API: read once, then kept by its events.
//
// What the meta API tells of each is asked for one by one, some at a time.

import { signal } from "@preact/signals";

import { call, subscribe } from "../connection.js";
import { forAll } from "./for_all.js";
import { Rows } from "./rows.js";

const AT_ONCE = 24;
const MOST_COUNTED = 2_000; // of so many the members are counted one by one

/** What is different between the two. */
export const REGISTRATIONS = {
  noun: "registrations", prefix: "wamp.registration", joined: "on_register", left: "on_unregister", list: "list_callees", count: "count_callees",
};
export const SUBSCRIPTIONS = {
  noun: "subscriptions", prefix: "wamp.subscription", joined: "on_subscribe", left: "on_unsubscribe", list: "list_subscribers", count: "count_subscribers",
};

export class Registry {
  rows = new Rows();
  /** Why there is no list; null while there is one. */
  error = signal(null);
  /** Why changes are not told; null while they are. */
  deaf = signal(null);
  /** How many are still to be read; null when all are. */
  missing = signal(null);
  #isOpen = true;
  #gone = new Set();
  #undo;

  constructor(kind) {
    this.kind = kind;
    this.#undo = this.#listen();
    this.#read();
  }

  close() {
    this.#isOpen = false;
    for (const undo of this.#undo) undo();
  }

  #listen() {
    const { prefix, joined, left } = this.kind;
    const onState = (error) => {
      this.deaf.value = error;
    };
    const on = (name, take) => subscribe(`${prefix}.${name}`, ({ args }) => take(...args), { onState });
    const counted = (difference) => (_, id) => {
      const members = this.rows.get(id)?.members;
      if (members !== undefined) this.rows.change(id, { members: members + difference });
    };
    return [
      on("on_create", (_, details) => this.rows.put(details.id, { ...details, members: 0 })),
      on("on_delete", (_, id) => this.#forget(id)),
      on(joined, counted(+1)),
      on(left, counted(-1)),
    ];
  }

  #forget(id) {
    this.#gone.add(id);
    this.rows.delete(id);
  }

  async #read() {
    const { prefix } = this.kind;
    try {
      const { args: [byMatch] } = await call(`${prefix}.list`);
      const ids = Object.values(byMatch).flat();
      const isCounted = ids.length <= MOST_COUNTED;
      let left = ids.length;
      this.missing.value = left;
      await forAll(ids, AT_ONCE, async (id) => {
        await this.#readOne(id, isCounted).catch(() => {}); // it is gone since
        left -= 1;
        if (left % 200 === 0) this.missing.value = left;
      }, () => this.#isOpen);
      this.missing.value = null;
    } catch (error) {
      this.error.value = error;
    }
  }

  async #readOne(id, isCounted) {
    const { prefix, count } = this.kind;
    const [details, members] = await Promise.all([
      call(`${prefix}.get`, [id]),
      isCounted ? call(`${prefix}.${count}`, [id]).catch(() => null) : null,
    ]);
    if (this.#isOpen && !this.#gone.has(id)) this.rows.put(id, { ...details.args[0], members: members?.args[0] });
  }
}
