/** Crop and resize: a frame on a picture, its shape, and the size of the result. */
import { boxOfRatio, dragBox, frameHandles } from "./lib/canvas-frame.js";
import { PictureDoc, docOf } from "./lib/canvas-picture.js";
import { surface } from "./lib/canvas-surface.js";
import { slowPush, tool } from "./lib/canvas-tools.js";
import { outward, union } from "./lib/canvas-view.js";
import { canvasWidget, drawPicture, settleFrame } from "./lib/canvas-widget.js";
import { frame, h, icon, numberInput } from "./lib/dom.js";
import { clamp } from "./lib/format.js";

const RATIOS = ["free", "original", "1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16"];
const open = (model) => docOf(model, () => new PictureDoc(model));

function render({ model, el }) {
  const ctx = frame({ model, el }, "crop");
  const doc = open(model);
  const size = () => [doc.width || 4, doc.height || 3];
  const box = () => {
    const [left, top, right, bottom] = ctx.get("_box") ?? [];
    return right > left && bottom > top ? { x: left, y: top, w: right - left, h: bottom - top } : { x: 0, y: 0, w: size()[0], h: size()[1] };
  };
  /** Width / height that the frame keeps; 0: any. A result of a given width and height decides it. */
  const ratio = () => {
    const [w, hgt] = [ctx.get("width"), ctx.get("height")];
    if (w && hgt) return w / hgt;
    const name = ctx.get("ratio");
    if (name === "free") return 0;
    if (name === "original") return size()[0] / size()[1];
    const [a, b] = name.split(":").map(Number);
    return a / b;
  };
  const pushSlowly = slowPush(ctx);
  const setBox = (next, slowly = false) => {
    const values = { _box: [next.x, next.y, next.x + next.w, next.y + next.h] };
    if (slowly) pushSlowly(values);
    else ctx.push(values);
  };

  function paint(g, view, ratio_, dirty) {
    const css = getComputedStyle(ctx.root);
    const at = drawPicture(g, doc, css.getPropertyValue("--ra-sunken"), view, ratio_, dirty);
    if (!at) return;
    const picture = at({ x: 0, y: 0, w: doc.width, h: doc.height });
    const [x, y, w, hgt] = at(box());
    // what is cut off
    g.fillStyle = "rgb(0 0 0 / 55%)";
    g.beginPath();
    g.rect(...picture);
    g.rect(x, y, w, hgt);
    g.fill("evenodd");
    g.lineWidth = ratio_;
    g.strokeStyle = "rgb(255 255 255 / 45%)";
    g.beginPath();
    for (const k of [1 / 3, 2 / 3]) {
      g.moveTo(x + w * k, y);
      g.lineTo(x + w * k, y + hgt);
      g.moveTo(x, y + hgt * k);
      g.lineTo(x + w, y + hgt * k);
    }
    g.stroke();
    g.strokeStyle = "white";
    g.lineWidth = 2 * ratio_;
    g.strokeRect(x, y, w, hgt);
  }

  // -- the hand ------------------------------------------------------------------------------------------------------
  let drag = null; // {kind: "move" | "new", from, box}
  const start = (p) => {
    if (!doc.ready) return;
    const now = box();
    const inside = p.x >= now.x && p.x < now.x + now.w && p.y >= now.y && p.y < now.y + now.h;
    const all = now.w === doc.width && now.h === doc.height;
    drag = { kind: inside && !all ? "move" : "new", from: p, box: now };
  };
  const moveTo = (before, dx, dy) => {
    const [w, hgt] = size();
    return { ...before, x: Math.round(clamp(before.x + dx, 0, w - before.w)), y: Math.round(clamp(before.y + dy, 0, hgt - before.h)) };
  };
  const move = (points) => {
    if (!drag) return;
    const p = points.at(-1);
    if (drag.kind === "move") setBox(moveTo(drag.box, p.x - drag.from.x, p.y - drag.from.y), true);
    else if (Math.hypot(p.wx - drag.from.wx, p.wy - drag.from.wy) > 4) {
      const [w, hgt] = size();
      const corner = { x: clamp(Math.round(drag.from.x), 0, w), y: clamp(Math.round(drag.from.y), 0, hgt), w: 0, h: 0 };
      const [right, down] = [p.x >= drag.from.x, p.y >= drag.from.y];
      const handle = `${down ? "s" : "n"}${right ? "e" : "w"}`;
      setBox(dragBox(corner, handle, p.x - drag.from.x, p.y - drag.from.y, size(), ratio()), true);
    }
  };
  const end = () => {
    drag = null;
    pushSlowly.flush();
  };
  const cancel = () => {
    if (drag) setBox(drag.box);
    drag = null;
  };
  function key(event) {
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (arrow && doc.ready && event.target === board.canvas) {
      const step = event.shiftKey ? 1 : 8;
      setBox(moveTo(box(), arrow[0] * step, arrow[1] * step));
    } else if (event.key === "Escape" && drag) cancel();
    else return false;
    return true;
  }
  const board = surface(ctx, { box: () => ({ x: 0, y: 0, w: size()[0], h: size()[1] }), paint, start, move, end, cancel, key, moved: () => handles.place(box()) }, { key: "crop.canvas", margin: () => 14 });
  let base = null;
  const word = { w: "left", e: "right", n: "top", s: "bottom" };
  const handles = frameHandles(ctx, board, {
    label: (handle) => [...handle].map((letter) => ctx.t(word[letter])).join(" · "),
    start: () => {
      base = box();
    },
    drag: (handle, dx, dy) => setBox(dragBox(base, handle, dx, dy, size(), ratio()), true),
    end: () => pushSlowly.flush(),
    nudge: (handle, dx, dy, event) => {
      const step = event.shiftKey ? 1 : 8;
      setBox(dragBox(box(), handle, dx * step, dy * step, size(), ratio()));
    },
  });

  // -- the bar -------------------------------------------------------------------------------------------------------
  const ratioBox = h("select", { class: "ra-input" });
  ctx.say(ratioBox, { "aria-label": "ratio", title: "ratio" });
  ctx.onTexts(() => ratioBox.replaceChildren(...RATIOS.map((r) => h("option", { value: r, text: r.includes(":") ? r : ctx.t(`crop.ratio.${r}`) }))));
  ratioBox.addEventListener("change", () => {
    ctx.push({ ratio: ratioBox.value });
    if (ratio()) setBox(boxOfRatio(box(), ratio(), size()));
  });
  const options = { min: 8, max: 8192, step: 8, nullable: true, digits: 0 };
  const width = ctx.say(numberInput(ctx, "width", options), { "aria-label": "width", title: "width" });
  const height = ctx.say(numberInput(ctx, "height", options), { "aria-label": "height", title: "height" });
  for (const input of [width, height]) {
    input.addEventListener("change", () => {
      const shape = ratio();
      const now = box();
      if (shape && Math.abs(now.w / now.h - shape) > 0.5 / Math.min(now.w, now.h)) setBox(boxOfRatio(now, shape, size()));
    });
  }
  const all = () => {
    const whole = { x: 0, y: 0, w: size()[0], h: size()[1] };
    setBox(ratio() ? boxOfRatio(whole, ratio(), size()) : whole);
  };
  const bar = h(
    "div",
    { class: "ra-toolbar ra-frame-bar", role: "toolbar" },
    h("div", { class: "ra-line" }, h("span", { class: "ra-line-word" }, ctx.text("ratio")), h("div", { class: "ra-select" }, ratioBox, icon("down"))),
    h("div", { class: "ra-line" }, h("span", { class: "ra-line-word" }, ctx.text("crop.size")), h("div", { class: "ra-pair" }, width, h("span", { class: "ra-times", "aria-hidden": "true", text: "×" }), height)),
    tool(ctx, "all", "zoom", "crop.all", "", all),
  );
  const facts = h("span", { class: "ra-facts" });
  const empty = h("p", { class: "ra-easel-empty" }, ctx.text("mask.empty"));
  board.node.append(empty);
  /** The size of the result, as Python computes it. */
  const result = (now) => {
    const [w, hgt] = [ctx.get("width"), ctx.get("height")];
    if (w && hgt) return [w, hgt];
    if (w) return [w, Math.max(1, Math.round((w * now.h) / now.w))];
    if (hgt) return [Math.max(1, Math.round((hgt * now.w) / now.h)), hgt];
    return [now.w, now.h];
  };
  const show = () => {
    empty.hidden = Boolean(doc.width);
    ratioBox.value = ctx.get("ratio");
    ratioBox.disabled = Boolean(ctx.get("width") && ctx.get("height"));
    handles.buttons.forEach((node) => {
      node.hidden = !doc.width;
    });
    const now = box();
    width.placeholder = String(result(now)[0]);
    height.placeholder = String(result(now)[1]);
    facts.textContent = doc.width ? ctx.t("crop.facts", { x: now.x, y: now.y, wide: now.w, high: now.h, width: result(now)[0], height: result(now)[1] }) : "";
    ctx.root.dataset.box = [now.x, now.y, now.x + now.w, now.y + now.h].join(",");
    handles.place(now);
  };
  let shown = null;
  ctx.watch("_box width height ratio texts", () => {
    show();
    const now = box();
    board.redrawPart(outward(union(shown ?? now, now), 4 / board.view.scale));
    shown = now;
  });
  const status = h("div", { class: "ra-status" }, h("span", { class: "ra-hint" }, ctx.text("crop.hint")), facts);
  return settleFrame(ctx, doc, board, [bar, board.box, status], show);
}

export default canvasWidget(open, render);
