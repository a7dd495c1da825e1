/** The sketch: colour on a picture, as the beginning of another. */
import { bench, brushLines, firstDrawing, follow, putOverlay, undoTools } from "./lib/canvas-bench.js";
import { showState } from "./lib/canvas-brush.js";
import { hexOf, layStroke, over, rgbOf } from "./lib/canvas-color.js";
import { RasterDoc } from "./lib/canvas-doc.js";
import { docOf } from "./lib/canvas-picture.js";
import { encodePng } from "./lib/canvas-png.js";
import { alike, boxOf, fillBox, fillPolygon, fillRegion, polygonBox } from "./lib/canvas-raster.js";
import { shapePainter } from "./lib/canvas-shapes.js";
import { strokePainter } from "./lib/canvas-strokes.js";
import { surface } from "./lib/canvas-surface.js";
import { choice, download, lineSlider, tool } from "./lib/canvas-tools.js";
import { outward } from "./lib/canvas-view.js";
import { canvasWidget, settle } from "./lib/canvas-widget.js";
import { frame, h } from "./lib/dom.js";

const TOOLS = [
  ["brush", "brush", "mask.brush", "B"],
  ["eraser", "eraser", "mask.eraser", "E"],
  ["lasso", "lasso", "sketch.lasso", "L"],
  ["rectangle", "rect", "sketch.rectangle", "R"],
  ["fill", "bucket", "mask.fill", "G"],
  ["pick", "pipette", "sketch.pick", "I"],
];
const open = (model) => docOf(model, () => new RasterDoc(model, 4));

