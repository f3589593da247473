// The WAMP client: wampy.js, with what a console needs besides.
//
// - The router judges URIs and options, not the client: an operator wants to see the router's own answer.
// - Every option of a request is sent; wampy.js knows only some of them.
// - The reason of a GOODBYE is kept, which wampy.js drops.

import { Wampy } from "wampy";

const GOODBYE = 6;

export class Client extends Wampy {
  /** {reason, message} of the router's GOODBYE, once it came. */
  goodbye = null;
  /** Resolves when the WebSocket is closed. */
  closed;
  /** When something came last, in milliseconds of performance.now(). */
  heardAt = performance.now();

  constructor(url, options) {
    super(url, { ...options, autoReconnect: false });
    this.closed = new Promise((resolve) => this.setOptions({ onClose: resolve }));
    this.setOptions({
      serializer: {
        protocol: "json",
        isBinary: false,
        encode: (message) => JSON.stringify(message),
        decode: (text) => this.#read(JSON.parse(text)),
      },
    });
  }

  /** Close the WebSocket, without a word to the router. */
  drop() {
    this._ws?.close();
  }

  #read(message) {
    this.heardAt = performance.now();
    if (message[0] === GOODBYE) this.goodbye = { reason: message[2], message: message[1]?.message ?? "" };
    return message;
  }

  _validateURI() {
    return true;
  }

  _extractCustomOptions(options) {
    const sent = Object.entries(options ?? {}).filter(([, value]) => value !== undefined && typeof value !== "function");
    return Object.fromEntries(sent);
  }

  /** Wampy.js finds a subscription again by its options, and forgets them when it unsubscribes: they are put back. */
  unsubscribe(id, onEvent) {
    const subscription = this._subscriptionsById.get(id) ?? this._subscriptionsByKey.get(id);
    const done = super.unsubscribe(id, onEvent);
    const request = this._requests[this.getOpStatus().reqId];
    if (subscription && request && request.topic === subscription.topic) request.advancedOptions = subscription.advancedOptions;
    return done;
  }
}
