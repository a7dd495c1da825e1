/** Strokes of a brush on a document: points in, pixels and undo steps out. No DOM. */
import { strokeBox, strokeTo } from "./canvas-raster.js";
import { union } from "./canvas-view.js";

/**
 * @param {import("./canvas-doc.js").RasterDoc} doc
 * @param {{radius(): number, softness(): number, pressure(): boolean, changed(rect: object): void, cover?(): Uint8Array,
 *   lay?(rect: object): void, lifted?(rect: object): void}} brush what it paints with. A mask is painted on itself; colour is
 *   first painted as what it covers (`cover`, all zeros before) and then laid (`lay`); `lifted` gets all of the stroke's rectangle
 */
export function strokePainter(doc, brush) {
  let last = null;
  let before = null; // where the last stroke ended, for straight lines with the shift key
  let erase = false;
  let whole = null;
  const self = {
    active: false,
    factor: 1,
    start(p, takesAway) {
      doc.begin();
      self.active = true;
      erase = takesAway;
      last = p.shift && before ? before : null;
      self.move([p]);
    },
    move(points) {
      let rect = null;
      for (const p of points) {
        if (!p.lifted) self.factor = p.type === "pen" && brush.pressure() ? 0.1 + 0.9 * p.pressure : 1;
        const to = { x: p.x, y: p.y, r: brush.radius() * self.factor };
        const from = last ?? to;
        if (last && from.x === to.x && from.y === to.y && from.r === to.r) continue;
        doc.history.touch(strokeBox(doc.width, doc.height, from, to));
        const data = brush.cover?.() ?? doc.data;
        rect = union(rect, strokeTo(data, doc.width, doc.height, from, to, brush.softness(), erase && !brush.cover));
        last = to;
      }
      if (!rect) return;
      whole = union(whole, rect);
      brush.lay?.(rect);
      brush.changed(rect);
    },
    end(p) {
      // a pen that is lifted presses no more: its last width goes on
      if (p && last && (p.x !== last.x || p.y !== last.y)) self.move([{ ...p, lifted: true }]);
      before = last;
      doc.commit();
      self.stop();
    },
    cancel() {
      doc.cancel();
      self.stop();
    },
    stop() {
      if (whole) brush.lifted?.(whole);
      whole = null;
      self.active = false;
      self.factor = 1;
      last = null;
    },
  };
  return self;
}
