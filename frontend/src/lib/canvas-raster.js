/**
 * Drawing on an array of bytes, one a pixel (0..255), `width` bytes a row. Pure: no DOM, no canvas, the same everywhere.
 *
 * Each function returns the rectangle that it may have changed, or null. `erase` takes away what painting would add.
 * Painting takes the larger of old and new, so that a stroke that crosses itself is one stroke, soft edges included.
 */
import { meet, outward } from "./canvas-view.js";

/**
 * A piece of a stroke: from `a` to `b`, points `{x, y, r}` (r is the radius there); a pixel's centre is at +0.5.
 * @param {number} softness 0: hard with a smooth edge of one pixel; 1: falls off from the middle.
 */
export function strokeTo(data, width, height, a, b, softness = 0, erase = false) {
  const most = Math.max(a.r, b.r, 0.5) + 1;
  const box = outward({ x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), w: Math.abs(a.x - b.x), h: Math.abs(a.y - b.y) }, most);
  const rect = meet(box, { x: 0, y: 0, w: width, h: height });
  if (!rect) return null;
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const length2 = dx * dx + dy * dy;
  const soft = softness > 0;
  for (let y = rect.y; y < rect.y + rect.h; y += 1) {
    const py = y + 0.5 - a.y;
    let i = y * width + rect.x;
    for (let x = rect.x; x < rect.x + rect.w; x += 1, i += 1) {
      const px = x + 0.5 - a.x;
      let t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
      t = t < 0 ? 0 : t > 1 ? 1 : t;
      const ex = px - t * dx;
      const ey = py - t * dy;
      const d2 = ex * ex + ey * ey;
      const r = Math.max(0.5, a.r + (b.r - a.r) * t);
      const outer = r + 0.5;
      if (d2 >= outer * outer) continue;
      const inner = r * (1 - softness) - 0.5;
      let v = 255;
      if (inner < 0 || d2 > inner * inner) {
        const part = Math.min(1, (outer - Math.sqrt(d2)) / (outer - inner));
        v = Math.round(255 * (soft ? part * part * (3 - 2 * part) : part));
      }
      if (erase) {
        if (data[i] > 255 - v) data[i] = 255 - v;
      } else if (data[i] < v) data[i] = v;
    }
  }
  return rect;
}

/** Where a piece of a stroke can paint, for whoever must know beforehand. */
export function strokeBox(width, height, a, b) {
  const box = { x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), w: Math.abs(a.x - b.x), h: Math.abs(a.y - b.y) };
  return meet(outward(box, Math.max(a.r, b.r, 0.5) + 1), { x: 0, y: 0, w: width, h: height });
}

/** A rectangle between two corners, of whole pixels. */
export function boxOf(width, height, a, b) {
  const x = Math.round(Math.min(a.x, b.x));
  const y = Math.round(Math.min(a.y, b.y));
  return meet({ x, y, w: Math.round(Math.max(a.x, b.x)) - x, h: Math.round(Math.max(a.y, b.y)) - y }, { x: 0, y: 0, w: width, h: height });
}

export function fillBox(data, width, rect, value) {
  for (let y = rect.y; y < rect.y + rect.h; y += 1) data.fill(value, y * width + rect.x, y * width + rect.x + rect.w);
  return rect;
}

/** The box of a polygon `[{x, y}, ...]` inside the picture. */
export function polygonBox(width, height, points) {
  if (points.length < 3) return null;
  const xs = points.map((p) => p.x);
  const ys = points.map((p) => p.y);
  const x = Math.min(...xs);
  const y = Math.min(...ys);
  return meet(outward({ x, y, w: Math.max(...xs) - x, h: Math.max(...ys) - y }), { x: 0, y: 0, w: width, h: height });
}

const LINES = 4; // sub-lines of a row: the steps of a slanted edge

