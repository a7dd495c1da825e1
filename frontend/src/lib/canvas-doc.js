/**
 * What is painted on a picture: one document for all views of a widget in this page, kept in step with Python.
 *
 * Python holds the truth (`_picture`, `_layer`, `_version`); a page sends what it changed as a PNG of the changed rectangle
 * and is told only that it arrived. Nothing is sent back, except to a second page that shows the same widget: it hears
 * that there is something new, asks, and takes it over as a step that can be undone.
 */
import { History } from "./canvas-history.js";
import { Pyramid, decodePixels } from "./canvas-picture.js";
import { encodePng } from "./canvas-png.js";

const BAND_BYTES = 2 * 2 ** 20; // of pixels a message: far below the servers' 10 MiB, and a short task each

export class RasterDoc {
  /** @param {object} model @param {number} channels 1: a mask; 4: colour with straight alpha */
  constructor(model, channels) {
    Object.assign(this, { model, channels, width: 0, height: 0, data: null, history: null, ready: false });
    this.client = Math.random().toString(36).slice(2, 12);
    this.picture = new Pyramid();
    this.overlay = document.createElement("canvas");
    this.listeners = new Set();
    this.outbox = [];
    this.of = null;
    this.reset();
    model.on("change:_version", () => this.versionChanged());
    this.open();
  }

  reset() {
    Object.assign(this, { seq: 0, acked: 0, known: 0, stale: false, mixed: false, incoming: null, painted: 0 });
  }

  /** `listener(what, rect)`: "opening", "opened", "changed", "saved". Returns how to stop. */
  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  tell(what, rect = null) {
    this.listeners.forEach((listener) => listener(what, rect));
  }

  close() {
    this.listeners.clear();
    clearTimeout(this.posting);
    Object.assign(this, { of: null, ready: false, data: null, history: null, pixels: null, outbox: [] });
    this.picture.clear();
    this.overlay.width = this.overlay.height = 0;
  }

  // -- from Python -------------------------------------------------------------------------------------------------
  async open() {
    const version = this.model.get("_version") ?? {};
    this.tell("opening");
    this.of = version.of;
    this.ready = false;
    this.reset();
    this.known = version.n ?? 0;
    [this.width, this.height] = this.model.get("_size") ?? [0, 0];
    this.history = null;
    this.data = null;
    this.outbox = [];
    if (!this.width) {
      this.picture.clear();
      this.tell("opened");
      return;
    }
    const bytes = this.model.get("_picture");
    await this.picture.load(new Blob([bytes]));
    if (this.of !== version.of) return;
    this.pixels = null;
    this.data = new Uint8Array(this.width * this.height * this.channels);
    this.history = new History(this.data, this.width, this.height, { channels: this.channels });
    this.overlay.width = this.width;
    this.overlay.height = this.height;
    const layer = this.model.get("_layer");
    if (layer?.byteLength) this.data.set(await this.unpack(layer));
    if (this.of !== version.of) return;
    this.ready = true;
    this.measure();
    this.tell("opened");
    // what has happened meanwhile
    this.versionChanged();
  }

  async unpack(bytes) {
    const { data } = await decodePixels(new Blob([bytes]), this.width, this.height);
    if (this.channels === 4) return data;
    const grey = new Uint8Array(this.width * this.height);
    for (let i = 0; i < grey.length; i += 1) grey[i] = data[4 * i];
    return grey;
  }

  versionChanged() {
    const version = this.model.get("_version") ?? {};
    if (version.of !== this.of) {
      this.open();
      return;
    }
    if (!this.ready) return;
    if (version.by === this.client) {
      this.acked = version.seq;
      if (version.n > this.known + 1) this.stale = true;
      else this.known = version.n;
      if (this.mixed && this.acked === this.seq) {
        this.mixed = false;
        this.stale = true;
      }
      this.tell("saved");
    } else if (version.n > this.known) {
      if (version.by === "") {
        // made or sent by Python: the bytes came with it
        this.known = version.n;
        this.stale = false;
        // strokes that are still on their way come on top of it there, but not here: look again when they have arrived
        this.mixed = this.acked !== this.seq;
        this.takeOver(this.model.get("_layer"));
      } else this.stale = true;
    }
    this.catchUp();
  }

