// One subscription of the console, for however many want it, over reconnects.

import { errorOf } from "./errors.js";

export class Topic {
  #listeners = new Set();
  #asked = null; // the client that was asked
  #client; // signal
  #id = null; // of the subscription
  #outcome; // null when subscribed, an error when refused, undefined while neither

  /** `client`: signal of the joined client, or of null. */
  constructor(topic, options, client) {
    this.topic = topic;
    this.options = options;
    this.#client = client;
  }

  add(listener) {
    this.#listeners.add(listener);
    if (this.#outcome !== undefined) listener.onState(this.#outcome);
    else if (this.#listeners.size === 1) this.begin();
  }

  /** Tells whether that was the last one. */
  remove(listener) {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return false;
    this.#unsubscribe();
    return true;
  }

  /** Subscribe with the client that there is now. */
  async begin() {
    const using = this.#client.value;
    if (!using) return;
    this.#asked = using;
    this.#id = null;
    this.#outcome = undefined;
    let outcome = null;
    let id = null;
    try {
      ({ subscriptionId: id } = await using.subscribe(this.topic, this.#receiver(using), this.options));
    } catch (error) {
      outcome = errorOf(error);
    }
    if (using !== this.#asked || using !== this.#client.value) return;
    this.#id = id;
    this.#outcome = outcome;
    if (this.#listeners.size === 0) this.#unsubscribe();
    else for (const { onState } of this.#listeners) onState(outcome);
  }

  /** The session has ended. */
  end() {
    this.#asked = null;
    this.#id = null;
    this.#outcome = undefined;
  }

  #unsubscribe() {
    if (this.#id !== null) this.#asked?.unsubscribe(this.#id)?.catch(() => {});
    if (this.#id !== null) this.end();
  }

  #receiver(using) {
    return ({ argsList, argsDict, details }) => {
      if (using !== this.#asked) return;
      const event = { args: argsList ?? [], kwargs: argsDict ?? {}, details };
      for (const { onEvent } of [...this.#listeners]) onEvent(event);
    };
  }
}
