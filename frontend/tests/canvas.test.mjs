import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { markEdges } from "../src/lib/canvas-ants.js";
import { hexOf, layStroke, over, rgbOf } from "../src/lib/canvas-color.js";
import { HANDLES, boxOfRatio, dragBox, sidesForRatio, snapSide } from "../src/lib/canvas-frame.js";
import { History, TILE } from "../src/lib/canvas-history.js";
import { Pointers } from "../src/lib/canvas-pointer.js";
import { deflateRuns, encodePng } from "../src/lib/canvas-png.js";
import { alike, boundsOf, boxOf, enclosed, feather, fillBox, fillPolygon, fillRegion, invert, strokeBox, strokeTo } from "../src/lib/canvas-raster.js";
import { strokePainter } from "../src/lib/canvas-strokes.js";
import { fitView, holdView, meet, outward, toPicture, toWindow, union, zoomAt } from "../src/lib/canvas-view.js";
import { bytes } from "../src/lib/format.js";

const sum = (data) => data.reduce((a, b) => a + b, 0);
/** Numbers that are the same in every run. */
function dice(seed) {
  let s = seed;
  return () => (s = (s * 1103515245 + 12345) % 2147483648) / 2147483648;
}

// -- the view ------------------------------------------------------------------------------------------------------
test("the whole picture in the middle, small ones grown", () => {
  assert.deepEqual(fitView([200, 100], [400, 400]), { scale: 2, x: 0, y: 100 });
  assert.deepEqual(fitView([4000, 1000], [400, 400]), { scale: 0.1, x: 0, y: 150 });
  assert.equal(fitView([1, 1], [400, 300]).scale, 16);
  assert.deepEqual(fitView([100, 100], [400, 300], 50), { scale: 2, x: 100, y: 50 });
});

test("zooming keeps the point under the pointer, within limits", () => {
  let view = fitView([512, 512], [700, 500]);
  const before = toPicture(view, 123, 321);
  view = zoomAt(view, 123, 321, 3.7);
  const after = toPicture(view, 123, 321);
  assert.ok(Math.abs(before.x - after.x) < 1e-9 && Math.abs(before.y - after.y) < 1e-9);
  assert.equal(zoomAt(view, 0, 0, 1e9).scale, 64);
  assert.equal(zoomAt(view, 0, 0, 1e-9, 0.2).scale, 0.2);
  const back = toWindow(view, before.x, before.y);
  assert.ok(Math.abs(back.x - 123) < 1e-9 && Math.abs(back.y - 321) < 1e-9);
});

test("the picture cannot be lost outside the window", () => {
  for (const [x, y] of [[-1e5, 0], [1e5, 0], [0, -1e5], [0, 1e5]]) {
    const view = holdView({ scale: 1, x, y }, [300, 200], [400, 400]);
    const seen = meet({ x: view.x, y: view.y, w: 300, h: 200 }, { x: 0, y: 0, w: 400, h: 400 });
    assert.ok(seen && seen.w >= 48 && seen.h >= 48, JSON.stringify(view));
  }
});

test("rectangles", () => {
  assert.deepEqual(union({ x: 0, y: 0, w: 2, h: 2 }, { x: 5, y: 1, w: 1, h: 4 }), { x: 0, y: 0, w: 6, h: 5 });
  assert.equal(union(null, null), null);
  assert.equal(meet({ x: 0, y: 0, w: 2, h: 2 }, { x: 2, y: 0, w: 2, h: 2 }), null);
  assert.deepEqual(outward({ x: 0.5, y: -0.5, w: 1, h: 1 }, 1), { x: -1, y: -2, w: 4, h: 4 });
});

// -- the brush -----------------------------------------------------------------------------------------------------
test("a hard stroke is the capsule that geometry says", () => {
  const [w, h] = [120, 80];
  const data = new Uint8Array(w * h);
  const [a, b] = [{ x: 20, y: 30, r: 9.5 }, { x: 95, y: 55, r: 9.5 }];
  const rect = strokeTo(data, w, h, a, b);
  const area = 2 * 9.5 * Math.hypot(75, 25) + Math.PI * 9.5 ** 2;
  assert.ok(Math.abs(sum(data) / 255 - area) / area < 0.01, `${sum(data) / 255} ${area}`);
  for (let y = 0; y < h; y += 1) {
    for (let x = 0; x < w; x += 1) {
      const [px, py] = [x + 0.5 - a.x, y + 0.5 - a.y];
      const t = Math.min(1, Math.max(0, (px * 75 + py * 25) / (75 * 75 + 25 * 25)));
      const d = Math.hypot(px - t * 75, py - t * 25);
      const v = data[y * w + x];
      if (d < 9) assert.equal(v, 255);
      else if (d > 10) assert.equal(v, 0);
      if (v) assert.ok(x >= rect.x && x < rect.x + rect.w && y >= rect.y && y < rect.y + rect.h);
    }
  }
  assert.deepEqual(rect, strokeBox(w, h, a, b));
});

