// The newest of what comes, bounded by number and by size: for lists that are shown while much comes.
//
// What comes is gathered by `add`, and taken into the list by `take`, which is called some times a second at most.

const MOST_TEXT = 400; // characters of an item's arguments that a row of a table shows
const BINARY = /"\\u0000([A-Za-z0-9+/]*={0,2})"/g; // a binary value in WAMP's JSON, as text again
const LARGEST = 1_000_000; // an item that is larger is kept without what it holds

/** Give the arguments as one line, and how long they are. */
export function summaryOf({ args = [], kwargs = {} }) {
  const parts = [args.length > 0 && JSON.stringify(args), Object.keys(kwargs).length > 0 && JSON.stringify(kwargs)].filter(Boolean);
  const whole = parts.join(" ");
  const text = whole.length > MOST_TEXT ? `${whole.slice(0, MOST_TEXT)}…` : whole;
  return { text: text.replaceAll(BINARY, (_, base64) => `<${sizeOf(base64)} bytes>`), size: whole.length };
}

function sizeOf(base64) {
  return Math.floor((base64.replaceAll("=", "").length * 3) / 4);
}

export class Recent {
  #items = [];
  #waiting = [];
  #size = 0;
  #cleared = 0; // how many had come when it was cleared

  /** `most` items, of `largest` characters altogether. */
  constructor(most, largest = 8_000_000) {
    this.most = most;
    this.largest = largest;
    /** How many came, and how many of these are not kept any more. */
    this.count = 0;
    this.forgotten = 0;
  }

  /** Gather {args, kwargs, ...}; it gets an `id`, and with `take` its `text` and `size`. */
  add(item) {
    this.#waiting.push({ ...item, id: ++this.count });
    if (this.#waiting.length >= 2 * this.most) this.#waiting.splice(0, this.#waiting.length - this.most);
  }

  /** Give a new list with what was gathered, the oldest first. */
  take() {
    const came = this.#waiting.slice(-this.most).map(measured);
    this.#waiting = [];
    const all = [...this.#items, ...came];
    this.#size += came.reduce((sum, { size }) => sum + size, 0);
    let first = Math.max(0, all.length - this.most);
    for (let at = 0; at < first; at++) this.#size -= all[at].size;
    while (this.#size > this.largest && first < all.length - 1) this.#size -= all[first++].size;
    this.#items = all.slice(first);
    this.forgotten = this.count - this.#items.length - this.#cleared;
    return this.#items;
  }

  clear() {
    this.#items = [];
    this.#waiting = [];
    this.#size = 0;
    this.#cleared = this.count;
    this.forgotten = 0;
    return this.#items;
  }
}

function measured(item) {
  const { text, size } = summaryOf(item);
  if (size <= LARGEST) return { ...item, text, size };
  return { ...item, args: [`${size} characters, which are too many to be kept here.`], kwargs: {}, text, size: text.length };
}
