/**
 * What fingers, pens and mice on a canvas mean: one finger (or the left button, or a pen) draws, two fingers move and
 * zoom, the middle button or a drag with the space key moves. Works on events only, so that tests can make them up.
 */

const QUICK = 160; // ms: a second finger within this time means that the first did not want to draw
const NEAR = 12; // pixels

/**
 * @typedef {{x: number, y: number, pressure: number, type: string, erase: boolean, alt: boolean, shift: boolean}} Point
 *   in pixels of the canvas; pressure 0..1, and 1 for what has none
 */
export class Pointers {
  /**
   * @param {HTMLElement} target
   * @param {{start(p: Point): void, move(p: Point[]): void, end(p: Point): void, cancel(): void, hover(p: Point | null): void,
   *   pan(dx: number, dy: number): void, pinch(x: number, y: number, factor: number): void, panning(on: boolean): void}} on
   */
  constructor(target, on) {
    this.target = target;
    this.on = on;
    this.fingers = new Map();
    this.drawing = null;
    this.panner = null;
    this.space = false;
    this.pinched = false;
    this.lastPen = -1e9;
  }

  listen() {
    const names = ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave", "lostpointercapture"];
    const handle = (event) => this.handle(event);
    for (const name of names) this.target.addEventListener(name, handle);
    const still = (event) => event.preventDefault();
    this.target.addEventListener("contextmenu", still);
    // the middle button would start the browser's own scrolling
    this.target.addEventListener("mousedown", (event) => event.button === 1 && event.preventDefault());
    return () => {
      for (const name of names) this.target.removeEventListener(name, handle);
      this.target.removeEventListener("contextmenu", still);
    };
  }

  point(event) {
    const box = this.target.getBoundingClientRect();
    const pen = event.pointerType === "pen";
    return {
      x: event.clientX - box.left,
      y: event.clientY - box.top,
      // a mouse reports 0.5, many fingers 0 or 1: only a pen says something
      pressure: pen && event.pressure > 0 ? event.pressure : 1,
      type: event.pointerType,
      erase: (event.buttons & 32) !== 0 || (event.buttons & 2) !== 0,
      alt: event.altKey,
      shift: event.shiftKey,
      time: event.timeStamp,
    };
  }

  handle(event) {
    const kind = event.type.slice(7);
    if (event.type === "lostpointercapture") {
      if (this.drawing?.id === event.pointerId) this.finish(true);
      this.fingers.delete(event.pointerId);
    } else if (kind === "down") this.down(event);
    else if (kind === "move") this.move(event);
    else if (kind === "up") this.up(event, false);
    else if (kind === "cancel") this.up(event, true);
    else if (kind === "leave" && !this.drawing) this.on.hover(null);
  }

  down(event) {
    const point = this.point(event);
    const touch = event.pointerType === "touch";
    if (event.pointerType === "pen") this.lastPen = point.time;
    this.capture(event.pointerId);
    if (touch) {
      this.fingers.set(event.pointerId, point);
      if (this.fingers.size === 2) {
        this.interrupt(point.time);
        this.pinched = true;
        return;
      }
      // the palm that rests beside a pen
      if (this.fingers.size > 2 || this.pinched || (this.drawing && this.drawing.type === "pen")) return;
    } else if (event.button === 1 || (this.space && event.button === 0)) {
      this.panner = { id: event.pointerId, x: point.x, y: point.y };
      this.on.panning(true);
      event.preventDefault();
      return;
    }
    if (this.drawing || (event.button !== 0 && event.button !== 2 && event.button !== 5)) return;
    this.drawing = { id: event.pointerId, type: event.pointerType, start: point, far: 0, last: point };
    this.on.start(point);
  }

  move(event) {
    const point = this.point(event);
    if (this.panner?.id === event.pointerId) {
      this.on.pan(point.x - this.panner.x, point.y - this.panner.y);
      Object.assign(this.panner, { x: point.x, y: point.y });
      return;
    }
    if (event.pointerType === "touch" && this.pinched) {
      this.pinch(event.pointerId, point);
      return;
    }
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, point);
    if (this.drawing?.id === event.pointerId) {
      const many = event.getCoalescedEvents?.() ?? [];
      const points = many.length ? many.map((one) => this.point(one)) : [point];
      const { start } = this.drawing;
      this.drawing.far = Math.max(this.drawing.far, Math.hypot(point.x - start.x, point.y - start.y));
      this.drawing.last = point;
      this.on.move(points);
    }
    if (event.pointerType !== "touch" || this.drawing) this.on.hover(point);
  }

  up(event, cancelled) {
    this.fingers.delete(event.pointerId);
    if (this.panner?.id === event.pointerId) {
      this.panner = null;
      this.on.panning(this.space);
    }
    if (this.drawing?.id === event.pointerId) {
      if (!cancelled) this.drawing.last = this.point(event);
      this.finish(cancelled && this.drawing.far < NEAR);
    }
    if (!this.fingers.size) this.pinched = false;
    if (event.pointerType === "touch") this.on.hover(null);
  }

  /** A second finger: the first one's line ends, or never was, if it has only just begun. */
  interrupt(now) {
    if (!this.drawing) return;
    const young = now - this.drawing.start.time < QUICK || this.drawing.far < NEAR;
    this.finish(young);
  }

  finish(undo) {
    const { last } = this.drawing;
    this.drawing = null;
    if (undo) this.on.cancel();
    else this.on.end(last);
  }

  pinch(id, point) {
    const before = [...this.fingers.values()];
    if (!this.fingers.has(id)) return;
    this.fingers.set(id, point);
    if (before.length < 2) return;
    const after = [...this.fingers.values()];
    const middle = ([a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
    const apart = ([a, b]) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
    const [from, to] = [middle(before), middle(after)];
    this.on.pan(to.x - from.x, to.y - from.y);
    this.on.pinch(to.x, to.y, apart(after) / apart(before));
  }

  capture(id) {
    try {
      this.target.setPointerCapture?.(id);
    } catch {
      // the pointer has gone already
    }
  }

  /** The space key: while it is down, dragging moves the picture. */
  setSpace(on) {
    if (this.space === on) return;
    this.space = on;
    if (!this.panner) this.on.panning(on);
  }
}
