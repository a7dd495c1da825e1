/** Pure helpers of the widgets: no DOM, tested with node. */

/** Replace every `{name}` of a template by its value; unknown names stay as they are. */
export function fill(template, values = {}) {
  return String(template).replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}

/** Keep a number within min and max. */
export function clamp(value, min, max) {
  return Math.min(max, Math.max(min, value));
}

/** Seconds for people: "0.4", "12", "3:05". Below ten seconds one decimal, above a minute minutes and seconds. */
export function seconds(value) {
  if (!Number.isFinite(value) || value < 0) return "0.0";
  if (value < 9.95) return value.toFixed(1);
  if (value < 59.5) return String(Math.round(value));
  const whole = Math.round(value);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** A number without needless zeros: 7 -> "7", 7.5 -> "7.5". */
export function short(value, digits = 2) {
  if (!Number.isFinite(value)) return "";
  return String(Number(value.toFixed(digits)));
}

/** Read what was typed into a number field; `null` for an empty field, `undefined` for something that is no number. */
export function parseNumber(text) {
  const clean = String(text).trim().replace(/[，、]/g, ",").replace(/[０-９．－]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0));
  if (clean === "") return null;
  const value = Number(clean);
  return Number.isFinite(value) ? value : undefined;
}

/**
 * Width and height of a ratio that keep the area of `base` (a pair), as multiples of `unit`.
 * @param {[number, number]} base @param {[number, number]} ratio
 */
export function ratioSize(base, ratio, unit = 8) {
  const area = base[0] * base[1];
  const width = Math.sqrt((area * ratio[0]) / ratio[1]);
  const snap = (x) => Math.max(64, Math.round(x / unit) * unit);
  return [snap(width), snap((width * ratio[1]) / ratio[0])];
}

/** Name of the ratio that a size has ("3:2"), or "" when none of `ratios` is within `unit` pixels of it. */
export function ratioName(base, size, ratios, unit = 8) {
  for (const name of ratios) {
    const ratio = name.split(":").map(Number);
    const [width, height] = ratioSize(base, ratio, unit);
    if (width === size[0] && height === size[1]) return name;
    if (size[0] * ratio[1] === size[1] * ratio[0]) return name;
  }
  return "";
}

/** Columns of a near-square grid for `count` pictures of a given aspect in a box of a given aspect. */
export function gridColumns(count, aspect = 1, box = 1) {
  let best = 1;
  let bestSize = 0;
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    // the width that one picture gets in a box of width `box` and height 1
    const size = Math.min(box / columns, aspect / rows);
    if (size > bestSize + 1e-9) {
      bestSize = size;
      best = columns;
    }
  }
  return best;
}

/** Call `fn` at most once in `ms` milliseconds, the last call always counts. `flush()` runs a waiting call at once. */
export function throttle(fn, ms, now = Date.now, later = setTimeout, stop = clearTimeout) {
  let last = -Infinity;
  let timer = null;
  let waiting = null;
  const run = () => {
    timer = null;
    last = now();
    const args = waiting;
    waiting = null;
    fn(...args);
  };
  const call = (...args) => {
    waiting = args;
    if (timer !== null) return;
    const left = last + ms - now();
    if (left <= 0) run();
    else timer = later(run, left);
  };
  call.flush = () => {
    if (timer === null) return;
    stop(timer);
    run();
  };
  call.cancel = () => {
    if (timer !== null) stop(timer);
    timer = null;
    waiting = null;
  };
  return call;
}

/** A number of bytes for people: `512 MB`, `1.9 GB`. */
export function bytes(value) {
  if (value < 1000 * 2 ** 20) return `${Math.max(1, Math.round(value / 2 ** 20))} MB`;
  return `${(value / 2 ** 30).toFixed(1)} GB`;
}

/** The key of the sentence for a value: hints are `[[below, key], ...]`, the last one is for all that is left. */
export function hintOf(hints, value) {
  const found = hints.find(([below]) => Number(value) < below) ?? hints[hints.length - 1];
  return found ? found[1] : "";
}
