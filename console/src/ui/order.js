// The order of a table's rows.

/** Give `rows` with those first that were in `before`, in that order. */
export function inOrderOf(before, rows, rowKey) {
  if (before.length === 0) return rows;
  const left = new Map(rows.map((row) => [rowKey(row), row]));
  const ordered = [];
  for (const row of before) {
    const key = rowKey(row);
    const now = left.get(key);
    if (now === undefined) continue;
    ordered.push(now);
    left.delete(key);
  }
  for (const row of left.values()) ordered.push(row);
  return ordered;
}

/** Give `rows` in the wanted order; what has no value comes last. Plain comparison: ten thousand rows take a few milliseconds. */
export function sortedBy(rows, columns, sort) {
  const column = sort && columns.find(({ name }) => name === sort.name);
  if (!column) return rows;
  const value = column.value ?? ((row) => row[column.name]);
  const keyed = rows.map((row) => [value(row) ?? null, row]);
  const sign = sort.descending ? -1 : 1;
  keyed.sort(([a], [b]) => {
    if (a === b) return 0;
    if (a === null || b === null) return a === null ? 1 : -1;
    return a < b ? -sign : sign;
  });
  return keyed.map(([, row]) => row);
}