test("a soft stroke falls off and does not pile up where it crosses itself", () => {
  const [w, h] = [100, 100];
  const data = new Uint8Array(w * h);
  strokeTo(data, w, h, { x: 50, y: 50, r: 40 }, { x: 50, y: 50, r: 40 }, 1);
  const along = Array.from({ length: 50 }, (_, k) => data[50 * w + 50 + k]);
  assert.ok(along[0] > 250 && along[20] > 100 && along[20] < 160 && along[45] === 0);
  assert.ok(along.every((v, k) => k === 0 || v <= along[k - 1]));
  const once = data.slice();
  for (let k = 0; k < 5; k += 1) strokeTo(data, w, h, { x: 50, y: 50, r: 40 }, { x: 50.2, y: 50, r: 40 }, 1);
  assert.ok(data.every((v, i) => v - once[i] <= 4));
});

test("erasing takes away exactly what the same stroke paints", () => {
  const [w, h] = [60, 60];
  const painted = new Uint8Array(w * h);
  const wiped = new Uint8Array(w * h).fill(255);
  const [a, b] = [{ x: 10, y: 50, r: 6 }, { x: 55, y: 12, r: 3 }];
  strokeTo(painted, w, h, a, b, 0.5);
  strokeTo(wiped, w, h, a, b, 0.5, true);
  assert.ok(painted.every((v, i) => v + wiped[i] === 255));
});

test("pressure narrows the stroke towards the lighter end", () => {
  const [w, h] = [100, 60];
  const data = new Uint8Array(w * h);
  strokeTo(data, w, h, { x: 15, y: 30, r: 12 }, { x: 85, y: 30, r: 2 });
  const width = (x) => sum(Array.from({ length: h }, (_, y) => data[y * w + x])) / 255;
  assert.ok(Math.abs(width(15) - 24) < 1.5 && Math.abs(width(84) - 4) < 1.5 && Math.abs(width(50) - 14) < 1.5);
});

test("strokes outside and over the edge of the picture", () => {
  const data = new Uint8Array(100);
  assert.equal(strokeTo(data, 10, 10, { x: -50, y: -50, r: 5 }, { x: -30, y: -50, r: 5 }), null);
  const rect = strokeTo(data, 10, 10, { x: -2, y: 5, r: 4 }, { x: 12, y: 5, r: 4 });
  assert.deepEqual([rect.x, rect.w], [0, 10]);
  assert.equal(data[50], 255);
  const dot = new Uint8Array(1);
  strokeTo(dot, 1, 1, { x: 0.5, y: 0.5, r: 3 }, { x: 0.5, y: 0.5, r: 3 });
  assert.equal(dot[0], 255);
});

// -- shapes --------------------------------------------------------------------------------------------------------
test("a lasso fills what it winds around, with smooth edges", () => {
  const [w, h] = [100, 100];
  const data = new Uint8Array(w * h);
  fillPolygon(data, w, h, [{ x: 10, y: 10 }, { x: 90, y: 10 }, { x: 10, y: 90 }]);
  assert.ok(Math.abs(sum(data) / 255 - 3200) < 16);
  assert.equal(data[20 * w + 20], 255);
  assert.equal(data[80 * w + 80], 0);
  const star = new Uint8Array(w * h);
  const points = [0, 2, 4, 1, 3].map((k) => ({ x: 50 + 40 * Math.sin((k * 2 * Math.PI) / 5), y: 50 - 40 * Math.cos((k * 2 * Math.PI) / 5) }));
  fillPolygon(star, w, h, points);
  assert.equal(star[50 * w + 50], 255, "the middle, wound around twice, is inside");
  assert.equal(fillPolygon(star, w, h, points.slice(0, 2)), null);
  const before = sum(star);
  fillPolygon(star, w, h, points, true);
  assert.equal(star[50 * w + 50], 0);
  assert.ok(sum(star) < before / 20, "only half-covered edges are left, at half");
  assert.equal(fillPolygon(data, w, h, [{ x: -9, y: -9 }, { x: -5, y: -9 }, { x: -5, y: -5 }]), null);
});