/** The inside of a polygon (what it winds around), with smooth edges. */
export function fillPolygon(data, width, height, points, erase = false) {
  const rect = polygonBox(width, height, points);
  if (!rect) return null;
  const left = rect.x;
  const right = rect.x + rect.w;
  const cover = new Float32Array(rect.w);
  for (let y = rect.y; y < rect.y + rect.h; y += 1) {
    cover.fill(0);
    for (let line = 0; line < LINES; line += 1) {
      const sy = y + (line + 0.5) / LINES;
      const crossings = [];
      for (let k = 0; k < points.length; k += 1) {
        const a = points[k];
        const b = points[(k + 1) % points.length];
        if (a.y <= sy === b.y <= sy) continue;
        crossings.push({ x: a.x + ((sy - a.y) / (b.y - a.y)) * (b.x - a.x), turn: a.y < b.y ? 1 : -1 });
      }
      crossings.sort((p, q) => p.x - q.x);
      let winding = 0;
      for (let k = 0; k + 1 < crossings.length; k += 1) {
        winding += crossings[k].turn;
        if (!winding) continue;
        const from = Math.max(left, crossings[k].x);
        const to = Math.min(right, crossings[k + 1].x);
        for (let x = Math.floor(from); x < to; x += 1) cover[x - left] += Math.min(to, x + 1) - Math.max(from, x);
      }
    }
    let i = y * width + left;
    for (let x = 0; x < rect.w; x += 1, i += 1) {
      const v = Math.round((255 * cover[x]) / LINES);
      if (erase) data[i] = Math.min(data[i], 255 - v);
      else if (data[i] < v) data[i] = v;
    }
  }
  return rect;
}

/**
 * The pixels that hang together with (x, y) and are like it, as `{region: Uint8Array of 0/1, rect}`.
 * @param {(index: number) => boolean} like
 */
export function regionFrom(width, height, x, y, like) {
  const start = y * width + x;
  if (x < 0 || y < 0 || x >= width || y >= height || !like(start)) return null;
  const region = new Uint8Array(width * height);
  const stack = [start];
  let [x0, x1, y0, y1] = [x, x, y, y];
  while (stack.length) {
    const at = stack.pop();
    if (region[at]) continue;
    const row = Math.floor(at / width) * width;
    let from = at;
    while (from > row && !region[from - 1] && like(from - 1)) from -= 1;
    let to = at;
    while (to < row + width - 1 && !region[to + 1] && like(to + 1)) to += 1;
    region.fill(1, from, to + 1);
    x0 = Math.min(x0, from - row);
    x1 = Math.max(x1, to - row);
    y0 = Math.min(y0, row / width);
    y1 = Math.max(y1, row / width);
    for (const other of [row - width, row + width]) {
      if (other < 0 || other >= width * height) continue;
      let inside = false;
      for (let i = from - row + other; i <= to - row + other; i += 1) {
        const free = !region[i] && like(i);
        if (free && !inside) stack.push(i);
        inside = free;
      }
    }
  }
  return { region, rect: { x: x0, y: y0, w: x1 - x0 + 1, h: y1 - y0 + 1 } };
}

/**
 * The area around (x, y) up to the edge of what is painted (or, erasing, the painted area itself). The soft edge of what
 * encloses it belongs to it as far as it rises, so that no pale seam stays between the two.
 */
export function enclosed(data, width, height, x, y, erase = false) {
  const at = erase ? (i) => 255 - data[i] : (i) => data[i];
  const found = regionFrom(width, height, x, y, (i) => at(i) < 128);
  if (!found) return null;
  const { region, rect } = found;
  const around = (i) => {
    const column = i % width;
    return [column > 0 ? i - 1 : -1, column < width - 1 ? i + 1 : -1, i - width, i + width];
  };
  const free = (j) => j >= 0 && j < region.length && !region[j];
  let edge = [];
  for (let row = rect.y; row < rect.y + rect.h; row += 1) {
    for (let i = row * width + rect.x; i < row * width + rect.x + rect.w; i += 1) {
      if (region[i] && (!region[i - 1] || !region[i + 1] || free(i - width) || free(i + width))) edge.push(i);
    }
  }
  let grown = 0;
  for (; edge.length && grown < 256; grown += 1) {
    const next = [];
    for (const i of edge) {
      for (const j of around(i)) {
        if (!free(j) || at(j) <= at(i)) continue;
        region[j] = 1;
        next.push(j);
      }
    }
    edge = next;
  }
  return { region, rect: meet(outward(rect, grown), { x: 0, y: 0, w: width, h: height }) };
}

/** The pixels around (x, y) whose colour differs from its by at most `tolerance` (0..255) in every channel. */
export function alike(rgba, width, height, x, y, tolerance) {
  const k = (y * width + x) * 4;
  const [r, g, b] = [rgba[k], rgba[k + 1], rgba[k + 2]];
  const near = (value, other) => value - other <= tolerance && other - value <= tolerance;
  return regionFrom(width, height, x, y, (i) => near(rgba[4 * i], r) && near(rgba[4 * i + 1], g) && near(rgba[4 * i + 2], b));
}

