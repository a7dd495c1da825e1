/** The outpaint frame: drag the border of a picture outwards, and see how large it becomes. */
import { frameHandles, sidesForRatio, snapSide } from "./lib/canvas-frame.js";
import { PictureDoc, docOf } from "./lib/canvas-picture.js";
import { surface } from "./lib/canvas-surface.js";
import { lineNumber, slowPush, tool } from "./lib/canvas-tools.js";
import { canvasWidget, drawPicture, settleFrame } from "./lib/canvas-widget.js";
import { frame, h, icon } from "./lib/dom.js";
import { bytes } from "./lib/format.js";

const SIDES = ["left", "right", "top", "bottom"];
const RATIOS = ["1:1", "4:3", "3:2", "16:9", "3:4", "2:3", "9:16"];
const open = (model) => docOf(model, () => new PictureDoc(model));

/** Ground that is still to be painted. */
function hatch(g, box, ground, ink, ratio) {
  g.fillStyle = ground;
  g.fillRect(...box);
  g.save();
  g.beginPath();
  g.rect(...box);
  g.clip();
  g.strokeStyle = ink;
  g.globalAlpha = 0.28;
  g.lineWidth = ratio;
  g.beginPath();
  const gap = 9 * ratio;
  for (let k = -box[3]; k < box[2]; k += gap) {
    g.moveTo(box[0] + k, box[1] + box[3]);
    g.lineTo(box[0] + k + box[3], box[1]);
  }
  g.stroke();
  g.restore();
}