test("a rectangle has whole pixels and stays inside", () => {
  const rect = boxOf(100, 50, { x: 80.4, y: 60 }, { x: 10.6, y: 20.2 });
  assert.deepEqual(rect, { x: 11, y: 20, w: 69, h: 30 });
  const data = new Uint8Array(5000);
  fillBox(data, 100, rect, 255);
  assert.equal(sum(data), 255 * 69 * 30);
  assert.equal(boxOf(100, 50, { x: 3, y: 3 }, { x: 3.2, y: 9 }), null);
});

test("filling stops at the painted edge and leaves no pale seam", () => {
  const [w, h] = [80, 80];
  const data = new Uint8Array(w * h);
  const ring = Array.from({ length: 49 }, (_, k) => ({ x: 40 + 25 * Math.cos((k * Math.PI) / 24), y: 40 + 25 * Math.sin((k * Math.PI) / 24), r: 4 }));
  for (let k = 1; k < ring.length; k += 1) strokeTo(data, w, h, ring[k - 1], ring[k], 0.8);
  const found = enclosed(data, w, h, 40, 40);
  fillRegion(data, w, found, 255);
  assert.equal(data[0], 0);
  for (let k = 0; k < 64; k += 1) {
    for (let r = 0; r <= 25; r += 1) {
      const [x, y] = [Math.floor(40 + r * Math.cos((k * Math.PI) / 32)), Math.floor(40 + r * Math.sin((k * Math.PI) / 32))];
      assert.ok(data[y * w + x] > 200, `${x},${y}: ${data[y * w + x]}`);
    }
  }
  assert.equal(enclosed(data, w, h, 40, 40), null, "what is full cannot be filled");
  fillRegion(data, w, enclosed(data, w, h, 40, 40, true), 0);
  assert.ok(data.every((v) => v < 255));
  assert.equal(enclosed(data, w, h, -1, 5), null);
});

test("filling by colour takes what is alike and touches", () => {
  const [w, h] = [20, 10];
  const rgba = new Uint8ClampedArray(w * h * 4).fill(255);
  for (let y = 0; y < h; y += 1) for (let x = 0; x < w; x += 1) rgba.set(x < 5 || x >= 15 ? [200, 10, 10] : x === 5 ? [190, 15, 10] : [0, 0, 255], 4 * (y * w + x));
  assert.equal(sum(alike(rgba, w, h, 2, 2, 4).region), 50);
  assert.equal(sum(alike(rgba, w, h, 2, 2, 12).region), 60);
  assert.deepEqual(alike(rgba, w, h, 2, 2, 255).rect, { x: 0, y: 0, w, h });
});

test("regions as a slow search finds them", () => {
  const random = dice(7);
  for (let round = 0; round < 20; round += 1) {
    const [w, h] = [3 + Math.floor(random() * 30), 3 + Math.floor(random() * 30)];
    const data = Uint8Array.from({ length: w * h }, () => (random() < 0.4 ? 255 : 0));
    data[0] = 0;
    const slow = new Set([0]);
    for (const i of slow) {
      for (const j of [i % w ? i - 1 : -1, i % w < w - 1 ? i + 1 : -1, i - w, i + w]) if (j >= 0 && j < w * h && !data[j]) slow.add(j);
    }
    const found = enclosed(data, w, h, 0, 0);
    const kernel = [...slow].every((i) => found.region[i]);
    assert.ok(kernel);
    fillRegion(data, w, found, 255);
    assert.ok([...slow].every((i) => data[i] === 255));
  }
});

test("invert and bounds", () => {
  const data = new Uint8Array(200);
  assert.equal(boundsOf(data, 20, 10), null);
  data[5 * 20 + 7] = 1;
  data[8 * 20 + 3] = 9;
  assert.deepEqual(boundsOf(data, 20, 10), { x: 3, y: 5, w: 5, h: 4 });
  invert(data);
  assert.deepEqual([data[0], data[107], boundsOf(data, 20, 10, 255)], [255, 254, { x: 3, y: 5, w: 5, h: 4 }]);
});

test("feather is a Gaussian, keeps the sum, and leaves the rest alone", () => {
  const [w, h] = [101, 101];
  const data = new Uint8Array(w * h);
  fillBox(data, w, { x: 30, y: 30, w: 41, h: 41 }, 255);
  const before = sum(data);
  const rect = feather(data, w, h, 6);
  assert.ok(Math.abs(sum(data) - before) / before < 0.01);
  // along the middle: the error function, within what three boxes are from it
  const erf = (x) => Math.sign(x) * Math.sqrt(1 - Math.exp((-x * x * (4 / Math.PI + 0.147 * x * x)) / (1 + 0.147 * x * x)));
  for (let x = 0; x < w; x += 1) {
    const at = (edge) => erf((x + 0.5 - edge) / (6 * Math.SQRT2));
    const expected = (255 * (at(30) - at(71))) / 2;
    assert.ok(Math.abs(data[50 * w + x] - expected) < 6, `${x}: ${data[50 * w + x]} ${expected}`);
  }
  assert.ok(rect.x >= 8 && rect.w < 90 && data[0] === 0);
  assert.equal(feather(new Uint8Array(100), 10, 10, 3), null);
  assert.equal(feather(new Uint8Array(100).fill(255), 10, 10, 3), null);
  const tiny = Uint8Array.from([0, 255]);
  feather(tiny, 2, 1, 50);
  assert.ok(tiny[0] > 0 && tiny[1] < 255);
});

