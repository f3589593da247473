// JSON that somebody types.

/** Give {value} or {error} of `text`; no text at all is undefined. */
export function parsed(text, expect) {
  if (text.trim() === "") return { value: undefined };
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { error: `This is no JSON: ${error.message}` };
  }
  if (expect === "array" && !Array.isArray(value)) return { error: "A list is needed, as [1, 2]." };
  if (expect === "object" && (value === null || typeof value !== "object" || Array.isArray(value))) return { error: 'An object is needed, as {"a": 1}.' };
  return { value };
}
