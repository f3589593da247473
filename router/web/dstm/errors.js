// The errors of DSTM. A program looks at `uri` and `details`; `message` is for people.

export const CONFLICT = "dstm.error.conflict";
export const STALE = "dstm.error.stale";
export const EPOCH = "dstm.error.epoch";
export const CONSTRAINT = "dstm.error.constraint";
export const INVALID = "dstm.error.invalid";
export const TOO_LARGE = "dstm.error.too_large";
export const THROTTLED = "dstm.error.throttled";
export const UNAVAILABLE = "dstm.error.unavailable";

/** Report what a callback of the page has thrown, as if nobody had caught it. */
export const report = (error) => (globalThis.reportError ?? console.error)(error);

/** A request that was refused: by the server, or by this client before it was sent. */
export class DstmError extends Error {
  /**
   * @param {string} uri what kind of error, as "dstm.error.conflict"
   * @param {string} text what is wrong, where, and what is allowed
   * @param {Object} details the same for programs
   */
  constructor(uri, text, details = {}) {
    super(`${uri}: ${text}`);
    this.name = "DstmError";
    this.uri = uri;
    this.text = text;
    this.details = details;
  }
}

/**
 * The transaction was submitted, and whether it was committed can't be learned any more: read what it
 * would have changed before you repeat it. `tx` is its id.
 */
export class UnknownOutcome extends DstmError {
  constructor(cause, tx) {
    super(cause.uri, `whether it was committed is unknown: ${cause.text}`, cause.details);
    this.name = "UnknownOutcome";
    this.tx = tx;
  }
}