// -- undo ----------------------------------------------------------------------------------------------------------
test("undo and redo give back every pixel", () => {
  const random = dice(3);
  const [w, h] = [150, 90];
  const data = new Uint8Array(w * h);
  const history = new History(data, w, h);
  const states = [data.slice()];
  for (let k = 0; k < 12; k += 1) {
    history.begin();
    const point = () => ({ x: random() * w, y: random() * h, r: 3 + random() * 20 });
    const [a, b] = [point(), point()];
    history.touch(strokeBox(w, h, a, b));
    strokeTo(data, w, h, a, b, random(), random() < 0.3);
    if (history.commit()) states.push(data.slice());
  }
  const steps = states.length - 1;
  for (let k = steps - 1; k >= 0; k -= 1) {
    assert.ok(history.undo());
    assert.deepEqual(data, states[k]);
  }
  assert.equal(history.undo(), null);
  for (let k = 1; k <= steps; k += 1) {
    assert.ok(history.redo());
    assert.deepEqual(data, states[k]);
  }
  assert.equal(history.redo(), null);
  history.undo();
  history.begin();
  history.touch({ x: 0, y: 0, w: 1, h: 1 });
  data[0] ^= 255;
  history.commit();
  assert.equal(history.canRedo, false, "a new step ends what could be redone");
});

test("a step that changes nothing is none; a cancelled one leaves nothing", () => {
  const data = new Uint8Array(100 * 100);
  const history = new History(data, 100, 100);
  history.begin();
  history.touch({ x: 0, y: 0, w: 100, h: 100 });
  assert.equal(history.commit(), null);
  history.begin();
  history.touch({ x: 0, y: 0, w: 80, h: 10 });
  data.fill(7, 0, 500);
  assert.deepEqual(history.cancel(), { x: 0, y: 0, w: 100, h: TILE });
  assert.equal(sum(data), 0);
  assert.equal(history.canUndo, false);
});

test("undo's memory is bounded, and plain tiles cost next to nothing", () => {
  const random = dice(5);
  const [w, h] = [512, 512];
  const data = new Uint8Array(w * h);
  const history = new History(data, w, h, { mostBytes: 2 ** 20, mostSteps: 50 });
  for (let k = 0; k < 60; k += 1) {
    history.begin();
    history.touch({ x: 0, y: 0, w, h });
    for (let i = 0; i < data.length; i += 1) data[i] = random() * 256;
    history.commit();
    assert.ok(history.bytes <= 2 ** 20);
  }
  assert.ok(history.done.length >= 2 && history.done.length < 10);
  const plain = new History(new Uint8Array(w * h), w, h, { mostSteps: 50 });
  for (let k = 0; k < 60; k += 1) {
    plain.begin();
    plain.touch({ x: 0, y: 0, w, h });
    invert(plain.data);
    plain.commit();
  }
  assert.equal(plain.done.length, 50);
  assert.ok(plain.bytes < 200_000);
});

test("undo with four channels", () => {
  const data = new Uint8Array(70 * 70 * 4);
  const history = new History(data, 70, 70, { channels: 4 });
  history.begin();
  history.touch({ x: 60, y: 60, w: 10, h: 10 });
  data.set([1, 2, 3, 4], (65 * 70 + 66) * 4);
  assert.deepEqual(history.commit(), { x: 64, y: 64, w: 6, h: 6 });
  history.undo();
  assert.equal(sum(data), 0);
  history.redo();
  assert.deepEqual([...data.subarray((65 * 70 + 66) * 4, (65 * 70 + 66) * 4 + 4)], [1, 2, 3, 4]);
});

