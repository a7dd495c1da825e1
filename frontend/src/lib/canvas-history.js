/**
 * Undo and redo for an array of pixels, by tiles: before a tile is written to for the first time in a step, it is copied.
 * Memory is bounded: the oldest steps are forgotten when all steps together hold more than `mostBytes`. Pure: no DOM.
 */
import { meet, union } from "./canvas-view.js";

export const TILE = 64;

export class History {
  /** @param {Uint8Array} data `channels` bytes a pixel, row by row; it stays the caller's and is written in place. */
  constructor(data, width, height, { channels = 1, mostBytes = 48 * 2 ** 20, mostSteps = 200 } = {}) {
    Object.assign(this, { data, width, height, channels, mostBytes, mostSteps });
    this.across = Math.ceil(width / TILE);
    this.done = [];
    this.undone = [];
    this.open = null;
  }

  get canUndo() {
    return this.done.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  /** Bytes that the steps hold. */
  get bytes() {
    return [...this.done, ...this.undone].reduce((sum, step) => sum + step.bytes, 0);
  }

  begin() {
    if (!this.open) this.open = new Map();
  }

  /** Say that this rectangle is about to be written to. */
  touch(rect) {
    if (!this.open) return;
    for (const index of this.tilesOf(rect)) if (!this.open.has(index)) this.open.set(index, this.read(index));
  }

  /** The numbers of the tiles that a rectangle meets. */
  tilesOf(rect) {
    const inside = meet(rect, { x: 0, y: 0, w: this.width, h: this.height });
    if (!inside) return [];
    const found = [];
    const right = Math.floor((inside.x + inside.w - 1) / TILE);
    const bottom = Math.floor((inside.y + inside.h - 1) / TILE);
    for (let ty = Math.floor(inside.y / TILE); ty <= bottom; ty += 1) {
      for (let tx = Math.floor(inside.x / TILE); tx <= right; tx += 1) found.push(ty * this.across + tx);
    }
    return found;
  }

  /** End the step. Returns the rectangle that changed; null if nothing did, and then there is no step. */
  commit() {
    const open = this.open;
    this.open = null;
    if (!open) return null;
    let rect = null;
    for (const [index, before] of open) {
      if (this.same(index, before)) open.delete(index);
      else rect = union(rect, this.tile(index));
    }
    if (!rect) return null;
    for (const [index, before] of open) open.set(index, pack(before));
    this.done.push({ tiles: open, rect, bytes: sizeOf(open) });
    this.undone = [];
    this.forget();
    return rect;
  }

  /** Undo what the open step did, as if it had never begun. Returns the rectangle to draw again. */
  cancel() {
    const open = this.open;
    this.open = null;
    let rect = null;
    for (const [index, before] of open ?? []) {
      this.write(index, before);
      rect = union(rect, this.tile(index));
    }
    return rect;
  }

  undo() {
    return this.turn(this.done, this.undone);
  }

  redo() {
    return this.turn(this.undone, this.done);
  }

  /** Exchange a step's tiles with the pixels, and put the step on the other pile. */
  turn(from, to) {
    if (this.open) return null;
    const step = from.pop();
    if (!step) return null;
    for (const [index, kept] of step.tiles) {
      const now = this.read(index);
      this.write(index, unpack(kept, now.length));
      step.tiles.set(index, pack(now));
    }
    step.bytes = sizeOf(step.tiles);
    to.push(step);
    return step.rect;
  }

  forget() {
    let bytes = this.bytes;
    while (this.done.length > 1 && (bytes > this.mostBytes || this.done.length > this.mostSteps)) bytes -= this.done.shift().bytes;
  }

  tile(index) {
    const x = (index % this.across) * TILE;
    const y = Math.floor(index / this.across) * TILE;
    return { x, y, w: Math.min(TILE, this.width - x), h: Math.min(TILE, this.height - y) };
  }

  read(index) {
    const { x, y, w, h } = this.tile(index);
    const row = w * this.channels;
    const copy = new Uint8Array(row * h);
    for (let k = 0; k < h; k += 1) {
      const at = ((y + k) * this.width + x) * this.channels;
      copy.set(this.data.subarray(at, at + row), k * row);
    }
    return copy;
  }

  write(index, bytes) {
    const { x, y, w, h } = this.tile(index);
    const row = w * this.channels;
    for (let k = 0; k < h; k += 1) this.data.set(bytes.subarray(k * row, (k + 1) * row), ((y + k) * this.width + x) * this.channels);
  }

  same(index, before) {
    const { x, y, w, h } = this.tile(index);
    const row = w * this.channels;
    for (let k = 0; k < h; k += 1) {
      const at = ((y + k) * this.width + x) * this.channels;
      for (let i = 0; i < row; i += 1) if (this.data[at + i] !== before[k * row + i]) return false;
    }
    return true;
  }
}

/** A tile of one value (most are) is kept as that number. */
function pack(bytes) {
  for (let i = 1; i < bytes.length; i += 1) if (bytes[i] !== bytes[0]) return bytes;
  return bytes[0];
}

const unpack = (kept, length) => (typeof kept === "number" ? new Uint8Array(length).fill(kept) : kept);

function sizeOf(tiles) {
  let bytes = 0;
  for (const kept of tiles.values()) bytes += 32 + (typeof kept === "number" ? 0 : kept.length);
  return bytes;
}
