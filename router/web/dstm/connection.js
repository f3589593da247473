// The connection of a page: opened, watched over, and opened again with back-off for as long as the page wants it.
//
//     const connection = new Connection({ connect, isAlive, opened, lost });
//     connection.open();
//     connection.close();
//
// - A session ends when its library says so, when the browser says that it is offline, or when the server leaves a question
//   unanswered: a cut that nobody is told of looks like silence.
// - A session that is not used any more is left, so that the server does not go on with it.
// - "online" of the browser ends a wait.

import { delayMs } from "./settings.js";

const BACK_OFF = { firstDelayMs: 100, longestDelayMs: 5_000 };

export class Connection {
  #settings;
  #isClosed = false;
  #lost = () => {}; // ends the session in use, or the attempt to get one
  #retry = () => {}; // ends the wait for the next attempt

  /**
   * @param {{connect: function(Function): Promise<Object>, opened: function(Object): Promise<void>, lost: function(Object, string): void,
   *   isAlive: function(Object): Promise<*>, aliveMs: number}} settings `connect(lost)`: gives a session, calls `lost(reason)` when
   *   that ends; `opened(session)`: uses it, and rejects where it is of no use; `lost(session, reason)`: it is not used any more;
   *   `isAlive(session)`: is settled by any answer of the server, asked for every `aliveMs`, for which it has half of that; a session is to be had in `aliveMs`
   */
  constructor(settings) {
    this.#settings = settings;
  }

  /** Have one session after the other, until `close`. */
  async open() {
    globalThis.addEventListener?.("online", this.#online);
    globalThis.addEventListener?.("offline", this.#offline);
    for (let tries = 0; !this.#isClosed; ) {
      const began = Date.now();
      await this.#session();
      tries = Date.now() - began > BACK_OFF.longestDelayMs ? 1 : tries + 1;
      if (!this.#isClosed) await this.#pause(delayMs(BACK_OFF, tries, Math.random()));
    }
  }

  close() {
    this.#isClosed = true;
    globalThis.removeEventListener?.("online", this.#online);
    globalThis.removeEventListener?.("offline", this.#offline);
    this.#lost("closed");
    this.#retry();
  }

  #online = () => this.#retry();
  #offline = () => this.#lost("the browser is offline");

  /** Have one session until it ends. */
  #session() {
    return new Promise((ended) => {
      let session;
      let timer;
      let isOver = false;
      const lost = (reason) => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        if (session) {
          this.#settings.lost(session, reason);
          leave(session);
        }
        ended();
      };
      const ask = () => {
        timer = setTimeout(() => lost("the server does not answer"), this.#settings.aliveMs / 2);
        const again = () => {
          clearTimeout(timer);
          if (!isOver) timer = setTimeout(ask, this.#settings.aliveMs);
        };
        this.#settings.isAlive(session).then(again, again);
      };
      const use = async (opened) => {
        if (isOver) return leave(opened);
        clearTimeout(timer);
        session = opened;
        timer = setTimeout(ask, this.#settings.aliveMs);
        await this.#settings.opened(session);
      };
      this.#lost = lost;
      timer = setTimeout(() => lost("no session could be had in time"), this.#settings.aliveMs);
      Promise.resolve()
        .then(() => this.#settings.connect(lost))
        .then(use)
        .catch((error) => lost(error?.message ?? String(error)));
    });
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#retry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** End a session of autobahn-js or wampy.js; it may have ended already. */
function leave(session) {
  const end = session.disconnect ?? session.leave;
  Promise.resolve()
    .then(() => end?.call(session))
    .catch(() => {});
}

/**
 * Connect by autobahn-js: `options` are those of `autobahn.Connection`.
 */
export function autobahnConnector(autobahn, options) {
  return (lost) =>
    new Promise((resolve, reject) => {
      const connection = new autobahn.Connection({ ...options, max_retries: 0 });
      connection.onopen = (session) => resolve(session);
      connection.onclose = (reason, details) => {
        const why = details?.reason ?? reason;
        reject(new Error(why));
        lost(why);
        return true; // connecting again is not its job
      };
      connection.open();
    });
}

/**
 * Connect by wampy.js: `make(options)` makes a client with these options and its own.
 */
export function wampyConnector(make) {
  return async (lost) => {
    const client = make({ autoReconnect: false, maxRetries: 0, onClose: () => lost("closed"), onError: () => {} });
    await client.connect();
    return client;
  };
}
