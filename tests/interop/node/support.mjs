// What the clients and the checks share.

// An ERROR or ABORT of the router or of a callee.
export class WampError extends Error {
  constructor(uri, args, kwargs) {
    super(`${uri} ${JSON.stringify(args)}`);
    Object.assign(this, { uri, args: args ?? [], kwargs: kwargs ?? {} });
  }
}

// A client's own limit: reported as such, not as a failure.
export class Cannot extends Error {}

// What a handler received, to be awaited in order.
export class Inbox {
  #items = [];
  #waiting = [];

  put = (item) => {
    if (this.#waiting.length) this.#waiting.shift()(item);
    else this.#items.push(item);
  };

  async take() {
    if (this.#items.length) return this.#items.shift();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
