// A plot over time, drawn by uPlot; it follows the width of its place, and the theme.

import "uplot/dist/uPlot.min.css";

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import { theme } from "../theme.js";
import { timeOfDay } from "./format.js";

/**
 * data: [[seconds since 1970...], [values...], ...], null where there is none; series: [{title, color: "--plot-1"}], one for each
 * list of values; `format` makes text of a value. `title` is read aloud with the last values, since a drawing can't be.
 */
export function Plot({ title, data, series, format = String, height = 180, seconds = 300 }) {
  const place = useRef(null);
  const plot = useRef(null);
  const shade = theme.value;

  useEffect(() => {
    plot.current = new uPlot(optionsOf({ series, format, height, seconds, width: place.current.clientWidth }), data, place.current);
    const watcher = new ResizeObserver(([entry]) => plot.current.setSize({ width: entry.contentRect.width, height }));
    watcher.observe(place.current);
    return () => {
      watcher.disconnect();
      plot.current.destroy();
    };
  }, [shade, height, seconds, series]);
  useEffect(() => {
    plot.current.setData(data, true);
  }, [data]);

  const last = (index) => data[index + 1].at(-1);
  const told = series.map((one, index) => `${one.title} ${format(last(index))}`).join(", ");
  return (
    <figure class="plot">
      <figcaption><b>{title}</b><Legend series={series} value={(index) => format(last(index))} /></figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${told}`} style={{ height: `${height}px` }} />
    </figure>
  );
}

function Legend({ series, value }) {
  return (
    <span class="legend">
      {series.map(({ title, color }, index) => (
        <span key={title} class="legend-item"><span class={`swatch ${color.slice(2)}`} aria-hidden="true" />{title} <b>{value(index)}</b></span>
      ))}
    </span>
  );
}

function optionsOf({ series, format, height, seconds, width }) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line-soft"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width,
    height,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { range: (_, from, to) => (to === null || to === undefined ? [Date.now() / 1000 - seconds, Date.now() / 1000] : [to - seconds, to]) },
      y: { range: (_, low, high) => [0, high > 0 ? high * 1.15 : 1] },
    },
    padding: [8, 12, 0, 0],
    axes: [{ ...axis, space: 64, size: 26, values: (_, times) => times.map((time) => timeOfDay(time * 1000)) }, { ...axis, size: 62, values: (_, values) => values.map(format) }],
    series: [{}, ...series.map((one) => ({ label: one.title, stroke: color(one.color), width: 1.75, points: { show: false }, spanGaps: false }))],
  };
}
