// A joined session of a WAMP library as the core sees it, and the channel that it uses of it.
//
// - `call` and `subscribe` tell `done` their outcome once: {args, kwargs}, a DstmError, or LOST with its reason.
// - An error that comes when the session is not open any more is no answer.
// - A channel is the link in use: once it is closed, nothing comes out of it any more.

import { DstmError, INVALID } from "./errors.js";

/** No answer will come: the session ended, and what was asked may or may not have happened. */
class LinkLost {
  constructor(reason) {
    this.reason = reason;
  }
}

/** Make a link of a session of autobahn-js, or of a joined client of wampy.js. */
export function linkOf(session) {
  if (typeof session?.call !== "function" || typeof session.subscribe !== "function") {
    throw new TypeError("attach needs an open session of autobahn-js, or a connected client of wampy.js");
  }
  return typeof session.getOptions === "function" ? new WampyLink(session) : new AutobahnLink(session);
}

class AutobahnLink {
  #session;
  #subscriptions = [];

  constructor(session) {
    this.#session = session;
    this.source = session;
  }

  call(procedure, args, kwargs, done) {
    this.#ask(() => this.#session.call(procedure, args, kwargs), done, (result) => {
      // One positional result comes as it is, anything else as an object of autobahn.Result.
      const whole = result !== null && typeof result === "object" && Array.isArray(result.args) && "kwargs" in result;
      if (whole) return { args: result.args, kwargs: result.kwargs ?? {} };
      return { args: result === null || result === undefined ? [] : [result], kwargs: {} };
    });
  }

  subscribe(topic, onEvent, done) {
    const take = (args, kwargs) => onEvent(args ?? [], kwargs ?? {});
    this.#ask(() => this.#session.subscribe(topic, take), done, (subscription) => {
      this.#subscriptions.push(subscription);
      return { args: [], kwargs: {} };
    });
  }

  unsubscribe() {
    for (const subscription of this.#subscriptions.splice(0)) {
      if (subscription.active && this.#session.isOpen) Promise.resolve(subscription.unsubscribe()).catch(() => {});
    }
  }

  #ask(begin, done, read) {
    let promise;
    try {
      promise = begin();
    } catch (error) {
      return queueMicrotask(() => done(this.#refused(error)));
    }
    promise.then((result) => done(read(result)), (error) => done(this.#refused(error)));
  }

  #refused(error) {
    if (!this.#session.isOpen) return new LinkLost("the session has ended");
    if (typeof error?.error === "string") return refusal(error.error, error.args, error.kwargs);
    return new DstmError(INVALID, `autobahn-js cannot send this: ${error?.message ?? error}`);
  }
}

class WampyLink {
  #client;
  #topics = [];

  constructor(client) {
    this.#client = client;
    this.source = client;
    this.open = true;
  }

  call(procedure, argsList, argsDict, done) {
    this.#ask(() => this.#client.call(procedure, { argsList, argsDict }), done, (result) => ({
      args: result.argsList ?? [],
      kwargs: result.argsDict ?? {},
    }));
  }

  subscribe(topic, onEvent, done) {
    const take = ({ argsList, argsDict }) => onEvent(argsList ?? [], argsDict ?? {});
    this.#ask(() => this.#client.subscribe(topic, take), done, () => {
      this.#topics.push([topic, take]);
      return { args: [], kwargs: {} };
    });
  }

  unsubscribe() {
    for (const [topic, take] of this.#topics.splice(0)) this.#client.unsubscribe(topic, take).catch(() => {});
  }

  #ask(begin, done, read) {
    Promise.resolve()
      .then(begin)
      .then((result) => done(read(result)), (error) => done(this.#refused(error)));
  }

  #refused(error) {
    if (typeof error?.errorUri === "string") return refusal(error.errorUri, error.argsList, error.argsDict);
    return new LinkLost(error?.message ?? String(error));
  }
}

/** Give `call` and `subscribe` of a session as promises of {args, kwargs}; they reject with a DstmError, or never settle. */
export function promised(session) {
  const link = linkOf(session);
  const asked = (begin) =>
    new Promise((resolve, reject) =>
      begin((outcome) => {
        if (outcome instanceof DstmError) reject(outcome);
        else if (!(outcome instanceof LinkLost)) resolve(outcome);
      }),
    );
  return {
    call: (uri, args, kwargs) => asked((done) => link.call(uri, args, kwargs, done)),
    subscribe: (uri, onEvent) => asked((done) => link.subscribe(uri, onEvent, done)),
  };
}

function refusal(uri, args, kwargs) {
  return new DstmError(uri, typeof args?.[0] === "string" ? args[0] : "", { ...kwargs });
}

/** The link in use; `close` cuts it off. `turn` runs one input to its end; `lost` is called when it is found lost. */
export class Channel {
  constructor(link, turn, lost) {
    this.link = link;
    this.isOpen = true;
    this.turn = turn;
    this.lost = lost;
  }

  call(procedure, args, kwargs, done) {
    this.link.call(procedure, args, kwargs, this.#guarded(done));
  }

  subscribe(topic, onEvent, done) {
    const event = (args, kwargs) => this.isOpen && this.turn(() => onEvent(args, kwargs));
    this.link.subscribe(topic, event, this.#guarded(done));
  }

  close() {
    this.isOpen = false;
  }

  #guarded(done) {
    return (outcome) => {
      if (!this.isOpen) return;
      this.turn(() => (outcome instanceof LinkLost ? this.lost(outcome.reason) : done(outcome)));
    };
  }
}