function render({ model, el }) {
  const ctx = frame({ model, el }, "sketch");
  const doc = open(model);
  let cover = null; // how much a stroke covers of each pixel; all zeros between strokes
  let ink = { rgb: [0, 0, 0], opacity: 1, erase: false };
  const covered = () => {
    if (cover?.length !== doc.width * doc.height) cover = new Uint8Array(doc.width * doc.height);
    return cover;
  };
  const wipe = (rect) => fillBox(cover, doc.width, rect, 0);
  const inkNow = (erase) => ({ rgb: rgbOf(ctx.get("color")), opacity: ctx.get("opacity") / 100, erase });

  // -- drawing the window --------------------------------------------------------------------------------------------
  const copyInto = (image, rect) => {
    for (let y = 0; y < rect.h; y += 1) {
      const at = ((rect.y + y) * doc.width + rect.x) * 4;
      image.data.set(doc.data.subarray(at, at + rect.w * 4), y * rect.w * 4);
    }
  };
  const showPart = (rect) => putOverlay(doc, rect, copyInto);
  function paint(g, view, ratio, dirty) {
    g.fillStyle = getComputedStyle(ctx.root).getPropertyValue("--ra-sunken");
    g.fillRect(dirty.x, dirty.y, dirty.w, dirty.h);
    if (!doc.ready) return;
    const [x, y] = [Math.round(view.x * ratio), Math.round(view.y * ratio)];
    const [w, hgt] = [doc.width * view.scale * ratio, doc.height * view.scale * ratio];
    g.fillStyle = "white";
    g.fillRect(x, y, w, hgt);
    doc.picture.draw(g, x, y, w, hgt);
    g.imageSmoothingEnabled = view.scale * ratio < 2;
    g.drawImage(doc.overlay, x, y, w, hgt);
    shapes.draw(g, view, ratio);
  }
  const repaintAll = () => {
    if (doc.ready) showPart(doc.everything);
    board.redraw();
  };

  // -- tools ---------------------------------------------------------------------------------------------------------
  const strokes = strokePainter(doc, {
    radius: () => ctx.get("brush") / 2,
    softness: () => ctx.get("softness") / 100,
    pressure: () => ctx.get("pressure"),
    cover: covered,
    lay: (rect) => layStroke(doc.history, rect, cover, ink),
    lifted: wipe,
    changed: (rect) => doc.tell("changed", rect),
  });
  /** One step that colours what `draw(cover)` covers inside `rect`. */
  const lay = (rect, erase, draw) => {
    ink = inkNow(erase);
    doc.step(rect, () => {
      draw(covered());
      layStroke(doc.history, rect, cover, ink);
    });
    wipe(rect);
  };
  const shapes = shapePainter(doc, () => board, (kind, points, erase) => {
    const rect = kind === "rectangle" ? boxOf(doc.width, doc.height, points[0], points.at(-1)) : polygonBox(doc.width, doc.height, points);
    if (!rect) return;
    lay(rect, erase, (data) => (kind === "rectangle" ? fillBox(data, doc.width, rect, 255) : fillPolygon(data, doc.width, doc.height, points)));
  });
  const pixels = () => {
    doc.pixels ??= doc.picturePixels();
    return doc.pixels;
  };
  const inside = (p) => p.x >= 0 && p.y >= 0 && p.x < doc.width && p.y < doc.height;
  const pickAt = (p) => {
    if (!inside(p)) return;
    const i = (Math.floor(p.y) * doc.width + Math.floor(p.x)) * 4;
    const found = over(doc.data.subarray(i, i + 4), pixels().subarray(i, i + 4));
    setColor(hexOf([...found.subarray(0, 3)]));
  };
  const fillAt = (p) => {
    if (!inside(p)) return;
    const found = alike(over(doc.data, pixels()), doc.width, doc.height, Math.floor(p.x), Math.floor(p.y), ctx.get("tolerance"));
    if (found) lay(found.rect, p.erase, (data) => fillRegion(data, doc.width, found, 255));
  };
  function start(p) {
    if (!doc.ready) return;
    const kind = ctx.get("tool");
    // the Alt key picks a colour, whatever the tool
    if (kind === "pick" || p.alt) pickAt(p);
    else if (kind === "fill") fillAt(p);
    else if (kind === "brush" || kind === "eraser") {
      ink = inkNow(kind === "eraser" || p.erase);
      strokes.start(p, ink.erase);
    } else shapes.start(kind, p, p.erase);
  }
  const clear = () => doc.step(doc.everything, (data) => data.fill(0));
  const { kit, cancel, parts } = bench(ctx, doc, () => board, { tools: TOOLS, strokes, shapes, start, single: ["fill", "pick"], keys: { x: () => swap() }, clear });
  const board = surface(ctx, { ...parts, paint, moved: kit.ring }, { key: "sketch.canvas" });

  // -- the bar of tools ----------------------------------------------------------------------------------------------
  const tools = choice(ctx, "tool", TOOLS, "tool");
  const { undo, redo } = undoTools(ctx, doc);
  const save = (button) => {
    if (!doc.ready) return;
    download(encodePng(over(doc.data, pixels()), doc.width, 4, doc.everything), "sketch.png", "image/png", button);
  };
  const color = ctx.say(h("input", { type: "color", class: "ra-color" }), { "aria-label": "color", title: "color" });
  let before = "#ffffff"; // the colour that "swap" goes back to
  const setColor = (value) => {
    if (value !== ctx.get("color")) before = ctx.get("color");
    ctx.push({ color: value });
  };
  const swap = () => setColor(before);
  color.addEventListener("change", () => setColor(color.value));
  const swatches = h("div", { class: "ra-swatches", role: "group" });
  ctx.say(swatches, { "aria-label": "sketch.palette" });
  ctx.watch("palette", () => {
    swatches.replaceChildren(
      ...(ctx.get("palette") ?? []).map((value) => {
        const node = h("button", { type: "button", class: "ra-swatch", "data-color": value, title: value, "aria-label": value });
        node.style.setProperty("background", value);
        node.addEventListener("click", () => {
          setColor(value);
          if (["eraser", "pick"].includes(ctx.get("tool"))) ctx.push({ tool: "brush" });
        });
        return node;
      }),
    );
  });
  ctx.watch("color palette", () => {
    color.value = ctx.get("color");
    for (const node of swatches.children) node.setAttribute("aria-pressed", String(node.dataset.color === ctx.get("color")));
  });
  const bar = h(
    "div",
    { class: "ra-toolbar", role: "toolbar" },
    tools,
    h("div", { class: "ra-tools" }, undo, redo, tool(ctx, "clear", "trash", "mask.clear", "Delete", clear)),
    h("div", { class: "ra-tools ra-colors" }, color, tool(ctx, "swap-color", "swap", "sketch.swap", "X", () => swap()), swatches),
    h("div", { class: "ra-tools ra-tools-end" }, tool(ctx, "save-sketch", "save", "sketch.save", "", save)),
  );
  board.serve(bar);
  const lines = brushLines(ctx);
  const { brushLine, softLine } = lines;
  const opacityLine = lineSlider(ctx, "opacity", "opacity", { min: 1, max: 100, digits: 0 });
  const toleranceLine = lineSlider(ctx, "tolerance", "tolerance", { min: 0, max: 255, soft: 128, digits: 0 });
  const options = h("div", { class: "ra-options" }, brushLine, softLine, toleranceLine, opacityLine);
  const hint = h("span", { class: "ra-hint" });
  const facts = h("span", { class: "ra-facts" });
  const empty = h("p", { class: "ra-easel-empty" }, ctx.text("mask.empty"));
  board.node.append(empty);
  ctx.watch("tool texts", () => {
    const kind = ctx.get("tool");
    lines.show();
    toleranceLine.hidden = kind !== "fill";
    options.hidden = kind === "pick";
    hint.textContent = ctx.t(`sketch.hint.${kind}`);
    cancel();
    kit.ring();
  });
  const showFacts = () => {
    showState(ctx, doc, { undo, redo, brushLine });
    empty.hidden = Boolean(doc.width);
    facts.textContent = doc.width ? `${doc.width}×${doc.height}` : "";
  };
  const changed = (rect) => {
    showPart(rect);
    board.redrawPart(outward(rect, 1 + 2 / board.view.scale));
  };
  const deaf = follow(ctx, doc, board, { kit, cancel, changed, repaint: repaintAll, facts: showFacts, skin: () => board.redraw() });
  const status = h("div", { class: "ra-status" }, hint, facts);
  return settle(ctx, board, [bar, options, board.box, status], firstDrawing(doc, board, repaintAll, showFacts), [deaf]);
}

export default canvasWidget(open, render);
