/** What the painters share: strokes and shapes under one pointer, keys, undo, the lines of the brush, following the document. */
import { brushKit } from "./canvas-brush.js";
import { lineSlider, tool } from "./canvas-tools.js";
import { onSkin } from "./canvas-widget.js";

const BRUSHES = ["brush", "eraser"];

/**
 * @param {() => object} board the surface, which is made after this
 * @param {object} how `tools` (rows of name, icon, key, letter), `strokes`, `shapes`, `start(p)`, `single`: tools of one click,
 *   `may(tool)`: whether a letter chooses it now, `keys`: further letters, `clear()`
 */
export function bench(ctx, doc, board, { tools, strokes, shapes, start, single, may = () => true, keys, clear }) {
  const move = (points) => (strokes.active ? strokes.move(points) : shapes.move(points));
  const end = (p) => (strokes.active ? strokes.end(p) : shapes.end(p));
  const cancel = () => {
    if (strokes.active) strokes.cancel();
    shapes.cancel();
  };
  const kit = brushKit(ctx, doc, board, {
    isBrush: () => BRUSHES.includes(ctx.get("tool")),
    single: () => single.includes(ctx.get("tool")),
    factor: () => (strokes.active ? strokes.factor : 1),
    start,
    move,
    end,
  });
  const letters = new Map(tools.map(([value, , , letter]) => [letter.toLowerCase(), value]));
  function key(event, name) {
    const control = event.ctrlKey || event.metaKey;
    if (control && name === "z") return event.shiftKey ? doc.redo() : doc.undo(), true;
    if (control && name === "y") return doc.redo(), true;
    if (kit.key(event)) return true;
    if (control || event.altKey) return false;
    if (letters.has(name) && may(letters.get(name))) ctx.push({ tool: letters.get(name) });
    else if (Object.hasOwn(keys, name)) keys[name]();
    else if (event.key === "Delete" || event.key === "Backspace") clear();
    else if (event.key === "Escape" && (strokes.active || shapes.active)) {
      kit.down = false;
      cancel();
    } else return false;
    return true;
  }
  const box = () => ({ x: 0, y: 0, w: doc.width || 4, h: doc.height || 3 });
  return { kit, cancel, parts: { box, start, move, end, cancel, hover: kit.hover, key, wheel: kit.wheel } };
}

/** Undo and redo. */
export const undoTools = (ctx, doc) => ({
  undo: tool(ctx, "undo", "undo", "canvas.undo", "Ctrl+Z", () => doc.undo()),
  redo: tool(ctx, "redo", "redo", "canvas.redo", "Ctrl+Shift+Z", () => doc.redo()),
});

/** Size and softness, seen while the tool is a brush: `lines.show()` after another tool was chosen. */
export function brushLines(ctx) {
  const brushLine = lineSlider(ctx, "brush", "brush", { min: 1, max: 8192, soft: 400, digits: 0 });
  const softLine = lineSlider(ctx, "softness", "softness", { min: 0, max: 100, digits: 0 });
  const show = () => {
    const brush = BRUSHES.includes(ctx.get("tool"));
    brushLine.hidden = softLine.hidden = !brush;
    return brush;
  };
  return { brushLine, softLine, show };
}

/** Pixels of the document's overlay: `write(image, rect)` fills an ImageData of the rectangle. */
export function putOverlay(doc, rect, write) {
  if (!rect || !doc.data) return;
  const image = new ImageData(rect.w, rect.h);
  write(image, rect);
  doc.overlay.getContext("2d").putImageData(image, rect.x, rect.y);
}

/** Follow the document: `changed(rect)` and `repaint()` draw, `facts()` says how it stands. Returns what ends it. */
export function follow(ctx, doc, board, { kit, cancel, changed, repaint, facts, skin = repaint }) {
  ctx.on("change:brush change:softness", kit.ring);
  ctx.onTexts(facts);
  const deaf = doc.listen((what, rect) => {
    if (what === "opening") cancel();
    else if (what === "opened") {
      kit.reset();
      board.resize();
      repaint();
    } else if (what === "changed") changed(rect);
    facts();
  });
  onSkin(ctx, skin);
  return deaf;
}

/** The first drawing of a painter. */
export const firstDrawing = (doc, board, repaint, facts) => () => {
  if (doc.ready || !doc.width) {
    board.resize();
    repaint();
  }
  facts();
};
