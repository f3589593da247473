// A table of any number of rows: windowed, sorted by a click on a heading, walked with the keys.
//
// - Rows are of one height. A table fills the height that it is given, and scrolls by itself.
// - The keyboard: the table takes the focus; arrows, Page Up and Down, Home and End move, Enter selects.
// - Columns with `hideBelow` are left out where the table is narrower than that.

import { useCallback, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { inOrderOf, sortedBy } from "./order.js";
import { useWindow } from "./window.js";

const ROW_HEIGHT = 34;

/**
 * columns: [{name, title, cell?(row), value?(row), width?, align?: "end", hideBelow?: pixels, sortable?: boolean}].
 *     `value` is what is sorted by, row[name] by default; `cell` what is shown, the value by default; `width` as of CSS grid.
 * rowKey(row) names a row; `selected` is such a name; onSelect(row) when it is chosen.
 * sort: {name, descending} to begin with. `label` is read aloud, `empty` shown without rows. With `follow` the last row stays
 * in view, until the user scrolls away from it.
 */
export function Table({ rows, columns, rowKey, selected, onSelect, label, empty = "Nothing here.", sort: first, follow, rowHeight = ROW_HEIGHT }) {
  const scroller = useRef(null);
  const id = useId();
  const [sort, setSort] = useState(first ?? null);
  const [current, setCurrent] = useState(null); // the key of the row on which the keyboard is
  const shown = useFitting(scroller, columns);
  const before = useRef([]); // the order of before: what is nearly sorted is sorted fast
  const sorted = useMemo(() => {
    if (!sort) return rows;
    before.current = sortedBy(inOrderOf(before.current, rows, rowKey), columns, sort);
    return before.current;
  }, [rows, sort, columns]);
  const { rows: inView, total, scrollTo } = useWindow({ count: sorted.length, height: rowHeight, element: scroller });
  const template = { gridTemplateColumns: shown.map(({ width = "minmax(0, 1fr)" }) => width).join(" ") };
  const mark = current ?? selected;
  const isAtEnd = useRef(true);
  const scrolled = ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < 2 * rowHeight;
  };
  useLayoutEffect(() => {
    if (follow && isAtEnd.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  }, [follow, sorted]);

  const move = useCallback((event) => {
    if (event.target !== scroller.current) return;
    const at = sorted.findIndex((row) => rowKey(row) === mark);
    const page = Math.max(1, Math.floor(scroller.current.clientHeight / rowHeight) - 2);
    const there = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: sorted.length - 1 }[event.key];
    if (there !== undefined && sorted.length > 0) {
      event.preventDefault();
      const index = Math.min(sorted.length - 1, Math.max(0, there));
      setCurrent(rowKey(sorted[index]));
      scrollTo(index);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      onSelect?.(sorted[at]);
    }
  }, [sorted, mark, onSelect]);

  const choose = (row) => {
    setCurrent(rowKey(row));
    onSelect?.(row);
  };

  return (
    <div class="table" role="grid" aria-label={label} aria-rowcount={sorted.length + 1} aria-readonly="true" tabIndex={0} ref={scroller} onKeyDown={move} onScroll={follow ? scrolled : undefined}
      aria-activedescendant={mark === undefined || mark === null || !inView.some(({ index }) => rowKey(sorted[index]) === mark) ? undefined : `${id}-${mark}`}>
      <div class="table-head" role="row" aria-rowindex={1} style={template}>
        {shown.map((column) => <Heading key={column.name} column={column} sort={sort} setSort={setSort} />)}
      </div>
      {sorted.length === 0 && <div role="row" class="table-empty"><span role="gridcell">{empty}</span></div>}
      <div class="table-body" role="rowgroup" style={{ height: `${total}px` }}>
        {inView.map(({ index, start }) => {
          const row = sorted[index];
          if (row === undefined) return null;
          const key = rowKey(row);
          return (
            <div key={key} id={`${id}-${key}`} class="table-row" role="row" aria-rowindex={index + 2} aria-selected={key === selected}
              data-current={key === mark} onClick={onSelect && (() => choose(row))} style={{ ...template, height: `${rowHeight}px`, transform: `translateY(${start}px)` }}>
              {shown.map((column) => (
                <span key={column.name} role="gridcell" class={`cell ${column.align ?? ""}`}>{column.cell ? column.cell(row) : row[column.name]}</span>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Heading({ column: { name, title, align = "", sortable = true }, sort, setSort }) {
  const isSorted = sort?.name === name;
  const direction = isSorted ? (sort.descending ? "descending" : "ascending") : undefined;
  const turn = () => setSort({ name, descending: isSorted ? !sort.descending : align === "end" });
  return (
    <span role="columnheader" class={`cell ${align}`} aria-sort={direction}>
      {sortable ? (
        <button type="button" class="table-sort" onClick={turn}>{title}<span aria-hidden="true">{isSorted ? (sort.descending ? " ↓" : " ↑") : ""}</span></button>
      ) : title}
    </span>
  );
}

/** Give those columns for which there is room. */
function useFitting(element, columns) {
  const [width, setWidth] = useState(Infinity);
  useLayoutEffect(() => {
    const watcher = new ResizeObserver(([entry]) => setWidth(entry.contentRect.width));
    watcher.observe(element.current);
    return () => watcher.disconnect();
  }, []);
  return columns.filter(({ hideBelow = 0 }) => width >= hideBelow);
}
