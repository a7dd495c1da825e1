/** The marching edge of a mask: black and white dashes that walk around it, at the resolution of the window. */
import { meet } from "./canvas-view.js";

const DASH = 4;

/**
 * Mark the pixels of the window (inside `rect`) where the mask begins or ends: 1 in `flags`, else 0.
 * @param {Uint8Array} flags one byte a window pixel, `across` a row
 */
export function markEdges(flags, across, down, rect, view, mask, width, height) {
  const part = meet(rect, { x: 0, y: 0, w: across, h: down });
  if (!part) return;
  const columns = new Int32Array(part.w + 1);
  for (let k = 0; k <= part.w; k += 1) {
    const x = Math.floor((part.x + k - 1 + 0.5 - view.x) / view.scale);
    columns[k] = x >= 0 && x < width ? x : -1;
  }
  let above = rowOf(part.y - 1);
  for (let y = part.y; y < part.y + part.h; y += 1) {
    const here = rowOf(y);
    let left = here[0];
    for (let k = 1; k <= part.w; k += 1) {
      const on = here[k];
      flags[y * across + part.x + k - 1] = on !== left || on !== above[k] ? 1 : 0;
      left = on;
    }
    above = here;
  }

  function rowOf(windowY) {
    const row = new Uint8Array(part.w + 1);
    const y = Math.floor((windowY + 0.5 - view.y) / view.scale);
    if (y < 0 || y >= height) return row;
    for (let k = 0; k <= part.w; k += 1) if (columns[k] >= 0 && mask[y * width + columns[k]] >= 128) row[k] = 1;
    return row;
  }
}

/** The edge as a small picture that is laid over the window; `march()` moves its dashes on. */
export class Ants {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.phase = 0;
    this.any = false;
  }

  resize(across, down) {
    if (this.canvas.width === across && this.canvas.height === down && this.flags) return;
    this.canvas.width = Math.max(1, across);
    this.canvas.height = Math.max(1, down);
    this.flags = new Uint8Array(this.canvas.width * this.canvas.height);
    this.pixels = new ImageData(this.canvas.width, this.canvas.height);
    this.words = new Uint32Array(this.pixels.data.buffer);
  }

  /** The mask has changed inside `rect` (of the window), or the view has. */
  update(rect, view, mask, width, height) {
    const { width: across, height: down } = this.canvas;
    markEdges(this.flags, across, down, rect, view, mask, width, height);
    this.color(rect);
  }

  color(rect) {
    const part = meet(rect, { x: 0, y: 0, w: this.canvas.width, h: this.canvas.height });
    if (!part) return;
    const { flags, words, phase } = this;
    const across = this.canvas.width;
    for (let y = part.y; y < part.y + part.h; y += 1) {
      for (let x = part.x, i = y * across + part.x; x < part.x + part.w; x += 1, i += 1) {
        words[i] = flags[i] ? ((x + y + phase) % (2 * DASH) < DASH ? 0xffffffff : 0xff1a1a1a) : 0;
      }
    }
    this.canvas.getContext("2d").putImageData(this.pixels, 0, 0, part.x, part.y, part.w, part.h);
  }

  /** The box around all marked pixels, or null. */
  bounds() {
    const { flags } = this;
    const { width: across, height: down } = this.canvas;
    let [x0, y0, x1, y1] = [across, down, -1, -1];
    for (let y = 0, i = 0; y < down; y += 1) {
      for (let x = 0; x < across; x += 1, i += 1) {
        if (!flags[i]) continue;
        if (x < x0) x0 = x;
        if (x > x1) x1 = x;
        if (y < y0) y0 = y;
        y1 = y;
      }
    }
    return y1 < 0 ? null : { x: x0, y: y0, w: x1 - x0 + 1, h: y1 - y0 + 1 };
  }

  march() {
    this.phase = (this.phase + 2 * DASH - 1) % (2 * DASH);
    const box = this.bounds();
    if (box) this.color(box);
    return box;
  }
}
