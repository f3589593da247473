// The names of an object in order, also where there are a hundred thousand: sorted in slices, and kept in order by what changes.

const AT_ONCE = 2048;

/** Sort the keys of a SharedMap; a generator that pauses now and then, and returns the sorted list. */
export function* sortedSlowly(members) {
  let runs = [];
  let run = [];
  for (const key of members.keys()) {
    if (run.push(key) < AT_ONCE) continue;
    runs.push(run.sort());
    run = [];
    yield;
  }
  runs.push(run.sort());
  while (runs.length > 1) {
    const merged = [];
    for (let at = 0; at < runs.length; at += 2) merged.push(at + 1 < runs.length ? yield* merge(runs[at], runs[at + 1]) : runs[at]);
    runs = merged;
  }
  return runs[0];
}

function* merge(one, other) {
  const merged = [];
  for (let i = 0, j = 0; i < one.length || j < other.length; ) {
    merged.push(j >= other.length || (i < one.length && one[i] < other[j]) ? one[i++] : other[j++]);
    if (merged.length % (4 * AT_ONCE) === 0) yield;
  }
  return merged;
}

/** Give where `key` is, or would be, in a sorted list. */
export function placeOf(keys, key) {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Put keys into a sorted list, and take others away, in place. */
export function adjust(keys, added, removed) {
  for (const key of removed) {
    const at = placeOf(keys, key);
    if (keys[at] === key) keys.splice(at, 1);
  }
  for (const key of added) keys.splice(placeOf(keys, key), 0, key);
}
