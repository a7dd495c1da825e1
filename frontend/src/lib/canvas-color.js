/** Colour on a transparent layer: RGBA with straight alpha, 4 bytes a pixel. Pure: no DOM. */
import { meet } from "./canvas-view.js";

/**
 * Lay a stroke of one colour on what was there before it. A stroke counts once, however often it crosses itself.
 * @param {import("./canvas-history.js").History} history the open step: it knows what was there before
 * @param {Uint8Array} cover how much of each pixel the stroke covers, 0..255
 * @param {{rgb: number[], opacity: number, erase: boolean}} ink opacity 0..1
 */
export function layStroke(history, rect, cover, { rgb, opacity, erase }) {
  const { data, width } = history;
  for (const index of history.tilesOf(rect)) {
    const tile = history.tile(index);
    const before = history.open.get(index);
    const part = meet(rect, tile);
    for (let y = part.y; y < part.y + part.h; y += 1) {
      for (let x = part.x; x < part.x + part.w; x += 1) {
        const c = cover[y * width + x];
        if (!c) continue;
        const i = (y * width + x) * 4;
        const k = ((y - tile.y) * tile.w + x - tile.x) * 4;
        const a = (c / 255) * opacity;
        const old = before[k + 3] / 255;
        if (erase) {
          data[i] = before[k];
          data[i + 1] = before[k + 1];
          data[i + 2] = before[k + 2];
          data[i + 3] = Math.round(255 * old * (1 - a));
          if (!data[i + 3]) data[i] = data[i + 1] = data[i + 2] = 0;
          continue;
        }
        const rest = old * (1 - a);
        const alpha = a + rest;
        if (alpha <= 0) continue;
        data[i] = Math.round((rgb[0] * a + before[k] * rest) / alpha);
        data[i + 1] = Math.round((rgb[1] * a + before[k + 1] * rest) / alpha);
        data[i + 2] = Math.round((rgb[2] * a + before[k + 2] * rest) / alpha);
        data[i + 3] = Math.round(255 * alpha);
      }
    }
  }
}

/** The layer over a picture (RGBA, opaque or not; both of the same size), as new pixels. */
export function over(layer, picture) {
  const out = new Uint8ClampedArray(picture);
  for (let i = 0; i < out.length; i += 4) {
    const a = layer[i + 3] / 255;
    if (!a) continue;
    for (let k = 0; k < 3; k += 1) out[i + k] = Math.round(layer[i + k] * a + out[i + k] * (1 - a));
    out[i + 3] = Math.round(255 * (a + (out[i + 3] / 255) * (1 - a)));
  }
  return out;
}

export const hexOf = (rgb) => `#${rgb.map((v) => v.toString(16).padStart(2, "0")).join("")}`;

export function rgbOf(hex) {
  const found = /^#?([0-9a-f]{6})$/i.exec(hex ?? "");
  return found ? [0, 2, 4].map((k) => parseInt(found[1].slice(k, k + 2), 16)) : [0, 0, 0];
}