  /** Ask for what another page has painted, when nothing of ours is on its way. */
  catchUp() {
    if (!this.stale || this.acked !== this.seq || this.history?.open) return;
    this.stale = false;
    this.model.send({ type: "lacking" });
  }

  async takeOver(bytes) {
    const of = this.of;
    this.incoming = bytes;
    const data = bytes?.byteLength ? await this.unpack(bytes) : new Uint8Array(this.width * this.height * this.channels);
    if (this.incoming !== bytes || this.of !== of || !this.ready) return;
    if (this.history.open) {
      this.later = () => this.takeOver(bytes);
      return;
    }
    this.incoming = null;
    this.history.begin();
    this.history.touch({ x: 0, y: 0, w: this.width, h: this.height });
    this.data.set(data);
    const rect = this.history.commit();
    this.measure();
    this.tell("changed", rect);
    this.tell("saved");
  }

  // -- changes made here -------------------------------------------------------------------------------------------
  get busy() {
    return Boolean(this.history?.open);
  }

  begin() {
    this.history.begin();
  }

  /** End a step that painted; it goes to Python. */
  commit() {
    const rect = this.history.commit();
    if (rect) this.send(rect);
    this.settle();
    return rect;
  }

  cancel() {
    const rect = this.history.cancel();
    if (rect) this.tell("changed", rect);
    this.settle();
  }

  /** Carry out `change(data)`, which returns the rectangle that it changed, as one step. `rect` is where it may write. */
  step(rect, change) {
    if (!this.ready || this.busy) return;
    this.begin();
    this.history.touch(rect);
    change(this.data);
    const changed = this.commit();
    if (changed) this.tell("changed", changed);
  }

  undo() {
    this.turned(this.history?.undo());
  }

  redo() {
    this.turned(this.history?.redo());
  }

  turned(rect) {
    if (!rect) return;
    this.send(rect);
    this.settle();
    this.tell("changed", rect);
  }

  settle() {
    this.measure();
    const later = this.later;
    this.later = null;
    later?.();
    this.catchUp();
  }

  measure() {
    if (this.channels !== 1 || !this.data) return;
    let sum = 0;
    for (let i = 0; i < this.data.length; i += 1) sum += this.data[i];
    this.painted = sum / 255 / this.data.length;
  }

  /** The colours of the picture, for filling by colour. */
  picturePixels() {
    const canvas = document.createElement("canvas");
    canvas.width = this.width;
    canvas.height = this.height;
    const g = canvas.getContext("2d", { willReadFrequently: true });
    g.drawImage(this.picture.levels[0], 0, 0, this.width, this.height);
    return g.getImageData(0, 0, this.width, this.height).data;
  }

  get everything() {
    return { x: 0, y: 0, w: this.width, h: this.height };
  }

  // -- to Python ---------------------------------------------------------------------------------------------------
  send(rect) {
    this.seq += 1;
    const rows = Math.max(1, Math.floor(BAND_BYTES / (rect.w * this.channels)));
    for (let y = rect.y; y < rect.y + rect.h; y += rows) {
      const h = Math.min(rows, rect.y + rect.h - y);
      // Python counts a change when its last piece has come
      const seq = y + h < rect.y + rect.h ? null : this.seq;
      this.outbox.push({ of: this.of, rect: { x: rect.x, y, w: rect.w, h }, seq });
    }
    this.tell("saved");
    if (!this.posting) this.post();
  }

  post() {
    clearTimeout(this.posting);
    this.posting = 0;
    const next = this.outbox.shift();
    if (!next) return;
    if (next.of === this.of) {
      const png = encodePng(this.data, this.width, this.channels, next.rect);
      const { x, y } = next.rect;
      this.model.send({ type: "patch", of: next.of, by: this.client, seq: next.seq, x, y }, undefined, [png.buffer]);
    }
    // what is large goes piece by piece, so that the page goes on between
    if (this.outbox.length) this.posting = setTimeout(() => this.post());
  }
}
