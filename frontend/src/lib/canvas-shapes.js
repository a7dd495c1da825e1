/** Lassos and rectangles while they are drawn: a dashed line, and the shape when it is finished. */
import { boxOf } from "./canvas-raster.js";
import { outward, union } from "./canvas-view.js";

/** @param {(kind: string, points: object[], erase: boolean) => void} finish */
export function shapePainter(doc, board, finish) {
  let shape = null;
  const box = () => {
    if (!shape) return null;
    const xs = shape.points.map((p) => p.x);
    const ys = shape.points.map((p) => p.y);
    const [x, y] = [Math.min(...xs), Math.min(...ys)];
    return { x: x - 1, y: y - 1, w: Math.max(...xs) - x + 2, h: Math.max(...ys) - y + 2 };
  };
  const redraw = (rect) => rect && board().redrawPart(outward(rect, 2 / board().view.scale));

  return {
    get active() {
      return shape !== null;
    },
    start(kind, p, erase) {
      shape = { kind, points: [p], erase };
    },
    move(points) {
      if (!shape) return;
      const before = box();
      if (shape.kind === "rectangle") shape.points[1] = points.at(-1);
      else {
        for (const p of points) {
          const last = shape.points.at(-1);
          if (Math.hypot(p.wx - last.wx, p.wy - last.wy) >= 1) shape.points.push(p);
        }
      }
      redraw(union(before, box()));
    },
    end(p) {
      if (!shape) return;
      const { kind, points, erase } = shape;
      const old = box();
      shape = null;
      if (doc.ready) finish(kind, kind === "rectangle" ? [points[0], p] : points, erase);
      redraw(old);
    },
    cancel() {
      const old = box();
      shape = null;
      redraw(old);
    },
    draw(g, view, ratio) {
      if (!shape) return;
      const at = (p) => [(p.x * view.scale + view.x) * ratio, (p.y * view.scale + view.y) * ratio];
      g.beginPath();
      if (shape.kind === "rectangle") {
        const rect = boxOf(doc.width, doc.height, shape.points[0], shape.points.at(-1));
        if (!rect) return;
        g.rect(...at(rect), rect.w * view.scale * ratio, rect.h * view.scale * ratio);
      } else shape.points.forEach((p, index) => (index ? g.lineTo(...at(p)) : g.moveTo(...at(p))));
      g.lineWidth = ratio;
      g.setLineDash([]);
      g.strokeStyle = "white";
      g.stroke();
      g.setLineDash([4 * ratio, 4 * ratio]);
      g.strokeStyle = "black";
      g.stroke();
    },
  };
}
