// JSON that somebody types, with the place of the first mistake, for arguments that go to a router.
//
// - Stricter than JSON.parse: what it would change silently (integers beyond 2^53, keys that are there twice) is a mistake.
// - This only checks; JSON.parse gives the value.

const DEEPEST = 100;
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const WORD = /[A-Za-z0-9_$.+-]+/y;
const EXPECTED = { array: "A list is needed, as [1, 2].", object: 'An object is needed, as {"a": 1}.' };

/** Give {value} or {error} of `text`; `expect` is "array", "object" or nothing. No text at all is undefined. */
export function readJson(text, expect) {
  if (text.trim() === "") return { value: undefined };
  try {
    new Scanner(text).whole();
  } catch (mistake) {
    if (!(mistake instanceof Mistake)) throw mistake;
    return { error: `${placeOf(text, mistake.at)}: ${mistake.message}` };
  }
  const value = JSON.parse(text);
  if (expect === "array" && !Array.isArray(value)) return { error: EXPECTED.array };
  if (expect === "object" && (value === null || typeof value !== "object" || Array.isArray(value))) return { error: EXPECTED.object };
  return { value };
}

function placeOf(text, at) {
  const before = text.slice(0, at).split("\n");
  return `Line ${before.length}, column ${before.at(-1).length + 1}`;
}

class Mistake extends Error {
  constructor(at, message) {
    super(message);
    this.at = at;
  }
}

class Scanner {
  #text;
  #at = 0;

  constructor(text) {
    this.#text = text;
  }

  whole() {
    this.#value(0);
    this.#skip();
    if (this.#at < this.#text.length) this.#fail("nothing more is expected here.");
  }

  #value(depth) {
    if (depth > DEEPEST) this.#fail(`lists and objects go deeper than ${DEEPEST}.`);
    this.#skip();
    const first = this.#text[this.#at];
    if (first === "[") this.#list(depth);
    else if (first === "{") this.#object(depth);
    else if (first === '"') this.#string();
    else if (first === "-" || (first >= "0" && first <= "9")) this.#number();
    else this.#word();
  }

  #list(depth) {
    this.#members("]", () => this.#value(depth + 1));
  }

  #object(depth) {
    const keys = new Set();
    this.#members("}", () => {
      const at = this.#at;
      if (this.#text[at] !== '"') this.#fail('a key in double quotes is expected, as "a".');
      const key = this.#string();
      if (keys.has(key)) throw new Mistake(at, `the key ${JSON.stringify(key)} is there twice.`);
      keys.add(key);
      this.#skip();
      if (this.#text[this.#at] !== ":") this.#fail('":" is expected.');
      this.#at += 1;
      this.#value(depth + 1);
    });
  }

  #members(end, each) {
    this.#at += 1;
    this.#skip();
    if (this.#text[this.#at] === end) return void (this.#at += 1);
    for (;;) {
      each();
      this.#skip();
      const next = this.#text[this.#at];
      if (next !== "," && next !== end) this.#fail(`"," or "${end}" is expected.`);
      this.#at += 1;
      if (next === end) return;
      this.#skip();
      if (this.#text[this.#at] === end) this.#fail(`another member is expected after ",".`);
    }
  }

  #string() {
    const start = this.#at++;
    for (;;) {
      const next = this.#text[this.#at];
      if (next === undefined) throw new Mistake(start, "this text has no closing quote.");
      if (next === '"') break;
      if (next < " ") this.#fail("a line break or a control character in a text is written as \\n or \\u0000.");
      if (next === "\\" && !this.#take(ESCAPE)) this.#fail('"\\" begins no escape that JSON has.');
      else if (next !== "\\") this.#at += 1;
    }
    this.#at += 1;
    return JSON.parse(this.#text.slice(start, this.#at));
  }

  #number() {
    const start = this.#at;
    const found = this.#take(NUMBER);
    if (!found || this.#peek(WORD)) throw new Mistake(start, "this is no number of JSON.");
    const value = Number(found[0]);
    const isInteger = found[1] === undefined && found[2] === undefined;
    if (isInteger && !Number.isSafeInteger(value)) throw new Mistake(start, `${found[0]} is beyond 2^53, and would become another number in a browser.`);
    if (!Number.isFinite(value)) throw new Mistake(start, `${found[0]} is too large.`);
  }

  #word() {
    const found = this.#peek(WORD)?.[0];
    if (found === "true" || found === "false" || found === "null") this.#at += found.length;
    else if (this.#at >= this.#text.length) this.#fail("the text ends where a value is expected.");
    else if (this.#text[this.#at] === "'") this.#fail("texts have double quotes.");
    else this.#fail("a value is expected.");
  }

  #skip() {
    while (" \t\r\n".includes(this.#text[this.#at] ?? "-")) this.#at += 1;
  }

  #take(pattern) {
    const found = this.#peek(pattern);
    if (found) this.#at += found[0].length;
    return found;
  }

  #peek(pattern) {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text);
  }

  #fail(message) {
    throw new Mistake(this.#at, message);
  }
}