/** Give the pixels of a region one value. */
export function fillRegion(data, width, { region, rect }, value) {
  for (let y = rect.y; y < rect.y + rect.h; y += 1) {
    for (let i = y * width + rect.x; i < y * width + rect.x + rect.w; i += 1) if (region[i]) data[i] = value;
  }
  return rect;
}

export function invert(data) {
  for (let i = 0; i < data.length; i += 1) data[i] = 255 - data[i];
}

/** The box around all pixels that are not `value`, or null. */
export function boundsOf(data, width, height, value = 0) {
  const full = (y, from, to) => {
    for (let i = y * width + from; i < y * width + to; i += 1) if (data[i] !== value) return true;
    return false;
  };
  let top = 0;
  while (top < height && !full(top, 0, width)) top += 1;
  if (top === height) return null;
  let bottom = height - 1;
  while (!full(bottom, 0, width)) bottom -= 1;
  let left = width;
  let right = 0;
  for (let y = top; y <= bottom; y += 1) {
    const row = y * width;
    let x = 0;
    while (x < left && data[row + x] === value) x += 1;
    left = Math.min(left, x);
    x = width - 1;
    while (x > right && data[row + x] === value) x -= 1;
    right = Math.max(right, x);
  }
  return { x: left, y: top, w: right - left + 1, h: bottom - top + 1 };
}

/** Three box blurs of these radii are very nearly a Gaussian of this standard deviation. */
function boxRadii(sigma) {
  const ideal = Math.sqrt(4 * sigma * sigma + 1);
  let low = Math.floor(ideal);
  if (low % 2 === 0) low -= 1;
  const many = Math.round((12 * sigma * sigma - 3 * low * low - 12 * low - 9) / (-4 * low - 4));
  return [0, 1, 2].map((k) => ((k < many ? low : low + 2) - 1) / 2);
}

/** Blur each row by a box of `2 * radius + 1`; beyond the ends, the ends go on. */
function blurRows(from, to, width, height, radius) {
  const size = 2 * radius + 1;
  for (let row = 0; row < width * height; row += width) {
    const first = from[row];
    const last = from[row + width - 1];
    let sum = first * radius;
    for (let x = 0; x < radius; x += 1) sum += x < width ? from[row + x] : last;
    for (let x = 0; x < width; x += 1) {
      sum += x + radius < width ? from[row + x + radius] : last;
      to[row + x] = sum / size;
      sum -= x > radius ? from[row + x - radius] : first;
    }
  }
}

/** Blur each column. All columns go down together, a row at a time: memory is read as it lies. */
function blurColumns(from, to, width, height, radius) {
  const size = 2 * radius + 1;
  const sums = new Float32Array(width);
  const add = (y) => {
    const row = Math.min(height - 1, Math.max(0, y)) * width;
    for (let x = 0; x < width; x += 1) sums[x] += from[row + x];
  };
  for (let y = -radius; y < radius; y += 1) add(y);
  for (let y = 0; y < height; y += 1) {
    const into = Math.min(height - 1, y + radius) * width;
    const out = Math.max(0, y - radius) * width;
    const row = y * width;
    for (let x = 0; x < width; x += 1) {
      const sum = sums[x] + from[into + x];
      to[row + x] = sum / size;
      sums[x] = sum - from[out + x];
    }
  }
}

/** Soften everything: a Gaussian of `sigma` pixels, where anything changes at all. Returns the rectangle of the change. */
export function feather(data, width, height, sigma) {
  const painted = boundsOf(data, width, height, 0);
  const holes = boundsOf(data, width, height, 255);
  if (!painted || !holes || sigma <= 0) return null;
  // beyond the smaller of the two boxes all is the same: nothing to blur there
  const box = painted.w * painted.h <= holes.w * holes.h ? painted : holes;
  const rect = meet(outward(box, Math.ceil(3 * sigma) + 1), { x: 0, y: 0, w: width, h: height });
  const here = new Float32Array(rect.w * rect.h);
  const there = new Float32Array(rect.w * rect.h);
  for (let y = 0; y < rect.h; y += 1) {
    const row = (y + rect.y) * width + rect.x;
    here.set(data.subarray(row, row + rect.w), y * rect.w);
  }
  for (const radius of boxRadii(sigma)) {
    if (radius < 1) continue;
    blurRows(here, there, rect.w, rect.h, radius);
    blurColumns(there, here, rect.w, rect.h, radius);
  }
  for (let y = 0; y < rect.h; y += 1) {
    const row = (y + rect.y) * width + rect.x;
    for (let x = 0; x < rect.w; x += 1) data[row + x] = Math.round(here[y * rect.w + x]);
  }
  return rect;
}
