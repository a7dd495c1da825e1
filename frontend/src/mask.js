/** The mask painter: what is painted is what will be made anew. */
import { Ants } from "./lib/canvas-ants.js";
import { bench, brushLines, firstDrawing, follow, putOverlay, undoTools } from "./lib/canvas-bench.js";
import { showState } from "./lib/canvas-brush.js";
import { RasterDoc } from "./lib/canvas-doc.js";
import { decodePixels, docOf } from "./lib/canvas-picture.js";
import { encodePng } from "./lib/canvas-png.js";
import { strokePainter } from "./lib/canvas-strokes.js";
import { alike, boxOf, enclosed, feather, fillBox, fillPolygon, fillRegion, invert, polygonBox } from "./lib/canvas-raster.js";
import { shapePainter } from "./lib/canvas-shapes.js";
import { surface } from "./lib/canvas-surface.js";
import { choice, download, dropTarget, filePicker, lineSlider, skinColor, tool } from "./lib/canvas-tools.js";
import { outward } from "./lib/canvas-view.js";
import { canvasWidget, settle } from "./lib/canvas-widget.js";
import { frame, h, icon } from "./lib/dom.js";
import { clamp } from "./lib/format.js";

const LARGEST_FILE = 64 * 2 ** 20;
const TOOLS = [
  ["brush", "brush", "mask.brush", "B"],
  ["eraser", "eraser", "mask.eraser", "E"],
  ["lasso", "lasso", "mask.lasso", "L"],
  ["rectangle", "rect", "mask.rectangle", "R"],
  ["fill", "bucket", "mask.fill", "G"],
  ["segment", "wand", "mask.segment", "W"],
];
const VIEWS = ["overlay", "edge", "mask"];

const open = (model) => docOf(model, () => new RasterDoc(model, 1));

