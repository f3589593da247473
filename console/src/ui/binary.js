// Binary values in WAMP's JSON: a text of U+0000 and base64.

/** Give the bytes of `text`, or null where it is none of these. */
export function bytesOf(text) {
  if (typeof text !== "string" || text[0] !== "\0") return null;
  try {
    return Uint8Array.from(atob(text.slice(1)), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

/** The first `most` of them, as "01 fe". */
export function hex(bytes, most = 64) {
  const shown = Array.from(bytes.subarray(0, most), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > most ? `${shown} …` : shown;
}