test("strokes: the shift key draws on from the last, a lifted pen keeps its width", () => {
  const doc = { width: 100, height: 100, data: new Uint8Array(10000), committed: 0, commit: () => (doc.committed += 1, doc.history.commit()), begin: () => doc.history.begin(), cancel: () => doc.history.cancel() };
  doc.history = new History(doc.data, 100, 100);
  const rects = [];
  const strokes = strokePainter(doc, { radius: () => 5, softness: () => 0, pressure: () => true, changed: (r) => rects.push(r) });
  const p = (x, y, more) => ({ x, y, pressure: 1, type: "mouse", ...more });
  strokes.start(p(20, 20), false);
  strokes.end(p(20, 20));
  strokes.start(p(80, 20, { shift: true }), false);
  strokes.end(p(80, 20));
  assert.equal(doc.data[20 * 100 + 50], 255);
  strokes.start(p(20, 60, { type: "pen", pressure: 0.2 }), false);
  strokes.move([p(50, 60, { type: "pen", pressure: 0.2 })]);
  strokes.end(p(80, 60, { type: "pen", pressure: 1 }));
  const width = sum(Array.from({ length: 30 }, (_, k) => doc.data[(45 + k) * 100 + 70])) / 255;
  assert.ok(width > 2 && width < 4, String(width));
  strokes.start(p(50, 90), false);
  strokes.cancel();
  assert.equal(doc.data[90 * 100 + 50], 0);
  assert.equal(doc.committed, 3);
});

