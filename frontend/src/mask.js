/** The mask painter: what is painted is what will be made anew. */
import { Ants } from "./lib/canvas-ants.js";
import { RasterDoc, decodePixels } from "./lib/canvas-doc.js";
import { encodePng } from "./lib/canvas-png.js";
import { strokePainter } from "./lib/canvas-strokes.js";
import { alike, boxOf, enclosed, feather, fillBox, fillPolygon, fillRegion, invert, polygonBox } from "./lib/canvas-raster.js";
import { surface } from "./lib/canvas-surface.js";
import { choice, download, dropTarget, filePicker, lineSlider, skinColor, tool } from "./lib/canvas-tools.js";
import { outward, union } from "./lib/canvas-view.js";
import { frame, h, icon } from "./lib/dom.js";
import { clamp, throttle } from "./lib/format.js";

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

/** The documents of this page by the key of their widget. */
const docs = new Map();

function docOf(model) {
  const key = model.get("_key");
  if (!docs.has(key)) docs.set(key, new RasterDoc(model, 1));
  return docs.get(key);
}

function render({ model, el }) {
  const ctx = frame({ model, el }, "mask");
  const doc = docOf(model);
  const ants = new Ants();
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  let shape = null; // what lasso or rectangle is drawing: {points, erase}

  // -- drawing the window --------------------------------------------------------------------------------------------
  let tint = [194, 64, 45];
  const tintPart = (rect) => {
    if (!rect || !doc.data) return;
    const image = new ImageData(rect.w, rect.h);
    const words = new Uint32Array(image.data.buffer);
    const white = ctx.get("view") === "mask";
    const [r, g, b] = white ? [255, 255, 255] : tint;
    const color = (b << 16) | (g << 8) | r;
    const table = Uint32Array.from({ length: 256 }, (_, v) => ((Math.round(v * (white ? 1 : 0.55)) << 24) | color) >>> 0);
    for (let y = 0, k = 0; y < rect.h; y += 1) {
      for (let x = 0, i = (rect.y + y) * doc.width + rect.x; x < rect.w; x += 1, i += 1, k += 1) words[k] = table[doc.data[i]];
    }
    doc.overlay.getContext("2d").putImageData(image, rect.x, rect.y);
  };
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
    if (shape) drawShape(g, view, ratio);
  }

  function drawShape(g, view, ratio) {
    const at = (p) => [(p.x * view.scale + view.x) * ratio, (p.y * view.scale + view.y) * ratio];
    g.beginPath();
    if (shape.kind === "rectangle") {
      const box = boxOf(doc.width, doc.height, shape.points[0], shape.points.at(-1));
      if (!box) return;
      g.rect(...at(box), box.w * view.scale * ratio, box.h * view.scale * ratio);
    } else shape.points.forEach((p, index) => (index ? g.lineTo(...at(p)) : g.moveTo(...at(p))));
    g.lineWidth = ratio;
    g.setLineDash([]);
    g.strokeStyle = "white";
    g.stroke();
    g.setLineDash([4 * ratio, 4 * ratio]);
    g.strokeStyle = "black";
    g.stroke();
  }
  const shapeBox = () => {
    if (!shape) return null;
    const xs = shape.points.map((p) => p.x);
    const ys = shape.points.map((p) => p.y);
    const [x, y] = [Math.min(...xs), Math.min(...ys)];
    return { x: x - 1, y: y - 1, w: Math.max(...xs) - x + 2, h: Math.max(...ys) - y + 2 };
  };

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
    else if (kind === "lasso" || kind === "rectangle") shape = { kind, points: [p], erase: takesAway(p) };
    else if (kind === "fill") fillAt(p);
    else if (kind === "segment" && !ctx.get("_busy")) {
      ctx.send({ type: "segment", x: Math.floor(p.x), y: Math.floor(p.y), erase: takesAway(p) });
    }
  }
  function move(points) {
    if (strokes.active) strokes.move(points);
    else if (shape) {
      const before = shapeBox();
      if (shape.kind === "rectangle") shape.points[1] = points.at(-1);
      else {
        for (const p of points) {
          const last = shape.points.at(-1);
          if (Math.hypot(p.wx - last.wx, p.wy - last.wy) >= 1) shape.points.push(p);
        }
      }
      board.redrawPart(outward(union(before, shapeBox()), 2 / board.view.scale));
    }
  }
  function end(p) {
    if (strokes.active) strokes.end(p);
    else if (shape) {
      const { kind, points, erase } = shape;
      const box = shapeBox();
      shape = null;
      if (doc.ready) {
        const rect = kind === "rectangle" ? boxOf(doc.width, doc.height, points[0], p) : polygonBox(doc.width, doc.height, points);
        if (rect) {
          doc.step(rect, (data) => {
            if (kind === "rectangle") fillBox(data, doc.width, rect, erase ? 0 : 255);
            else fillPolygon(data, doc.width, doc.height, points, erase);
          });
        }
      }
      board.redrawPart(outward(box, 2 / board.view.scale));
    }
  }
  function cancel() {
    if (strokes.active) strokes.cancel();
    const box = shapeBox();
    shape = null;
    board.redrawPart(box && outward(box, 2 / board.view.scale));
  }

  let lastHover = null;
  const showRing = () => {
    const p = lastHover;
    const kind = ctx.get("tool");
    const brush = kind === "brush" || kind === "eraser";
    board.canvas.dataset.cursor = brush ? "brush" : "cross";
    if (!p || !doc.ready || (!brush && !p.key)) return board.ring(null);
    const at = p.key ? { x: p.x * board.view.scale + board.view.x, y: p.y * board.view.scale + board.view.y } : { x: p.wx, y: p.wy };
    const radius = brush ? (ctx.get("brush") / 2) * board.view.scale * (strokes.active ? strokes.factor : 1) : 5;
    return board.ring({ ...at, radius, inner: brush ? 1 - ctx.get("softness") / 100 : 0 });
  };
  const hover = (p) => {
    lastHover = p;
    showRing();
  };

  const most = () => Math.max(1, doc.width, doc.height);
  const pushSlowly = throttle((values) => ctx.push(values), 80);
  const setBrush = (value) => {
    const brush = Math.round(clamp(value, 1, most()));
    model.set("brush", brush);
    pushSlowly({ brush });
    showRing();
  };
  const setSoftness = (value) => {
    const softness = Math.round(clamp(value, 0, 100));
    model.set("softness", softness);
    pushSlowly({ softness });
    showRing();
  };
  const biggerBrush = () => setBrush(Math.max(ctx.get("brush") + 1, ctx.get("brush") * 1.12));
  const smallerBrush = () => setBrush(Math.min(ctx.get("brush") - 1, ctx.get("brush") / 1.12));

  // a pen for the keyboard: arrows move it, Enter puts it down and lifts it
  let pen = null;
  let penDown = false;
  const keyPen = (event) => {
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!arrow && event.key !== "Enter") return false;
    if (!doc.ready || event.ctrlKey || event.metaKey) return false;
    pen ??= { x: doc.width / 2, y: doc.height / 2 };
    if (arrow) {
      const step = event.shiftKey ? 1 : Math.max(1, Math.round(12 / board.view.scale));
      pen.x = clamp(pen.x + arrow[0] * step, 0, doc.width);
      pen.y = clamp(pen.y + arrow[1] * step, 0, doc.height);
    }
    const { scale, x, y } = board.view;
    const point = { ...pen, wx: pen.x * scale + x, wy: pen.y * scale + y, pressure: 1, type: "key", erase: false, alt: event.altKey, shift: false, key: true };
    if (arrow && penDown) move([point]);
    if (!arrow) {
      const short = ["fill", "segment"].includes(ctx.get("tool"));
      if (penDown) end(point);
      else start(point);
      penDown = short ? false : !penDown;
    }
    // the window follows the pen
    const [across, down] = board.window;
    const dx = point.wx < 20 ? 60 : point.wx > across - 20 ? -60 : 0;
    const dy = point.wy < 20 ? 60 : point.wy > down - 20 ? -60 : 0;
    if ((dx || dy) && scale * doc.width > across - 40) board.pan(dx, dy);
    hover(point);
    return true;
  };

  const letters = Object.fromEntries(TOOLS.map(([value, , , letter]) => [letter.toLowerCase(), value]));
  const nextView = () => ctx.push({ view: VIEWS[(VIEWS.indexOf(ctx.get("view")) + 1) % VIEWS.length] });
  function key(event, name) {
    const control = event.ctrlKey || event.metaKey;
    if (control && name === "z") return event.shiftKey ? doc.redo() : doc.undo(), true;
    if (control && name === "y") return doc.redo(), true;
    if (keyPen(event)) return true;
    if (control || event.altKey) return false;
    if (name in letters && (letters[name] !== "segment" || ctx.get("_segments"))) ctx.push({ tool: letters[name] });
    else if (event.key === "[") smallerBrush();
    else if (event.key === "]") biggerBrush();
    else if (event.key === "{") setSoftness(ctx.get("softness") - 10);
    else if (event.key === "}") setSoftness(ctx.get("softness") + 10);
    else if (name === "i") act.invert();
    else if (name === "f") act.feather();
    else if (name === "v") nextView();
    else if (event.key === "Delete" || event.key === "Backspace") act.clear();
    else if (event.key === "Escape" && (strokes.active || shape)) {
      penDown = false;
      cancel();
    } else return false;
    return true;
  }
  const wheel = (delta, event) => {
    if (!doc.ready || !delta) return false;
    if (event.shiftKey) setSoftness(ctx.get("softness") - Math.sign(delta) * 5);
    else if (delta < 0) biggerBrush();
    else smallerBrush();
    return true;
  };

  const act = {
    invert: () => doc.step(doc.everything, (data) => invert(data)),
    clear: () => doc.step(doc.everything, (data) => data.fill(0)),
    feather: () => doc.step(doc.everything, (data) => feather(data, doc.width, doc.height, ctx.get("feather_by"))),
    save: (button) => doc.ready && download(encodePng(doc.data, doc.width, 1, doc.everything), "mask.png", "image/png", button),
  };
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

  const board = surface(ctx, { size: () => [doc.width || 4, doc.height || 3], paint, start, move, end, cancel, hover, key, wheel, moved: () => {
    antsPart({ x: 0, y: 0, w: board?.window[0] ?? 0, h: board?.window[1] ?? 0 });
    showRing();
  } }, { key: "mask.canvas" });

  // -- the bar of tools ----------------------------------------------------------------------------------------------
  const picker = filePicker(load);
  dropTarget(board.node, load);
  const tools = choice(ctx, "tool", TOOLS, "tool");
  const undo = tool(ctx, "undo", "undo", "canvas.undo", "Ctrl+Z", () => doc.undo());
  const redo = tool(ctx, "redo", "redo", "canvas.redo", "Ctrl+Shift+Z", () => doc.redo());
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
  const brushLine = lineSlider(ctx, "brush", "brush", { min: 1, max: 8192, soft: 400, digits: 0 });
  const softLine = lineSlider(ctx, "softness", "softness", { min: 0, max: 100, digits: 0 });
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
    const brush = kind === "brush" || kind === "eraser";
    brushLine.hidden = !brush;
    softLine.hidden = !brush;
    fillLine.hidden = kind !== "fill";
    toleranceLine.hidden = kind !== "fill" || ctx.get("fill_by") !== "color";
    fillBy.value = ctx.get("fill_by");
    options.hidden = !brush && kind !== "fill";
    hint.textContent = ctx.t(`mask.hint.${kind}`);
    cancel();
    showRing();
  });
  ctx.on("change:brush change:softness", showRing);
  ctx.watch("view texts", () => {
    viewName.textContent = ctx.t(`mask.view.${ctx.get("view")}`);
    repaintAll();
  });
  ctx.watch("_segments", () => {
    tools.querySelector(".ra-tool-segment").hidden = !ctx.get("_segments");
  });
  ctx.watch("_busy", () => board.node.toggleAttribute("data-busy", Boolean(ctx.get("_busy"))));
  const showFacts = () => {
    const range = brushLine.querySelector("input[type=range]");
    range.max = String(Math.max(16, Math.round(most() / 2)));
    range.dispatchEvent(new Event("ra-range"));
    undo.disabled = !doc.history?.canUndo;
    redo.disabled = !doc.history?.canRedo;
    empty.hidden = Boolean(doc.width);
    const percent = doc.painted > 0 && doc.painted < 0.001 ? "<0.1" : (doc.painted * 100).toFixed(1);
    facts.textContent = doc.width ? ctx.t("mask.facts", { percent, width: doc.width, height: doc.height }) : "";
    ctx.root.dataset.painted = doc.painted.toFixed(6);
    ctx.root.dataset.saved = String(doc.acked === doc.seq && !doc.incoming && doc.ready ? 1 : 0);
    ctx.root.dataset.version = String(doc.known);
  };
  ctx.onTexts(showFacts);
  const deaf = doc.listen((what, rect) => {
    if (what === "opened") {
      cancel();
      pen = null;
      board.resize();
      repaintAll();
    } else if (what === "changed") changed(rect);
    showFacts();
  });
  ctx.on("change:skin", () =>
    requestAnimationFrame(() => {
      tint = skinColor(ctx.root, "--ra-accent");
      repaintAll();
    }),
  );

  const timer = setInterval(() => {
    if (still.matches || document.hidden || !doc.painted || ctx.get("view") === "mask" || strokes.active || !board.node.clientWidth) return;
    board.redrawWindow(ants.march());
  }, 140);

  ctx.root.append(bar, options, board.box, status);
  const done = ctx.finish();
  tint = skinColor(ctx.root, "--ra-accent");
  if (doc.ready || !doc.width) {
    board.resize();
    repaintAll();
  }
  showFacts();
  return () => {
    clearInterval(timer);
    deaf();
    board.close();
    done();
  };
}

export default {
  initialize({ model }) {
    docOf(model);
  },
  render,
};
