/** A frame on a picture with handles at its sides and corners; and the arithmetic of frames (pure). */
import { h } from "./dom.js";
import { clamp } from "./format.js";

export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

/**
 * Handles of a frame: dragged by pointers, moved by the arrow keys.
 * @param {{label(handle: string): string, start(): void, drag(handle: string, dx: number, dy: number, event: Event): void,
 *   end(): void, nudge(handle: string, dx: number, dy: number, event: Event): void}} on distances in picture pixels, from where the drag began
 */
export function frameHandles(ctx, board, on) {
  const buttons = HANDLES.map((name) => {
    const node = h("button", { type: "button", class: "ra-handle", "data-handle": name });
    ctx.onTexts(() => {
      node.title = on.label(name);
      node.setAttribute("aria-label", on.label(name));
    });
    let from = null;
    node.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = { x: event.clientX, y: event.clientY, scale: board.view.scale };
      node.setPointerCapture(event.pointerId);
      node.focus({ preventScroll: true });
      on.start();
      event.preventDefault();
    });
    node.addEventListener("pointermove", (event) => {
      if (from) on.drag(name, (event.clientX - from.x) / from.scale, (event.clientY - from.y) / from.scale, event);
    });
    const end = () => {
      if (!from) return;
      from = null;
      on.end();
    };
    node.addEventListener("pointerup", end);
    node.addEventListener("lostpointercapture", end);
    node.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step || event.ctrlKey || event.metaKey) return;
      on.nudge(name, ...step, event);
      event.preventDefault();
      event.stopPropagation();
    });
    return node;
  });
  board.canvas.after(...buttons);

  return {
    buttons,
    /** Put the handles around a rectangle of the picture. */
    place(rect) {
      const { scale, x, y } = board.view;
      const [across, down] = board.window;
      for (const node of buttons) {
        const name = node.dataset.handle;
        const fx = name.includes("w") ? 0 : name.includes("e") ? 1 : 0.5;
        const fy = name.includes("n") ? 0 : name.includes("s") ? 1 : 0.5;
        // a handle outside the window is of no use: it waits at the edge
        const px = clamp((rect.x + fx * rect.w) * scale + x, 8, Math.max(8, across - 8));
        const py = clamp((rect.y + fy * rect.h) * scale + y, 8, Math.max(8, down - 8));
        node.style.transform = `translate(${px}px, ${py}px) translate(-50%, -50%)`;
      }
    },
  };
}

/**
 * How many pixels to add on one side, so that the whole is a multiple of `step`.
 * @param {number} value what the hand says @param {number} rest the picture and the other side
 */
export function snapSide(value, rest, step, most = 2048, longest = 4096) {
  if (value <= step / 4) return 0;
  const room = Math.min(most, longest - rest);
  let side = Math.round((value + rest) / step) * step - rest;
  if (side <= 0) side += Math.ceil((1 - side) / step) * step;
  while (side > room) side -= step;
  return Math.max(0, side);
}

/** The sides that bring a picture to a ratio, nothing cut: half on each side. */
export function sidesForRatio(width, height, ratio, step) {
  const none = { left: 0, right: 0, top: 0, bottom: 0 };
  const split = (more, rest) => {
    const first = Math.floor(more / 2 / step) * step;
    return [first, snapSide(more - first, rest + first, step)];
  };
  if (width / height < ratio) {
    const [left, right] = split(height * ratio - width, width);
    return { ...none, left, right };
  }
  const [top, bottom] = split(width / ratio - height, height);
  return { ...none, top, bottom };
}

/**
 * A crop box after one of its handles was dragged, inside a picture; with `ratio` (width / height) it keeps that shape.
 * @param {{x: number, y: number, w: number, h: number}} box before
 */
export function dragBox(box, handle, dx, dy, [width, height], ratio = 0) {
  let [left, top, right, bottom] = [box.x, box.y, box.x + box.w, box.y + box.h];
  if (handle.includes("w")) left = clamp(left + dx, 0, right - 1);
  if (handle.includes("e")) right = clamp(right + dx, left + 1, width);
  if (handle.includes("n")) top = clamp(top + dy, 0, bottom - 1);
  if (handle.includes("s")) bottom = clamp(bottom + dy, top + 1, height);
  if (ratio) {
    // the side that is dragged decides; a corner goes by the longer way
    const byWidth = handle === "e" || handle === "w" || (handle.length === 2 && Math.abs(right - left - box.w) >= Math.abs(bottom - top - box.h) * ratio);
    let w = byWidth ? right - left : (bottom - top) * ratio;
    const fx = handle.includes("w") ? 1 : handle.includes("e") ? 0 : 0.5;
    const fy = handle.includes("n") ? 1 : handle.includes("s") ? 0 : 0.5;
    const [ax, ay] = [box.x + fx * box.w, box.y + fy * box.h];
    // as large as fits around the point that stays
    const roomX = fx === 0.5 ? 2 * Math.min(ax, width - ax) : fx ? ax : width - ax;
    const roomY = fy === 0.5 ? 2 * Math.min(ay, height - ay) : fy ? ay : height - ay;
    w = Math.min(w, roomX, roomY * ratio);
    [left, top, right, bottom] = [ax - fx * w, ay - (fy * w) / ratio, ax + (1 - fx) * w, ay + ((1 - fy) * w) / ratio];
  }
  return wholeBox({ x: left, y: top, w: right - left, h: bottom - top }, [width, height]);
}

/** A box of whole pixels inside a picture, at least one pixel large. */
export function wholeBox(box, [width, height]) {
  const x = clamp(Math.round(box.x), 0, width - 1);
  const y = clamp(Math.round(box.y), 0, height - 1);
  return { x, y, w: clamp(Math.round(box.x + box.w) - x, 1, width - x), h: clamp(Math.round(box.y + box.h) - y, 1, height - y) };
}

/** The largest box of a ratio around the middle of another box, not larger than it. */
export function boxOfRatio(box, ratio, size) {
  const w = Math.min(box.w, box.h * ratio);
  return wholeBox({ x: box.x + (box.w - w) / 2, y: box.y + (box.h - w / ratio) / 2, w, h: w / ratio }, size);
}
