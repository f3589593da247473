// The tabs of one page: one of them leads, the others are attached to it.
//
// - The leader is who holds a lock (Web Locks): when it closes or crashes, another tab gets it, at once. Browsers give no locks
//   to pages without TLS: there, two tabs would both submit what is kept. Node before version 24 has none: a process leads.
// - The tabs speak over a BroadcastChannel. A message is {kind, ...}; `tell` sends one to all others.
// - The leader alone has a session. `TabSession` is what the others have: each of its calls and subscriptions is done by the
//   leader, and its answers and events come back.

import { promised } from "./link.js";
import { randomId } from "./values.js";

const [LEADER, CALL, SUBSCRIBE, ANSWER, EVENT, BYE] = ["leader", "call", "subscribe", "answer", "event", "bye"];

export class Tabs {
  #channel;
  #id = randomId();
  #hear;
  #session; // of the leader, while it is connected
  #remote; // of another tab, while its leader is connected
  #release = () => {};
  #closed = false;
  #waiting = new AbortController(); // for the lock
  #attached = new Map(); // id of another tab -> {open}, of those that have asked for something
  isLeader = false;

  /**
   * @param {string} name of what the tabs share
   * @param {{lead: Function, online: function(Object): void, offline: Function, hear: function(Object): void, leave: Function, back: Function}} told `lead`:
   *   this tab leads from now on; `online`: the leader is connected, and here is a session over it; `offline`: it is not;
   *   `hear`: a message of another tab; `leave`: this tab may end, and can tell something before;
   *   `back`: it goes on, and may have missed messages
   */
  constructor(name, told) {
    const locks = globalThis.navigator?.locks;
    if (!locks && globalThis.isSecureContext === false) {
      throw new Error("working offline needs a page with TLS, or of localhost: browsers give other pages no locks, by which one tab leads");
    }
    this.#hear = told.hear;
    this.told = told;
    this.#channel = new BroadcastChannel(`dstm ${name}`);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    const lead = () => {
      if (this.#closed) return undefined; // the lock came too late, and is free again
      this.isLeader = true;
      this.#goOffline();
      told.lead();
      return new Promise((release) => (this.#release = release));
    };
    if (locks) locks.request(`dstm ${name}`, { signal: this.#waiting.signal }, lead).catch(() => {});
    else queueMicrotask(lead);
    this.tell({ kind: LEADER, asks: true });
    globalThis.addEventListener?.("pagehide", this.#leave);
    globalThis.addEventListener?.("pageshow", this.#back);
  }

  #leave = () => {
    this.told.leave();
    this.tell({ kind: BYE });
  };

  /** The page was kept aside by its browser, and has heard nothing meanwhile: it begins anew with who leads. */
  #back = ({ persisted }) => {
    if (!persisted || this.isLeader) return;
    this.#goOffline();
    this.tell({ kind: LEADER, asks: true });
    this.told.back();
  };

  /** Send a message to all other tabs. */
  tell(message) {
    if (!this.#closed) this.#channel.postMessage({ ...message, from: this.#id });
  }

  /** The leader is connected by `session`, or, where that is undefined, not any more. */
  connected(session) {
    this.#session = session && promised(session);
    this.#attached.clear();
    this.tell({ kind: LEADER, online: session !== undefined });
  }

  close() {
    if (this.isLeader) this.connected(undefined);
    this.#leave();
    globalThis.removeEventListener?.("pagehide", this.#leave);
    globalThis.removeEventListener?.("pageshow", this.#back);
    this.#closed = true;
    this.#waiting.abort();
    this.#channel.onmessage = null;
    this.#channel.close();
    this.#release();
  }

  #receive(message) {
    if (message.kind === LEADER) this.#hearOfLeader(message);
    else if (message.kind === CALL || message.kind === SUBSCRIBE) this.#serve(message);
    else if (message.kind === ANSWER || message.kind === EVENT) message.to === this.#id && this.#remote?.receive(message);
    else if (message.kind === BYE) this.#forget(message.from);
    else this.#hear(message);
  }

  #forget(tab) {
    const attached = this.#attached.get(tab);
    if (attached) attached.open = false;
    this.#attached.delete(tab);
  }

  #hearOfLeader({ asks, online, from }) {
    if (asks) {
      if (this.isLeader) this.tell({ kind: LEADER, online: this.#session !== undefined });
      return;
    }
    if (this.isLeader) return;
    if (!online) return this.#goOffline();
    if (this.#remote?.leader === from) return;
    this.#goOffline();
    this.#remote = new TabSession(this, from);
    this.told.online(this.#remote);
  }

  #goOffline() {
    const remote = this.#remote;
    this.#remote = undefined;
    remote?.end();
    if (remote) this.told.offline();
  }

  /** Do what another tab asks for. */
  #serve({ kind, id, from, to, uri, args, kwargs }) {
    if (!this.#session || to !== this.#id) return;
    const session = this.#session;
    const tab = this.#attached.get(from) ?? { open: true };
    this.#attached.set(from, tab);
    const answer = (outcome) => this.tell({ kind: ANSWER, to: from, id, ...outcome });
    const refuse = ({ uri: error, text, details }) => answer({ error: error ?? "wamp.error.canceled", text, details });
    const asked =
      kind === CALL
        ? session.call(uri, args, kwargs)
        : session.subscribe(uri, (eventArgs, eventKwargs) => {
            if (tab.open) this.tell({ kind: EVENT, to: from, id, args: eventArgs, kwargs: eventKwargs });
          });
    asked.then((result) => answer({ args: result.args, kwargs: result.kwargs }), refuse);
  }
}

/** A session over the leader, as link.js takes it from wampy.js. */
class TabSession {
  #tabs;
  #waiting = new Map(); // id -> {resolve, reject}
  #subscriptions = new Map(); // id -> function
  #last = 0;

  constructor(tabs, leader) {
    this.#tabs = tabs;
    this.leader = leader;
  }

  getOptions() {
    return {};
  }

  call(uri, { argsList, argsDict }) {
    return this.#ask({ kind: CALL, uri, args: argsList, kwargs: argsDict });
  }

  subscribe(uri, take) {
    this.#subscriptions.set(this.#last + 1, take);
    return this.#ask({ kind: SUBSCRIBE, uri });
  }

  async unsubscribe() {
    this.#subscriptions.clear();
  }

  receive({ kind, id, args, kwargs, error, text, details }) {
    if (kind === EVENT) return this.#subscriptions.get(id)?.({ argsList: args, argsDict: kwargs });
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve({ argsList: args, argsDict: kwargs });
    else waiting?.reject({ errorUri: error, argsList: [text], argsDict: details });
  }

  /** No answer will come. */
  end() {
    for (const { reject } of this.#waiting.values()) reject(new Error("the tab that was connected has closed, or lost its connection"));
    this.#waiting.clear();
    this.#subscriptions.clear();
  }

  #ask(message) {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#tabs.tell({ ...message, id, to: this.leader });
    });
  }
}
