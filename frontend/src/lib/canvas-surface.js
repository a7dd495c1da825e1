/**
 * A picture in a window that zooms and moves: the canvas, its view, the wheel, the zoom buttons, the brush's ring.
 * What is drawn, the widget says; only the part that changed is drawn again, once a frame.
 */
import { Pointers } from "./canvas-pointer.js";
import { fitView, holdView, meet, outward, panBy, toPicture, union, zoomAt } from "./canvas-view.js";
import { h } from "./dom.js";
import { clamp } from "./format.js";

/**
 * @param {object} ctx the widget's frame
 * @param {object} on what the widget does: `box()`, the rectangle that is shown as a whole (in picture pixels); `paint(g, view, ratio, dirty)`
 *   (in device pixels, clipped to dirty), and start, move, end, cancel of {@link Pointers}; points come in picture pixels
 * @param {{margin?: (window: number[]) => number, key?: string}} options how many pixels of the window stay free around the whole; the canvas' accessible name
 */
export function surface(ctx, on, { margin = () => 0, key = "canvas.label" } = {}) {
  const canvas = ctx.say(h("canvas", { class: "ra-canvas", tabindex: 0, role: "application" }), { "aria-label": key });
  const ring = h("div", { class: "ra-ring", hidden: true, "aria-hidden": "true" }, h("i"));
  const zoomText = h("output", { class: "ra-zoom-text" });
  const button = (name, icon, text, action) => {
    const node = ctx.iconButton(name, icon, text, action);
    return node;
  };
  const zoomBar = h(
    "div",
    { class: "ra-zoom" },
    button("ra-zoom-out", "minus", "canvas.zoom_out", () => self.zoomBy(1 / 1.5)),
    zoomText,
    button("ra-zoom-in", "plus", "canvas.zoom_in", () => self.zoomBy(1.5)),
    button("ra-zoom-fit", "zoom", "canvas.fit", () => self.fit()),
  );
  const node = h("div", { class: "ra-easel" }, canvas, ring, zoomBar);
  const box = h("div", { class: "ra-easel-box" }, node);
  const g = canvas.getContext("2d", { alpha: false });

  let view = { scale: 1, x: 0, y: 0 };
  let fitted = true;
  let window_ = [0, 0];
  let ratio = 1;
  let dirty = null;
  let asked = 0;

  const frameNow = () => {
    asked = 0;
    const rect = meet(outward(dirty, 1), { x: 0, y: 0, w: canvas.width, h: canvas.height });
    dirty = null;
    if (!rect) return;
    g.save();
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.beginPath();
    g.rect(rect.x, rect.y, rect.w, rect.h);
    g.clip();
    on.paint(g, view, ratio, rect);
    g.restore();
  };
  const ask = () => {
    if (!asked && canvas.width) asked = requestAnimationFrame(frameNow);
  };

  /** The view with the corner of `box` as its origin, for what knows only sizes. */
  const shifted = (v, box, sign) => ({ scale: v.scale, x: v.x + sign * box.x * v.scale, y: v.y + sign * box.y * v.scale });
  const whole = () => {
    const all = on.box();
    return shifted(fitView([all.w, all.h], window_, margin(window_)), all, -1);
  };
  const held = (next) => {
    const all = on.box();
    return shifted(holdView(shifted(next, all, 1), [all.w, all.h], window_), all, -1);
  };

  const changeView = (next, isFit = false) => {
    view = isFit ? next : held(next);
    // whole device pixels: otherwise every line of the picture is smeared over two
    view.x = Math.round(view.x * ratio) / ratio;
    view.y = Math.round(view.y * ratio) / ratio;
    fitted = isFit;
    node.dataset.view = [view.scale, view.x, view.y].join(",");
    zoomText.textContent = `${Math.round(view.scale * 100)}%`;
    on.moved?.(view);
    self.redraw();
  };

  const self = {
    box,
    node,
    canvas,
    zoomBar,
    get view() {
      return view;
    },
    get ratio() {
      return ratio;
    },
    get window() {
      return window_;
    },
    /** Whether all is shown, so that what grows should stay in view. */
    get fitted() {
      return fitted;
    },
    /** Draw all again in the next frame. */
    redraw() {
      dirty = { x: 0, y: 0, w: canvas.width, h: canvas.height };
      ask();
    },
    /** Draw a rectangle of the picture again in the next frame. */
    redrawPart(rect) {
      if (!rect) return;
      const s = view.scale * ratio;
      const part = { x: rect.x * s + view.x * ratio, y: rect.y * s + view.y * ratio, w: rect.w * s, h: rect.h * s };
      dirty = union(dirty, outward(part, 2));
      ask();
    },
    /** Draw a rectangle of the window (CSS pixels) again. */
    redrawWindow(rect) {
      if (!rect) return;
      dirty = union(dirty, outward({ x: rect.x * ratio, y: rect.y * ratio, w: rect.w * ratio, h: rect.h * ratio }, 2));
      ask();
    },
    fit() {
      changeView(whole(), true);
    },
    zoomBy(factor, x = window_[0] / 2, y = window_[1] / 2) {
      changeView(zoomAt(view, x, y, factor, Math.min(0.05, whole().scale / 2)));
    },
    zoomTo(scale, x, y) {
      self.zoomBy(scale / view.scale, x, y);
    },
    pan(dx, dy) {
      changeView(panBy(view, dx, dy));
    },
    /** Another picture: its size decides the height of the window. */
    resize() {
      const all = on.box();
      node.style.setProperty("--ra-aspect", String(all.w / all.h));
      measure();
      self.fit();
    },
    /** The ring that shows the brush, or null: `{x, y, radius, inner}` in pixels of the window. */
    ring(at) {
      ring.hidden = !at;
      if (!at) return;
      const size = Math.max(3, at.radius * 2);
      ring.style.width = `${size}px`;
      ring.style.height = `${size}px`;
      ring.style.transform = `translate(${at.x - size / 2}px, ${at.y - size / 2}px)`;
      ring.firstChild.style.inset = `${Math.min(50, (1 - at.inner) * 50)}%`;
    },
    /** After a click on one of the bar's buttons the keys and the wheel are the canvas' again. */
    serve(bar) {
      bar.addEventListener("click", (event) => {
        if (event.detail && event.target.closest("button")) canvas.focus({ preventScroll: true });
      });
    },
    toPicture: (x, y) => toPicture(view, x, y),
    pointers: null,
  };

  const measure = () => {
    const across = node.clientWidth;
    const down = node.clientHeight;
    const now = window.devicePixelRatio || 1;
    if (across === window_[0] && down === window_[1] && now === ratio) return false;
    const middle = [window_[0] / 2, window_[1] / 2];
    view.x += across / 2 - middle[0];
    view.y += down / 2 - middle[1];
    window_ = [across, down];
    ratio = now;
    canvas.width = Math.max(1, Math.round(across * ratio));
    canvas.height = Math.max(1, Math.round(down * ratio));
    return true;
  };
  const sizes = new ResizeObserver(() => {
    if (!measure()) return;
    if (fitted) self.fit();
    else changeView(view);
    // at once: a canvas is empty after its size has changed
    frameNow();
  });
  sizes.observe(node);

  const inPicture = (p) => ({ ...p, ...toPicture(view, p.x, p.y), wx: p.x, wy: p.y });
  const pointers = new Pointers(canvas, {
    start: (p) => {
      canvas.focus({ preventScroll: true });
      on.start?.(inPicture(p));
    },
    move: (points) => on.move?.(points.map(inPicture)),
    end: (p) => on.end?.(inPicture(p)),
    cancel: () => on.cancel?.(),
    hover: (p) => on.hover?.(p && inPicture(p)),
    pan: (dx, dy) => self.pan(dx, dy),
    pinch: (x, y, factor) => self.zoomBy(factor, x, y),
    panning: (is) => node.toggleAttribute("data-panning", is),
  });
  self.pointers = pointers;
  const deaf = pointers.listen();

  canvas.addEventListener(
    "wheel",
    (event) => {
      const at = canvas.getBoundingClientRect();
      const step = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
      if (event.ctrlKey || event.metaKey) self.zoomBy(Math.exp(-clamp(step, -600, 600) / 600), event.clientX - at.left, event.clientY - at.top);
      // a page scrolls past the canvas until somebody works on it
      else if (document.activeElement !== canvas || !on.wheel?.(event.shiftKey ? event.deltaX || event.deltaY : event.deltaY, event)) return;
      event.preventDefault();
    },
    { passive: false },
  );

  // keys work wherever the focus is in the widget, but a field keeps its own, and a button those that press it; what all
  // widgets of this kind share comes after the widget's own
  const letter = (event) => (event.key.length === 1 ? event.key.toLowerCase() : event.key);
  ctx.root.addEventListener("keydown", (event) => {
    const here = event.target === canvas;
    if (event.defaultPrevented || event.target.matches?.("input, select, textarea")) return;
    if (!here && (event.key === " " || event.key === "Enter" || event.key.startsWith("Arrow"))) return;
    const done = () => {
      event.preventDefault();
      event.stopPropagation();
    };
    if (on.key?.(event, letter(event))) return done();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") pointers.setSpace(true);
    else if (event.key === "+" || event.key === "=") self.zoomBy(1.25);
    else if (event.key === "-" || event.key === "_") self.zoomBy(0.8);
    else if (event.key === "0") self.fit();
    else if (event.key === "1") self.zoomTo(1);
    else return;
    done();
  });
  node.addEventListener("keyup", (event) => {
    if (event.key === " ") pointers.setSpace(false);
  });
  canvas.addEventListener("blur", () => pointers.setSpace(false));

  self.close = () => {
    sizes.disconnect();
    deaf();
    cancelAnimationFrame(asked);
  };
  return self;
}