// -- PNG -----------------------------------------------------------------------------------------------------------
function readPng(png, channels) {
  const view = new DataView(png.buffer, png.byteOffset);
  assert.deepEqual([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const [w, h] = [view.getUint32(16), view.getUint32(20)];
  assert.deepEqual([png[24], png[25]], [8, channels === 4 ? 6 : 0]);
  const length = view.getUint32(33);
  const raw = inflateSync(png.subarray(41, 41 + length));
  const row = w * channels;
  const out = new Uint8Array(row * h);
  for (let y = 0; y < h; y += 1) for (let i = 0; i < row; i += 1) out[y * row + i] = raw[y * (row + 1) + 1 + i] + (y ? out[(y - 1) * row + i] : 0);
  return { w, h, out };
}

test("runs of every length survive deflate", () => {
  const random = dice(11);
  for (let length = 0; length < 1100; length += 1) {
    const bytes = new Uint8Array(length).fill(length & 255);
    assert.deepEqual(new Uint8Array(inflateSync(deflateRuns(bytes))), bytes, `run of ${length}`);
  }
  const mixed = Uint8Array.from({ length: 50_000 }, (_, i) => (random() < 0.02 ? random() * 256 : i >> 10));
  assert.deepEqual(new Uint8Array(inflateSync(deflateRuns(mixed))), mixed);
});

test("a rectangle of a mask as PNG, small where it is plain", () => {
  const [w, h] = [300, 200];
  const data = new Uint8Array(w * h);
  strokeTo(data, w, h, { x: 40, y: 40, r: 30 }, { x: 250, y: 150, r: 30 }, 0.4);
  const rect = { x: 20, y: 10, w: 260, h: 180 };
  const { w: pw, h: ph, out } = readPng(encodePng(data, w, 1, rect), 1);
  assert.deepEqual([pw, ph], [260, 180]);
  for (let y = 0; y < ph; y += 1) for (let x = 0; x < pw; x += 1) assert.equal(out[y * pw + x], data[(y + 10) * w + x + 20]);
  const plain = encodePng(new Uint8Array(2048 * 2048).fill(255), 2048, 1, { x: 0, y: 0, w: 2048, h: 2048 });
  assert.ok(plain.length < 40_000, String(plain.length));
});

test("colour with transparency as PNG", () => {
  const random = dice(2);
  const data = Uint8Array.from({ length: 40 * 30 * 4 }, () => random() * 256);
  const { out } = readPng(encodePng(data, 40, 4, { x: 0, y: 0, w: 40, h: 30 }), 4);
  assert.deepEqual(out, data);
});

// -- the marching edge ---------------------------------------------------------------------------------------------
test("edges lie where the mask begins and ends, at every scale", () => {
  const mask = new Uint8Array(100);
  fillBox(mask, 10, { x: 3, y: 3, w: 4, h: 4 }, 255);
  const view = { scale: 4, x: 8, y: 8 };
  const flags = new Uint8Array(60 * 60);
  markEdges(flags, 60, 60, { x: 0, y: 0, w: 60, h: 60 }, view, mask, 10, 10);
  const at = (x, y) => flags[y * 60 + x];
  assert.deepEqual([at(20, 28), at(19, 28), at(36, 28), at(28, 20), at(28, 36), at(28, 28)], [1, 0, 1, 1, 1, 0]);
  assert.equal(sum(flags), 4 * 16 - 1);
  const parts = new Uint8Array(60 * 60);
  for (let y = 0; y < 60; y += 7) for (let x = 0; x < 60; x += 7) markEdges(parts, 60, 60, { x, y, w: 7, h: 7 }, view, mask, 10, 10);
  assert.deepEqual(parts, flags, "piece by piece is the same as at once");
  mask.fill(255);
  markEdges(flags, 60, 60, { x: 0, y: 0, w: 60, h: 60 }, view, mask, 10, 10);
  assert.equal(sum(flags), 4 * 40 - 1, "a full mask is outlined at the picture's edge");
});

// -- fingers, pens, mice -------------------------------------------------------------------------------------------
function hand() {
  const log = [];
  const note = (name) => (...args) => log.push([name, ...args]);
  const on = Object.fromEntries(["start", "move", "end", "cancel", "hover", "pan", "pinch", "panning"].map((name) => [name, note(name)]));
  const pointers = new Pointers({ getBoundingClientRect: () => ({ left: 10, top: 20 }) }, on);
  let time = 1000;
  const send = (type, id, x, y, more = {}) => {
    time += more.after ?? 10;
    pointers.handle({ type: `pointer${type}`, pointerId: id, clientX: x, clientY: y, timeStamp: time, button: type === "move" ? -1 : 0, buttons: type === "up" ? 0 : 1, pointerType: "touch", pressure: 0.5, ...more });
  };
  return { log, send, pointers, names: () => log.map(([name]) => name).filter((name) => name !== "hover") };
}

test("one finger draws, in pixels of the canvas", () => {
  const { send, log, names } = hand();
  send("down", 1, 30, 40);
  send("move", 1, 50, 40);
  send("up", 1, 50, 40);
  assert.deepEqual(names(), ["start", "move", "end"]);
  assert.deepEqual([log[0][1].x, log[0][1].y, log[0][1].pressure], [20, 20, 1]);
});

test("a second finger right away takes the dot back and zooms", () => {
  const { send, log, names } = hand();
  send("down", 1, 100, 100);
  send("down", 2, 200, 100);
  send("move", 2, 300, 100);
  assert.deepEqual(names(), ["start", "cancel", "pan", "pinch"]);
  const [, x, , factor] = log.find(([name]) => name === "pinch");
  assert.deepEqual([x, factor], [190, 2]);
  send("up", 2, 300, 100);
  send("move", 1, 120, 100);
  send("up", 1, 120, 100);
  assert.deepEqual(names().slice(4), [], "the finger that stays does not draw");
  send("down", 3, 100, 100);
  assert.deepEqual(names().slice(4), ["start"]);
});

test("a second finger late ends the line and keeps it", () => {
  const { send, names } = hand();
  send("down", 1, 100, 100);
  send("move", 1, 180, 100, { after: 300 });
  send("down", 2, 200, 200);
  assert.deepEqual(names(), ["start", "move", "end"]);
});

test("two fingers that move together move the picture", () => {
  const { send, log } = hand();
  send("down", 1, 100, 100);
  send("down", 2, 200, 100);
  send("move", 1, 110, 105);
  send("move", 2, 210, 105);
  const pans = log.filter(([name]) => name === "pan");
  assert.deepEqual([pans.reduce((s, p) => s + p[1], 0), pans.reduce((s, p) => s + p[2], 0)], [10, 5]);
  const zoom = log.filter(([name]) => name === "pinch").reduce((s, p) => s * p[3], 1);
  assert.ok(Math.abs(zoom - 1) < 1e-9);
});

test("a pen tells its pressure, its other end erases, and the palm beside it is ignored", () => {
  const { send, log, names } = hand();
  send("down", 1, 100, 100, { pointerType: "pen", pressure: 0.3, buttons: 32, button: 5 });
  send("down", 2, 300, 300);
  send("move", 1, 120, 100, { pointerType: "pen", pressure: 0.8, getCoalescedEvents: () => [0.5, 0.8].map((pressure, k) => ({ clientX: 110 + 10 * k, clientY: 100, pressure, pointerType: "pen", buttons: 32, timeStamp: 1 })) });
  assert.deepEqual([log[0][1].pressure, log[0][1].erase], [0.3, true]);
  assert.deepEqual(log.find(([name]) => name === "move")[1].map((p) => p.pressure), [0.5, 0.8]);
  assert.deepEqual(names(), ["start", "move"]);
});

test("the middle button and the space key move the picture", () => {
  const { send, names, pointers } = hand();
  const mouse = { pointerType: "mouse", preventDefault() {} };
  send("down", 1, 0, 0, { ...mouse, button: 1 });
  send("move", 1, 5, 5, mouse);
  send("up", 1, 5, 5, mouse);
  pointers.setSpace(true);
  send("down", 1, 0, 0, { ...mouse, button: 0 });
  send("move", 1, 5, 5, mouse);
  send("up", 1, 5, 5, mouse);
  pointers.setSpace(false);
  assert.deepEqual(names().filter((name) => name !== "panning"), ["pan", "pan"]);
  send("down", 1, 0, 0, { ...mouse, button: 0 });
  assert.equal(names().at(-1), "start");
});

test("a cancelled pointer: a dot is taken back, a line is kept", () => {
  const { send, names } = hand();
  send("down", 1, 0, 0);
  send("cancel", 1, 0, 0);
  send("down", 1, 0, 0);
  send("move", 1, 90, 0);
  send("cancel", 1, 90, 0);
  assert.deepEqual(names(), ["start", "cancel", "start", "move", "end"]);
});

// -- colour --------------------------------------------------------------------------------------------------------
function sheet(w, h, fill = [0, 0, 0, 0]) {
  const data = new Uint8Array(w * h * 4);
  for (let i = 0; i < data.length; i += 4) data.set(fill, i);
  return { data, history: new History(data, w, h, { channels: 4 }), at: (x, y) => [...data.subarray((y * w + x) * 4, (y * w + x) * 4 + 4)] };
}

test("a stroke of half opacity counts once, however often it crosses itself; the next one comes on top", () => {
  const { history, at } = sheet(80, 80);
  const cover = new Uint8Array(6400);
  const rect = { x: 10, y: 10, w: 30, h: 30 };
  const ink = { rgb: [200, 100, 0], opacity: 0.5, erase: false };
  history.begin();
  history.touch(rect);
  fillBox(cover, 80, rect, 255);
  for (let k = 0; k < 4; k += 1) layStroke(history, rect, cover, ink);
  history.commit();
  assert.deepEqual(at(20, 20), [200, 100, 0, 128]);
  assert.deepEqual(at(60, 60), [0, 0, 0, 0]);
  history.begin();
  history.touch(rect);
  layStroke(history, rect, cover, { ...ink, rgb: [0, 0, 255] });
  history.commit();
  const [r, , b, a] = at(20, 20);
  assert.ok(Math.abs(a - 191) <= 1 && Math.abs(r - 67) <= 1 && Math.abs(b - 170) <= 1);
  history.undo();
  assert.deepEqual(at(20, 20), [200, 100, 0, 128]);
});

test("the eraser takes paint away and leaves no colour where nothing is", () => {
  const { history, at } = sheet(10, 10, [9, 8, 7, 200]);
  const cover = new Uint8Array(100);
  cover[0] = 255;
  cover[1] = 128;
  history.begin();
  history.touch({ x: 0, y: 0, w: 10, h: 10 });
  layStroke(history, { x: 0, y: 0, w: 10, h: 10 }, cover, { rgb: [0, 0, 0], opacity: 1, erase: true });
  assert.deepEqual(at(0, 0), [0, 0, 0, 0]);
  assert.deepEqual(at(1, 0), [9, 8, 7, 100]);
  assert.deepEqual(at(2, 0), [9, 8, 7, 200]);
});

test("strokes of colour: soft edges have the colour, and what they covered is clean for the next", () => {
  const { data, history } = sheet(100, 60);
  const doc = { width: 100, height: 60, data, history, begin: () => history.begin(), commit: () => history.commit(), cancel: () => history.cancel() };
  const cover = new Uint8Array(6000);
  const ink = { rgb: [10, 200, 30], opacity: 1, erase: false };
  const strokes = strokePainter(doc, {
    radius: () => 12, softness: () => 0.7, pressure: () => false, changed() {},
    cover: () => cover, lay: (rect) => layStroke(history, rect, cover, ink), lifted: (rect) => fillBox(cover, 100, rect, 0),
  });
  const p = (x, y) => ({ x, y, pressure: 1, type: "mouse" });
  strokes.start(p(20, 30), false);
  strokes.move([p(50, 30), p(80, 30)]);
  strokes.end(p(80, 30));
  assert.equal(sum(cover), 0);
  let soft = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3]) assert.deepEqual([...data.subarray(i, i + 3)], [10, 200, 30]);
    if (data[i + 3] > 20 && data[i + 3] < 230) soft += 1;
  }
  assert.ok(soft > 300);
  const kept = data.slice();
  strokes.start(p(20, 50), false);
  strokes.cancel();
  assert.deepEqual(data, kept);
  assert.equal(sum(cover), 0);
});

