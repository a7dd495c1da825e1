/** What all widgets that draw on a canvas do at their beginning and end. */
import { forget } from "./canvas-picture.js";

/** The module of such a widget: all its pages share one document, which goes with the model. */
export const canvasWidget = (open, render) => ({
  initialize({ model }) {
    open(model);
    return () => forget(model);
  },
  render,
});

/** Draw anew in the colours of another skin, as soon as they hold. */
export const onSkin = (ctx, draw) => ctx.on("change:skin", () => requestAnimationFrame(draw));

/**
 * Put the parts in their place and draw for the first time.
 * @param {(() => void)[]} over what else must end with the view
 * @returns {() => void} ends the view
 */
export function settle(ctx, board, nodes, first, over = []) {
  ctx.root.append(...nodes);
  const done = ctx.finish();
  first();
  return () => {
    for (const end of over) end();
    board.close();
    done();
  };
}

/** The same for frames, whose document holds nothing but its picture: `show()` says what has changed. */
export function settleFrame(ctx, doc, board, nodes, show) {
  const deaf = doc.listen(() => {
    board.resize();
    show();
    ctx.root.dataset.saved = "1";
  });
  onSkin(ctx, () => board.redraw());
  const first = () => {
    board.resize();
    if (doc.ready) ctx.root.dataset.saved = "1";
  };
  return settle(ctx, board, nodes, first, [deaf]);
}

/** Draw the picture on white and give the function from picture to window rectangles; null before there is one. */
export function drawPicture(g, doc, ground, view, ratio, dirty, below) {
  g.fillStyle = ground;
  g.fillRect(dirty.x, dirty.y, dirty.w, dirty.h);
  if (!doc.ready) return null;
  const s = view.scale * ratio;
  const at = (rect) => [Math.round(rect.x * s + view.x * ratio), Math.round(rect.y * s + view.y * ratio), Math.round(rect.w * s), Math.round(rect.h * s)];
  below?.(at);
  const picture = at({ x: 0, y: 0, w: doc.width, h: doc.height });
  g.fillStyle = "white";
  g.fillRect(...picture);
  doc.picture.draw(g, ...picture);
  return at;
}
