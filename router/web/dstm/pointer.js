// JSON Pointers (RFC 6901). A path is its text, and `parse` gives the tokens of it.
//
// Two texts are the same path only if they are equal: "~0" and "~1" are the only escapes, and there is one way
// to write each. So texts are keys of maps, and a prefix of a path is a prefix of its text.

const REMEMBERED = 10_000;
const REMEMBERED_LENGTH = 128;
const FORBIDDEN = "__proto__"; // it would change what an object is
const remembered = new Map(); // pointer -> tokens

/**
 * Give the tokens of a pointer.
 * @throws {RangeError} it is no pointer, or has the token "__proto__"
 */
export function parse(pointer) {
  const known = remembered.get(pointer);
  if (known !== undefined) return known;
  const tokens = Object.freeze(read(pointer));
  if (pointer.length <= REMEMBERED_LENGTH) {
    if (remembered.size >= REMEMBERED) remembered.clear();
    remembered.set(pointer, tokens);
  }
  return tokens;
}

function read(pointer) {
  if (typeof pointer !== "string") throw new RangeError(`a JSON Pointer is a text, got ${typeof pointer}`);
  if (pointer === "") return [];
  const shown = JSON.stringify(pointer.slice(0, 80));
  if (pointer[0] !== "/") throw new RangeError(`a JSON Pointer is empty or begins with "/", got ${shown}`);
  if (/~(?![01])/.test(pointer)) throw new RangeError(`"~" is followed by 0 or 1 in a JSON Pointer, not so in ${shown}`);
  if (!isText(pointer)) throw new RangeError(`a lone surrogate is no text, in ${shown}`);
  const tokens = pointer.slice(1).split("/").map(unescaped);
  if (tokens.includes(FORBIDDEN)) throw new RangeError(`the token "${FORBIDDEN}" is not allowed, in ${shown}`);
  return tokens;
}

/** Give the pointer of a path that goes one token further. */
export function below(pointer, token) {
  return `${pointer}/${escaped(token)}`;
}

/** Give the pointer of what holds the one that `pointer` names; of the root, undefined. */
export function parent(pointer) {
  return pointer === "" ? undefined : pointer.slice(0, pointer.lastIndexOf("/"));
}

/** Give the last token of a pointer that is not the root. */
export function last(pointer) {
  return unescaped(pointer.slice(pointer.lastIndexOf("/") + 1));
}

/** Give all pointers from the root to `pointer`, itself included. */
export function* prefixes(pointer) {
  for (let end = 0; end !== -1; end = pointer.indexOf("/", end + 1)) if (end < pointer.length) yield pointer.slice(0, end);
  yield pointer;
}

/** Tell whether `pointer` is at or below `above`. */
export function isWithin(pointer, above) {
  return pointer.startsWith(above) && (pointer.length === above.length || pointer[above.length] === "/");
}

/** Give the index that a token stands for (RFC 6901, section 4), or undefined. */
export function indexOf(token) {
  return /^(0|[1-9]\d{0,14})$/.test(token) ? Number(token) : undefined;
}

/** Tell whether a string is Unicode throughout. */
export function isText(text) {
  return !/[\ud800-\udfff]/.test(text) || !/(^|[^\ud800-\udbff])[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])/.test(text);
}

function unescaped(token) {
  return token.includes("~") ? token.replaceAll("~1", "/").replaceAll("~0", "~") : token;
}

function escaped(token) {
  return /[~/]/.test(token) ? token.replaceAll("~", "~0").replaceAll("/", "~1") : token;
}
