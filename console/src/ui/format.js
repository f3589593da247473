// Numbers, sizes and times for people. What is unknown is a dash.

const UNKNOWN = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function isKnown(value) {
  return value !== null && value !== undefined && !Number.isNaN(value);
}

/** 12345.6 -> "12,346"; small ones keep two digits. */
export function number(value) {
  if (!isKnown(value)) return UNKNOWN;
  return Math.abs(value) >= 100 || Number.isInteger(value) ? whole.format(value) : String(Number(value.toPrecision(2)));
}

/** 1536 -> "1.5 KiB" */
export function bytes(value) {
  if (!isKnown(value)) return UNKNOWN;
  const units = ["B", "KiB", "MiB", "GiB"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(value, 1)) / 10)));
  return `${number(value / 1024 ** power)} ${units[power]}`;
}

/** Milliseconds, as "0.42 ms" or "1.2 s". */
export function milliseconds(value) {
  if (!isKnown(value)) return UNKNOWN;
  return value < 1000 ? `${number(value)} ms` : `${number(value / 1000)} s`;
}

/** A span of milliseconds in its two largest units, as "3 h 12 min". */
export function span(value) {
  if (!isKnown(value)) return UNKNOWN;
  const seconds = Math.floor(value / 1000);
  const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** A time of day; `time` is milliseconds since 1970, or ISO 8601. */
export function timeOfDay(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time ?? UNKNOWN) : clock.format(date);
}

/** A day and a time. */
export function moment(time) {
  const date = new Date(time);
  if (!isKnown(time) || Number.isNaN(date.getTime())) return String(time ?? UNKNOWN);
  const pad = (part) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${clock.format(date)}`;
}
