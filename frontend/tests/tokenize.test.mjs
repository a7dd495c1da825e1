import assert from "node:assert/strict";
import { test } from "node:test";
import { reweigh, tokenize } from "../src/lib/tokenize.js";

const marks = (text) => tokenize(text).map((s) => `${s.kind} ${text.slice(s.from, s.to)}`);

test("weights, weakening, schedules, networks", () => {
  assert.deepEqual(marks("城市(红色:1.2)汽车，[白天:夜晚:0.6]，<lora:水墨:0.7>"), ["weight (红色:1.2)", "schedule [白天:夜晚:0.6]", "network <lora:水墨:0.7>"]);
  assert.deepEqual(marks("[a] [b|c]"), ["weaken [a]", "schedule [b|c]"]);
});

test("nesting: outer before inner, with depth", () => {
  const spans = tokenize("((a))[x:(y:1.3):4]");
  assert.deepEqual(spans.map((s) => [s.kind, s.from, s.to, s.depth]), [
    ["weight", 0, 5, 0],
    ["weight", 1, 4, 1],
    ["schedule", 5, 18, 0],
    ["weight", 8, 15, 1],
  ]);
});

test("a colon inside round brackets is no schedule of the square ones outside", () => {
  assert.deepEqual(marks("[(a:1.2)]"), ["weaken [(a:1.2)]", "weight (a:1.2)"]);
});

test("escapes are text", () => {
  assert.deepEqual(marks("\\(a\\)"), ["escape \\(", "escape \\)"]);
});

test("strays are marked where they stand", () => {
  assert.deepEqual(marks("a) (b [c"), ["stray )", "stray (", "stray ["]);
  assert.deepEqual(marks("(a]"), ["stray (", "stray ]"]);
  assert.deepEqual(marks("(a [b)"), ["weight (a [b)", "stray ["]);
});

test("keywords only as whole words", () => {
  assert.deepEqual(marks("a BREAK b AND c ANDROID BREAKS xBREAK"), ["keyword BREAK", "keyword AND"]);
});

test("spans are sorted and inside the text, whatever is typed", () => {
  const alphabet = "()[]<>:|\\ab，红1.BREAK";
  let state = 7;
  for (let round = 0; round < 2000; round += 1) {
    let text = "";
    for (let i = 0; i < 24; i += 1) {
      state = (state * 1103515245 + 12345) % 2147483648;
      text += alphabet[state % alphabet.length];
    }
    let last = -1;
    for (const { from, to } of tokenize(text)) {
      assert.ok(from >= last && to > from && to <= text.length, text);
      last = from;
    }
  }
});

test("long prompts stay fast", () => {
  const text = "(".repeat(4000) + "a" + ")".repeat(4000) + "[a:b:3]".repeat(500);
  const began = performance.now();
  assert.equal(tokenize(text).length, 4500);
  assert.ok(performance.now() - began < 500);
});

test("reweigh adds, changes and removes weights", () => {
  assert.equal(reweigh("red", 0, 3, 0.1), "(red:1.1)");
  assert.equal(reweigh("(red:1.1)", 0, 9, 0.1), "(red:1.2)");
  assert.equal(reweigh("(red:1.1)", 0, 9, -0.1), "red");
  assert.equal(reweigh("(red:2)", 0, 7, 0.1), "(red:2)");
});