test("a layer over a picture", () => {
  const layer = Uint8Array.from([255, 0, 0, 255, 255, 0, 0, 128, 0, 0, 0, 0, 0, 255, 0, 255]);
  const picture = Uint8Array.from([0, 0, 255, 255, 0, 0, 255, 255, 1, 2, 3, 255, 0, 0, 0, 0]);
  assert.deepEqual([...over(layer, picture)], [255, 0, 0, 255, 128, 0, 127, 255, 1, 2, 3, 255, 0, 255, 0, 255]);
  assert.deepEqual(rgbOf("#c2402d"), [194, 64, 45]);
  assert.equal(hexOf([194, 64, 5]), "#c24005");
  assert.deepEqual(rgbOf("red"), [0, 0, 0]);
});

// -- frames --------------------------------------------------------------------------------------------------------
test("a side snaps so that the whole is a multiple, within its limits", () => {
  assert.equal(snapSide(61, 512, 8), 64);
  assert.equal(snapSide(61, 512, 64), 64);
  assert.equal(snapSide(90, 512, 64), 64);
  assert.equal(snapSide(100, 512, 64), 128);
  assert.equal(snapSide(1, 512, 8), 0);
  assert.equal(snapSide(-300, 512, 8), 0);
  assert.equal((500 + snapSide(37, 500, 8)) % 8, 0);
  assert.equal((500 + snapSide(3, 500, 64)) % 64, 500 % 64, "too little to count: the picture as it is");
  assert.equal(snapSide(9999, 512, 64), 2048);
  assert.equal(snapSide(9999, 3000, 8), 1096);
  assert.equal(snapSide(100, 4090, 8), 6);
  assert.equal(snapSide(100, 4096, 8), 0);
  for (const rest of [1, 7, 64, 333, 512, 1000, 4095]) {
    for (const value of [0, 5, 20, 64, 100, 777, 5000]) {
      for (const step of [8, 64]) {
        const side = snapSide(value, rest, step);
        assert.ok(side >= 0 && side <= 2048 && rest + side <= 4096, `${value} ${rest} ${step}: ${side}`);
        assert.ok(side === 0 || (rest + side) % step === 0, `${value} ${rest} ${step}: ${side}`);
      }
    }
  }
});

