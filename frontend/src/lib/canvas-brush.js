/** What all brushes share: their ring, their size by wheel and keys, and a pen for the keyboard. */
import { slowPush } from "./canvas-tools.js";
import { clamp } from "./format.js";

/**
 * @param {object} ctx the widget's frame; its traits `brush` (a diameter) and `softness` (0..100)
 * @param {object} doc the document @param {() => object} board the surface
 * @param {{isBrush(): boolean, single(): boolean, factor(): number, start(p: object): void, move(p: object[]): void, end(p: object): void}} on
 *   `single`: the tool works on a press alone; `factor`: how much of the size the pen's pressure gives
 */
export function brushKit(ctx, doc, board, on) {
  let hovered = null;
  const largest = () => Math.max(1, doc.width, doc.height);
  const push = slowPush(ctx);

  const kit = {
    largest,
    ring() {
      const surface = board();
      const brush = on.isBrush();
      surface.canvas.dataset.cursor = brush ? "brush" : "cross";
      const p = hovered;
      if (!p || !doc.ready || (!brush && !p.key)) return surface.ring(null);
      const { scale, x, y } = surface.view;
      const at = p.key ? { x: p.x * scale + x, y: p.y * scale + y } : { x: p.wx, y: p.wy };
      const radius = brush ? (ctx.get("brush") / 2) * scale * on.factor() : 5;
      return surface.ring({ ...at, radius, inner: brush ? 1 - ctx.get("softness") / 100 : 0 });
    },
    hover(p) {
      hovered = p;
      kit.ring();
    },
    set(name, value, low, high) {
      push({ [name]: Math.round(clamp(value, low, high)) });
      kit.ring();
    },
    bigger: () => kit.set("brush", Math.max(ctx.get("brush") + 1, ctx.get("brush") * 1.12), 1, largest()),
    smaller: () => kit.set("brush", Math.min(ctx.get("brush") - 1, ctx.get("brush") / 1.12), 1, largest()),
    softer: (step) => kit.set("softness", ctx.get("softness") + step, 0, 100),
    wheel(delta, event) {
      if (!doc.ready || !delta) return false;
      if (event.shiftKey) kit.softer(-Math.sign(delta) * 5);
      else if (delta < 0) kit.bigger();
      else kit.smaller();
      return true;
    },
    /** Keys of the brush; whether it was one. */
    key(event) {
      if (kit.pen(event)) return true;
      if (event.ctrlKey || event.metaKey || event.altKey) return false;
      if (event.key === "[") kit.smaller();
      else if (event.key === "]") kit.bigger();
      else if (event.key === "{") kit.softer(-10);
      else if (event.key === "}") kit.softer(10);
      else return false;
      return true;
    },
    // arrows move the pen (with the shift key by one pixel), Enter puts it down and lifts it
    at: null,
    down: false,
    pen(event) {
      const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if ((!arrow && event.key !== "Enter") || !doc.ready || event.ctrlKey || event.metaKey) return false;
      const surface = board();
      kit.at ??= { x: doc.width / 2, y: doc.height / 2 };
      if (arrow) {
        const step = event.shiftKey ? 1 : Math.max(1, Math.round(12 / surface.view.scale));
        kit.at.x = clamp(kit.at.x + arrow[0] * step, 0, doc.width);
        kit.at.y = clamp(kit.at.y + arrow[1] * step, 0, doc.height);
      }
      const { scale, x, y } = surface.view;
      const point = { ...kit.at, wx: kit.at.x * scale + x, wy: kit.at.y * scale + y, pressure: 1, type: "key", erase: false, alt: event.altKey, shift: false, key: true };
      if (arrow && kit.down) on.move([point]);
      if (!arrow) {
        if (kit.down) on.end(point);
        else on.start(point);
        kit.down = !kit.down && !on.single();
      }
      // the window follows the pen
      const [across, down] = surface.window;
      const dx = point.wx < 20 ? 60 : point.wx > across - 20 ? -60 : 0;
      const dy = point.wy < 20 ? 60 : point.wy > down - 20 ? -60 : 0;
      const large = doc.width * scale > across || doc.height * scale > down;
      if ((dx || dy) && large) surface.pan(dx, dy);
      kit.hover(point);
      return true;
    },
    reset() {
      kit.at = null;
      kit.down = false;
    },
  };
  return kit;
}

/** Show the state of the document on the page: what can be undone, what has arrived, and how wide brushes may be. */
export function showState(ctx, doc, { undo, redo, brushLine }) {
  const range = brushLine.querySelector("input[type=range]");
  range.max = String(Math.max(16, Math.round(Math.max(doc.width, doc.height) / 2)));
  range.dispatchEvent(new Event("ra-range"));
  for (const [button, can] of [[undo, doc.history?.canUndo], [redo, doc.history?.canRedo]]) {
    // a button that goes grey would take the focus, and all keys, with it
    if (!can && document.activeElement === button) ctx.root.querySelector("canvas").focus({ preventScroll: true });
    button.disabled = !can;
  }
  const { dataset } = ctx.root;
  dataset.saved = String(Number(doc.acked === doc.seq && !doc.incoming && doc.ready));
  dataset.version = String(doc.known);
}
