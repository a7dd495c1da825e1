/** Where a picture lies in its window: screen = picture * scale + (x, y), in CSS pixels. Pure: no DOM. */
import { clamp } from "./format.js";

export const MOST_SCALE = 64;

/** The view that shows the whole picture in the middle of the window; small pictures grow, at most 16 times. */
export function fitView([width, height], [across, down], margin = 0) {
  const room = [Math.max(1, across - 2 * margin), Math.max(1, down - 2 * margin)];
  const scale = Math.min(room[0] / width, room[1] / height, 16);
  return { scale, x: (across - width * scale) / 2, y: (down - height * scale) / 2 };
}

/** Keep at least a corner of the picture (48 pixels, or all of a smaller one) in the window. */
export function holdView(view, [width, height], [across, down]) {
  const hold = (at, length, room) => {
    const least = Math.min(48, length, room);
    return clamp(at, least - length, room - least);
  };
  return { scale: view.scale, x: hold(view.x, width * view.scale, across), y: hold(view.y, height * view.scale, down) };
}

/** Change the scale while the point (px, py) of the window stays where it is. */
export function zoomAt(view, px, py, factor, least = 0.01) {
  const scale = clamp(view.scale * factor, least, MOST_SCALE);
  const real = scale / view.scale;
  return { scale, x: px - (px - view.x) * real, y: py - (py - view.y) * real };
}

export const panBy = (view, dx, dy) => ({ scale: view.scale, x: view.x + dx, y: view.y + dy });
export const toPicture = (view, x, y) => ({ x: (x - view.x) / view.scale, y: (y - view.y) / view.scale });
export const toWindow = (view, x, y) => ({ x: x * view.scale + view.x, y: y * view.scale + view.y });

/** A rectangle is `{x, y, w, h}`; null is the empty one. */
export function union(a, b) {
  if (!a || !b) return a ?? b ?? null;
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return { x, y, w: Math.max(a.x + a.w, b.x + b.w) - x, h: Math.max(a.y + a.h, b.y + b.h) - y };
}

/** The part of `a` inside `b`, or null. */
export function meet(a, b) {
  if (!a || !b) return null;
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  const w = Math.min(a.x + a.w, b.x + b.w) - x;
  const h = Math.min(a.y + a.h, b.y + b.h) - y;
  return w > 0 && h > 0 ? { x, y, w, h } : null;
}

/** The smallest rectangle of whole pixels around a rectangle, `by` pixels larger on each side. */
export function outward(rect, by = 0) {
  if (!rect) return null;
  const x = Math.floor(rect.x - by);
  const y = Math.floor(rect.y - by);
  return { x, y, w: Math.ceil(rect.x + rect.w + by) - x, h: Math.ceil(rect.y + rect.h + by) - y };
}