test("sides for a ratio: nothing cut, the picture in the middle", () => {
  assert.deepEqual(sidesForRatio(512, 512, 16 / 9, 8), { left: 192, right: 208, top: 0, bottom: 0 });
  assert.deepEqual(sidesForRatio(512, 512, 1, 8), { left: 0, right: 0, top: 0, bottom: 0 });
  const { left, right, top, bottom } = sidesForRatio(768, 512, 9 / 16, 8);
  assert.deepEqual([left, right], [0, 0]);
  assert.ok(Math.abs(768 / (512 + top + bottom) - 9 / 16) < 0.01);
});

test("a crop box follows its handles and stays inside", () => {
  const box = { x: 10, y: 20, w: 50, h: 40 };
  const size = [100, 80];
  assert.deepEqual(dragBox(box, "e", 5.4, 99, size), { x: 10, y: 20, w: 55, h: 40 });
  assert.deepEqual(dragBox(box, "nw", -99, -99, size), { x: 0, y: 0, w: 60, h: 60 });
  assert.deepEqual(dragBox(box, "se", 999, 999, size), { x: 10, y: 20, w: 90, h: 60 });
  assert.deepEqual(dragBox(box, "w", 999, 0, size), { x: 59, y: 20, w: 1, h: 40 });
});

test("a crop box of a ratio keeps it, whatever handle is dragged", () => {
  const random = dice(9);
  for (const ratio of [1, 16 / 9, 2 / 3]) {
    for (const handle of HANDLES) {
      for (let k = 0; k < 40; k += 1) {
        const start = boxOfRatio({ x: 40 + random() * 200, y: 30 + random() * 150, w: 100, h: 100 }, ratio, [640, 480]);
        const box = dragBox(start, handle, (random() - 0.5) * 900, (random() - 0.5) * 900, [640, 480], ratio);
        assert.ok(box.x >= 0 && box.y >= 0 && box.w >= 1 && box.h >= 1 && box.x + box.w <= 640 && box.y + box.h <= 480);
        if (box.w > 8 && box.h > 8) assert.ok(Math.abs(box.w - box.h * ratio) <= 1 + ratio, `${handle} ${ratio} ${JSON.stringify(box)}`);
      }
    }
  }
});

test("bytes for people", () => {
  assert.deepEqual([1, 5e8, 999 * 2 ** 20, 2e9].map(bytes), ["1 MB", "477 MB", "999 MB", "1.9 GB"]);
});
