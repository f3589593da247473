// Many requests, some at a time.

/** Run `each(item)`, which gives a promise, for all items, at most `atOnce` at a time; `isWanted()` false ends it early. */
export async function forAll(items, atOnce, each, isWanted = () => true) {
  let next = 0;
  const worker = async () => {
    while (next < items.length && isWanted()) await each(items[next++]);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