function render({ model, el }) {
  const ctx = frame({ model, el }, "mask");
  const doc = open(model);
  const ants = new Ants();
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  // -- drawing the window --------------------------------------------------------------------------------------------
  let tint = [194, 64, 45];
  const tintInto = (image, rect) => {
    const words = new Uint32Array(image.data.buffer);
    const white = ctx.get("view") === "mask";
    const [r, g, b] = white ? [255, 255, 255] : tint;
    const color = (b << 16) | (g << 8) | r;
    const table = Uint32Array.from({ length: 256 }, (_, v) => ((Math.round(v * (white ? 1 : 0.55)) << 24) | color) >>> 0);
    for (let y = 0, k = 0; y < rect.h; y += 1) {
      for (let x = 0, i = (rect.y + y) * doc.width + rect.x; x < rect.w; x += 1, i += 1, k += 1) words[k] = table[doc.data[i]];
    }
  };
  const tintPart = (rect) => putOverlay(doc, rect, tintInto);
  const antsPart = (rect) => {
    ants.resize(Math.round(board.window[0]), Math.round(board.window[1]));
    if (doc.ready && ctx.get("view") !== "mask") ants.update(rect, board.view, doc.data, doc.width, doc.height);
  };
  const windowRect = (rect) => {
    const { scale, x, y } = board.view;
    return outward({ x: rect.x * scale + x, y: rect.y * scale + y, w: rect.w * scale, h: rect.h * scale }, 2);
  };

  function paint(g, view, ratio, dirty) {
    const root = getComputedStyle(ctx.root);
    g.fillStyle = root.getPropertyValue("--ra-sunken");
    g.fillRect(dirty.x, dirty.y, dirty.w, dirty.h);
    if (!doc.ready) return;
    const [x, y] = [Math.round(view.x * ratio), Math.round(view.y * ratio)];
    const [w, hgt] = [doc.width * view.scale * ratio, doc.height * view.scale * ratio];
    const kind = ctx.get("view");
    if (kind === "mask") {
      g.fillStyle = "black";
      g.fillRect(x, y, w, hgt);
    } else doc.picture.draw(g, x, y, w, hgt);
    if (kind !== "edge") {
      g.imageSmoothingEnabled = view.scale * ratio < 2;
      g.drawImage(doc.overlay, x, y, w, hgt);
    }
    if (kind !== "mask") {
      g.imageSmoothingEnabled = false;
      g.drawImage(ants.canvas, 0, 0, ants.canvas.width * ratio, ants.canvas.height * ratio);
    }
    shapes.draw(g, view, ratio);
  }

  const changed = (rect) => {
    if (!rect) return;
    tintPart(rect);
    antsPart(windowRect(rect));
    board.redrawPart(outward(rect, 1 + 2 / board.view.scale));
  };
  const repaintAll = () => {
    if (doc.ready) tintPart(doc.everything);
    antsPart({ x: 0, y: 0, w: board.window[0], h: board.window[1] });
    board.redraw();
  };

  // -- tools ---------------------------------------------------------------------------------------------------------
  const strokes = strokePainter(doc, {
    radius: () => ctx.get("brush") / 2,
    softness: () => ctx.get("softness") / 100,
    pressure: () => ctx.get("pressure"),
    changed: (rect) => doc.tell("changed", rect),
  });
  const shapes = shapePainter(doc, () => board, (kind, points, erase) => {
    const box = kind === "rectangle" ? boxOf(doc.width, doc.height, points[0], points[1]) : polygonBox(doc.width, doc.height, points);
    if (!box) return;
    doc.step(box, (data) => {
      if (kind === "rectangle") fillBox(data, doc.width, box, erase ? 0 : 255);
      else fillPolygon(data, doc.width, doc.height, points, erase);
    });
  });
  const takesAway = (p) => p.erase || p.alt;
  const fillAt = (p) => {
    const [x, y] = [Math.floor(p.x), Math.floor(p.y)];
    if (x < 0 || y < 0 || x >= doc.width || y >= doc.height) return;
    const erase = takesAway(p);
    let found;
    if (ctx.get("fill_by") === "color") {
      doc.pixels ??= doc.picturePixels();
      found = alike(doc.pixels, doc.width, doc.height, x, y, ctx.get("tolerance"));
    } else found = enclosed(doc.data, doc.width, doc.height, x, y, erase);
    if (found) doc.step(found.rect, (data) => fillRegion(data, doc.width, found, erase ? 0 : 255));
  };

  function start(p) {
    if (!doc.ready) return;
    const kind = ctx.get("tool");
    if (kind === "brush" || kind === "eraser") strokes.start(p, kind === "eraser" || p.erase || (p.alt && kind === "brush"));
    else if (kind === "lasso" || kind === "rectangle") shapes.start(kind, p, takesAway(p));
    else if (kind === "fill") fillAt(p);
    else if (kind === "segment" && !ctx.get("_busy")) {
      ctx.send({ type: "segment", x: Math.floor(p.x), y: Math.floor(p.y), erase: takesAway(p) });
    }
  }
  const nextView = () => ctx.push({ view: VIEWS[(VIEWS.indexOf(ctx.get("view")) + 1) % VIEWS.length] });
  const act = {
    invert: () => doc.step(doc.everything, (data) => invert(data)),
    clear: () => doc.step(doc.everything, (data) => data.fill(0)),
    feather: () => doc.step(doc.everything, (data) => feather(data, doc.width, doc.height, ctx.get("feather_by"))),
    save: (button) => doc.ready && download(encodePng(doc.data, doc.width, 1, doc.everything), "mask.png", "image/png", button),
  };
  const { kit, cancel, parts } = bench(ctx, doc, () => board, {
    tools: TOOLS,
    strokes,
    shapes,
    start,
    single: ["fill", "segment"],
    may: (name) => name !== "segment" || ctx.get("_segments"),
    keys: { i: act.invert, f: act.feather, v: nextView },
    clear: act.clear,
  });
  const load = async (file) => {
    if (!doc.ready) return;
    try {
      if (file.size > LARGEST_FILE) throw new Error("too large");
      const { data: rgba } = await decodePixels(file, doc.width, doc.height);
      // a drawing on nothing: its opacity is the mask
      let drawn = false;
      for (let k = 3; k < rgba.length && !drawn; k += 4) drawn = rgba[k] < 255;
      doc.step(doc.everything, (data) => {
        for (let i = 0, k = 0; i < data.length; i += 1, k += 4) {
          data[i] = drawn ? rgba[k + 3] : Math.round(0.299 * rgba[k] + 0.587 * rgba[k + 1] + 0.114 * rgba[k + 2]);
        }
      });
    } catch {
      model.set("_error", ctx.t("mask.bad_file", { name: file.name }));
    }
  };

  const moved = () => {
    antsPart({ x: 0, y: 0, w: board.window[0], h: board.window[1] });
    kit.ring();
  };
  const board = surface(ctx, { ...parts, paint, moved }, { key: "mask.canvas" });

  // -- the bar of tools ----------------------------------------------------------------------------------------------
  const picker = filePicker(load);
  dropTarget(board.node, load);
  const tools = choice(ctx, "tool", TOOLS, "tool");
  const { undo, redo } = undoTools(ctx, doc);
  const view = tool(ctx, "view", "eye", "view", "V", nextView);
  const viewName = h("span", { class: "ra-view-name" });
  view.append(viewName);
  const featherBy = h("input", { class: "ra-input ra-number", type: "number", min: 1, max: 256, step: 1 });
  ctx.say(featherBy, { title: "feather_by", "aria-label": "feather_by" });
  featherBy.addEventListener("change", () => ctx.push({ feather_by: clamp(Number(featherBy.value) || 8, 1, 256) }));
  ctx.watch("feather_by", () => {
    featherBy.value = ctx.get("feather_by");
  });
  const bar = h(
    "div",
    { class: "ra-toolbar", role: "toolbar" },
    tools,
    h("div", { class: "ra-tools" }, undo, redo),
    h(
      "div",
      { class: "ra-tools" },
      tool(ctx, "invert", "invert", "mask.invert", "I", act.invert),
      tool(ctx, "clear", "trash", "mask.clear", "Delete", act.clear),
      tool(ctx, "feather", "feather", "mask.feather", "F", act.feather),
      featherBy,
    ),
    h("div", { class: "ra-tools" }, view),
    h("div", { class: "ra-tools ra-tools-end" }, tool(ctx, "load-mask", "open", "mask.load", "", picker.pick), tool(ctx, "save-mask", "save", "mask.save", "", act.save)),
    picker.input,
  );
  board.serve(bar);
  const lines = brushLines(ctx);
  const { brushLine, softLine } = lines;
  const fillBy = h("select", { class: "ra-input" }, h("option", { value: "edge" }, ctx.text("mask.fill.edge")), h("option", { value: "color" }, ctx.text("mask.fill.color")));
  ctx.say(fillBy, { "aria-label": "fill_by", title: "fill_by" });
  fillBy.addEventListener("change", () => ctx.push({ fill_by: fillBy.value }));
  const fillLine = h("div", { class: "ra-line" }, h("span", { class: "ra-line-word" }, ctx.text("fill_by")), h("div", { class: "ra-select" }, fillBy, icon("down")));
  const toleranceLine = lineSlider(ctx, "tolerance", "tolerance", { min: 0, max: 255, soft: 128, digits: 0 });
  const options = h("div", { class: "ra-options" }, brushLine, softLine, fillLine, toleranceLine);
  const hint = h("span", { class: "ra-hint" });
  const facts = h("span", { class: "ra-facts" });
  const status = h("div", { class: "ra-status" }, hint, facts);
  const empty = h("p", { class: "ra-easel-empty" }, ctx.text("mask.empty"));
  board.node.append(empty);

  ctx.watch("tool fill_by texts", () => {
    const kind = ctx.get("tool");
    const brush = lines.show();
    fillLine.hidden = kind !== "fill";
    toleranceLine.hidden = kind !== "fill" || ctx.get("fill_by") !== "color";
    fillBy.value = ctx.get("fill_by");
    options.hidden = !brush && kind !== "fill";
    hint.textContent = ctx.t(`mask.hint.${kind}`);
    cancel();
    kit.ring();
  });
  ctx.watch("view texts", () => {
    viewName.textContent = ctx.t(`mask.view.${ctx.get("view")}`);
    repaintAll();
  });
  ctx.watch("_segments", () => {
    tools.querySelector(".ra-tool-segment").hidden = !ctx.get("_segments");
  });
  ctx.watch("_busy", () => board.node.toggleAttribute("data-busy", Boolean(ctx.get("_busy"))));
  const showFacts = () => {
    showState(ctx, doc, { undo, redo, brushLine });
    empty.hidden = Boolean(doc.width);
    const percent = doc.painted > 0 && doc.painted < 0.001 ? "<0.1" : (doc.painted * 100).toFixed(1);
    facts.textContent = doc.width ? ctx.t("mask.facts", { percent, width: doc.width, height: doc.height }) : "";
    ctx.root.dataset.painted = doc.painted.toFixed(6);
  };
  const takeTint = () => {
    tint = skinColor(ctx.root, "--ra-accent");
  };
  const skin = () => {
    takeTint();
    repaintAll();
  };
  const deaf = follow(ctx, doc, board, { kit, cancel, changed, repaint: repaintAll, facts: showFacts, skin });

  const timer = setInterval(() => {
    if (still.matches || document.hidden || !doc.painted || ctx.get("view") === "mask" || strokes.active || !board.node.clientWidth) return;
    board.redrawWindow(ants.march());
  }, 140);

  const draw = firstDrawing(doc, board, repaintAll, showFacts);
  const first = () => {
    takeTint();
    draw();
  };
  return settle(ctx, board, [bar, options, board.box, status], first, [() => clearInterval(timer), deaf]);
}

export default canvasWidget(open, render);