function render({ model, el }) {
  const ctx = frame({ model, el }, "outpaint");
  const doc = open(model);
  const sides = () => Object.fromEntries(SIDES.map((name) => [name, ctx.get(name) ?? 0]));
  const snap = () => ctx.get("snap") ?? 8;
  const outer = () => {
    const { left, right, top, bottom } = sides();
    return { x: -left, y: -top, w: (doc.width || 4) + left + right, h: (doc.height || 3) + top + bottom };
  };
  const other = { left: "right", right: "left", top: "bottom", bottom: "top" };
  /** The side at a length that fits. */
  const fitted = (name, value, now) => snapSide(value, (name === "left" || name === "right" ? doc.width : doc.height) + now[other[name]], snap());

  let base = null; // the sides when the drag began
  const pushSlowly = slowPush(ctx);
  const change = (values, slowly = false) => {
    if (slowly) pushSlowly(values);
    else ctx.push(values);
  };
  /** The sides that a handle moves, with how far outwards. */
  const moved = (handle, dx, dy) => {
    const out = {};
    if (handle.includes("w")) out.left = -dx;
    if (handle.includes("e")) out.right = dx;
    if (handle.includes("n")) out.top = -dy;
    if (handle.includes("s")) out.bottom = dy;
    return out;
  };

  function paint(g, view, ratio, dirty) {
    const css = getComputedStyle(ctx.root);
    const color = (name) => css.getPropertyValue(name);
    const s = view.scale * ratio;
    let box;
    const at = drawPicture(g, doc, color("--ra-sunken"), view, ratio, dirty, (place) => {
      box = place(outer());
      hatch(g, box, color("--ra-accent-soft"), color("--ra-accent"), ratio);
    });
    if (!at) return;
    g.strokeStyle = color("--ra-accent");
    g.lineWidth = 2 * ratio;
    g.strokeRect(...box);
    // how much on each side
    g.font = `${12 * ratio}px ${color("--ra-mono")}`;
    g.textAlign = "center";
    g.textBaseline = "middle";
    const { left, right, top, bottom } = sides();
    const label = (value, x, y, room) => {
      if (!value || room * s < 30 * ratio) return;
      const text = `+${value}`;
      const w = g.measureText(text).width + 10 * ratio;
      const [px, py] = [x * s + view.x * ratio, y * s + view.y * ratio];
      g.fillStyle = color("--ra-surface");
      g.fillRect(px - w / 2, py - 9 * ratio, w, 18 * ratio);
      g.fillStyle = color("--ra-ink");
      g.fillText(text, px, py);
    };
    label(left, -left / 2, doc.height / 2, left);
    label(right, doc.width + right / 2, doc.height / 2, right);
    label(top, doc.width / 2, -top / 2, top * 2);
    label(bottom, doc.width / 2, doc.height + bottom / 2, bottom * 2);
  }

  const margin = ([across, down]) => Math.min(across, down) * 0.16;
  const board = surface(ctx, { box: outer, paint, moved: () => handles.place(outer()), start: (p) => (drag = p), move: (points) => pan(points.at(-1)), end: () => (drag = null), cancel: () => (drag = null) }, { margin, key: "outpaint.canvas" });
  let drag = null; // on the picture itself: it moves in its window
  const pan = (p) => {
    if (!drag) return;
    board.pan(p.wx - drag.wx, p.wy - drag.wy);
    drag = p;
  };
  const word = { w: ["left"], e: ["right"], n: ["top"], s: ["bottom"] };
  const handles = frameHandles(ctx, board, {
    label: (handle) => [...handle].map((letter) => ctx.t(word[letter][0])).join(" · "),
    start: () => {
      base = sides();
    },
    drag: (handle, dx, dy, event) => {
      const values = {};
      for (const [name, by] of Object.entries(moved(handle, dx, dy))) {
        values[name] = fitted(name, base[name] + by, { ...base, ...(event.altKey ? { [other[name]]: 0 } : {}) });
        // with the Alt key both sides at once
        if (event.altKey) values[other[name]] = fitted(other[name], base[name] + by, { ...base, ...values });
      }
      change(values, true);
    },
    end: () => {
      pushSlowly.flush();
      base = null;
      board.fit();
    },
    nudge: (handle, dx, dy) => {
      const now = sides();
      const values = {};
      for (const [name, by] of Object.entries(moved(handle, dx, dy))) if (by) values[name] = nudged(name, Math.sign(by), now);
      change(values);
      board.fit();
    },
  });
  /** One step of the grid more or less. */
  const nudged = (name, sign, now) => {
    const step = snap();
    const next = fitted(name, now[name] + sign * step, now);
    if (next !== now[name]) return next;
    return sign < 0 ? 0 : now[name];
  };

  // -- the bar -------------------------------------------------------------------------------------------------------
  const numbers = h("div", { class: "ra-sides" }, SIDES.map((name) => lineNumber(ctx, name, `side.${name}`, { min: 0, max: 2048, step: 8, digits: 0 })));
  const snapBox = h("select", { class: "ra-input" }, [8, 64].map((step) => h("option", { value: step, text: `${step} px` })));
  snapBox.addEventListener("change", () => {
    ctx.push({ snap: Number(snapBox.value) });
    const now = sides();
    const values = {};
    for (const name of SIDES) values[name] = now[name] = fitted(name, now[name], now);
    change(values);
    board.fit();
  });
  ctx.say(snapBox, { "aria-label": "snap", title: "snap" });
  const ratioBox = h("select", { class: "ra-input" });
  ctx.say(ratioBox, { "aria-label": "outpaint.ratio", title: "outpaint.ratio" });
  ctx.onTexts(() => ratioBox.replaceChildren(h("option", { value: "", text: ctx.t("outpaint.ratio") }), ...RATIOS.map((r) => h("option", { value: r, text: r }))));
  ratioBox.addEventListener("change", () => {
    if (!ratioBox.value || !doc.ready) return;
    const [a, b] = ratioBox.value.split(":").map(Number);
    change(sidesForRatio(doc.width, doc.height, a / b, snap()));
    ratioBox.value = "";
    board.fit();
  });
  const all = () => {
    const now = sides();
    const values = {};
    for (const name of SIDES) values[name] = now[name] = fitted(name, now[name] + 64, now);
    change(values);
    board.fit();
  };
  const none = () => {
    change(Object.fromEntries(SIDES.map((name) => [name, 0])));
    board.fit();
  };
  const wrap = (node) => h("div", { class: "ra-select" }, node, icon("down"));
  const allButton = ctx.button("ra-action ra-all-sides", "outpaint.all", all);
  const bar = h("div", { class: "ra-toolbar ra-frame-bar", role: "toolbar" }, numbers, wrap(snapBox), wrap(ratioBox), allButton, tool(ctx, "none", "undo", "outpaint.none", "", none));
  const facts = h("span", { class: "ra-facts" });
  const memory = h("span", { class: "ra-memory" });
  const empty = h("p", { class: "ra-easel-empty" }, ctx.text("mask.empty"));
  board.node.append(empty);
  const showFacts = () => {
    empty.hidden = Boolean(doc.width);
    snapBox.value = String(snap());
    handles.buttons.forEach((node) => {
      node.hidden = !doc.width;
    });
    if (!doc.width) {
      facts.textContent = memory.textContent = "";
      return;
    }
    const { w, h: high } = outer();
    facts.textContent = ctx.t("outpaint.facts", { width: doc.width, height: doc.height, wide: w, high });
    ctx.root.dataset.final = `${w}x${high}`;
    const need = ctx.get("_memory");
    const free = ctx.get("_free");
    memory.textContent = need ? ctx.t(free ? "outpaint.memory_of" : "outpaint.memory", { need: bytes(need), free: bytes(free) }) : "";
    memory.toggleAttribute("data-much", Boolean(need && free && need > free));
  };
  ctx.watch("left right top bottom snap _memory _free texts", () => {
    showFacts();
    // while a drag goes on, the view stands still; otherwise the whole frame is shown
    if (!base && doc.ready && board.fitted) board.fit();
    handles.place(outer());
    board.redraw();
  });
  const status = h("div", { class: "ra-status" }, h("span", { class: "ra-hint" }, ctx.text("outpaint.hint")), memory, facts);
  return settleFrame(ctx, doc, board, [bar, board.box, status], showFacts);
}

export default canvasWidget(open, render);
