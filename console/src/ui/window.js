// A windowed list: of many rows, only those in view are in the page. The arithmetic is @tanstack/virtual-core's.

import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { useLayoutEffect, useReducer, useState } from "preact/hooks";

/**
 * Give {rows: [{index, start}], total, scrollTo(index)} for `count` rows of `height` pixels.
 *
 * `element` is a ref of the element that scrolls; `total` is the height of all rows in pixels.
 */
export function useWindow({ count, height, element, overscan = 6 }) {
  const [, again] = useReducer((turn) => turn + 1, 0);
  const options = {
    count,
    overscan,
    getScrollElement: () => element.current,
    estimateSize: () => height,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    initialRect: { width: 800, height: 600 },
    onChange: () => again(),
  };
  const [virtualizer] = useState(() => new Virtualizer(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  return {
    rows: virtualizer.getVirtualItems(),
    total: virtualizer.getTotalSize(),
    scrollTo: (index) => virtualizer.scrollToIndex(index, { align: "auto" }),
  };
}
