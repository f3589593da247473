// What a view looks at while it is shown, made anew at each join, and closed when the view goes.

import { useEffect, useState } from "preact/hooks";

import { onJoin } from "../connection.js";

/** Give what `make()` gave at the last join, which has `close()`; what was there before stays until the next join. Null before. */
export function useLive(make, dependencies = []) {
  const [live, setLive] = useState(null);
  useEffect(
    () =>
      onJoin(() => {
        const made = make();
        setLive(made);
        return () => made.close();
      }),
    dependencies,
  );
  return live;
}
