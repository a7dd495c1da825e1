import assert from "node:assert/strict";
import { test } from "node:test";
import { clamp, fill, gridColumns, parseNumber, ratioName, ratioSize, seconds, short, throttle } from "../src/lib/format.js";

test("fill replaces known names and leaves the others", () => {
  assert.equal(fill("第 {step} / {steps} 步", { step: 3, steps: 20 }), "第 3 / 20 步");
  assert.equal(fill("{a}{b}", { a: "{b}" }), "{b}{b}");
});

test("seconds are short for people", () => {
  assert.deepEqual([0, 0.44, 9.9, 12.4, 59.4, 59.6, 185, -1, NaN].map(seconds), ["0.0", "0.4", "9.9", "12", "59", "1:00", "3:05", "0.0", "0.0"]);
});

test("numbers lose needless zeros", () => {
  assert.deepEqual([7, 7.5, 0.1 + 0.2].map((x) => short(x)), ["7", "7.5", "0.3"]);
  assert.equal(clamp(9, 1, 4), 4);
});

test("typed numbers: full-width digits, empty, nonsense", () => {
  assert.equal(parseNumber("１２８"), 128);
  assert.equal(parseNumber(" -1 "), -1);
  assert.equal(parseNumber("－１"), -1);
  assert.equal(parseNumber(""), null);
  assert.equal(parseNumber("abc"), undefined);
  assert.equal(parseNumber("Infinity"), undefined);
});

test("ratios keep the area and the unit", () => {
  assert.deepEqual(ratioSize([512, 512], [1, 1]), [512, 512]);
  for (const ratio of [[4, 3], [3, 4], [16, 9], [9, 16], [3, 2]]) {
    const [width, height] = ratioSize([512, 512], ratio);
    assert.equal(width % 8, 0);
    assert.equal(height % 8, 0);
    assert.ok(Math.abs((width * height) / (512 * 512) - 1) < 0.06, `${width}x${height}`);
    assert.ok(Math.abs(width / height / (ratio[0] / ratio[1]) - 1) < 0.04);
  }
});

test("a size finds the name of its ratio again", () => {
  const ratios = ["1:1", "4:3", "3:4", "16:9", "9:16"];
  for (const name of ratios) assert.equal(ratioName([128, 128], ratioSize([128, 128], name.split(":").map(Number)), ratios), name);
  assert.equal(ratioName([512, 512], [1024, 768], ratios), "4:3");
  assert.equal(ratioName([512, 512], [520, 512], ratios), "");
});

test("grids use the room", () => {
  assert.equal(gridColumns(1, 1, 1.2), 1);
  assert.equal(gridColumns(4, 1, 1.1), 2);
  assert.equal(gridColumns(2, 1, 2), 2);
  assert.equal(gridColumns(2, 1, 0.5), 1);
  assert.equal(gridColumns(9, 1, 1), 3);
});

test("throttle: first at once, last always, never more", () => {
  let time = 0;
  const timers = [];
  const calls = [];
  const run = throttle((x) => calls.push([time, x]), 100, () => time, (fn, ms) => timers.push([time + ms, fn]), () => timers.pop());
  run(1);
  time = 10;
  run(2);
  time = 20;
  run(3);
  assert.deepEqual(calls, [[0, 1]]);
  time = 100;
  timers.shift()[1]();
  assert.deepEqual(calls, [[0, 1], [100, 3]]);
  time = 110;
  run(4);
  run.flush();
  assert.deepEqual(calls.at(-1), [110, 4]);
  run(5);
  run.cancel();
  run.flush();
  assert.equal(calls.length, 3);
});
