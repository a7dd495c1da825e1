import assert from "node:assert/strict";
import { test } from "node:test";
import { addressIn, pictureFile, recordIn, RECORD } from "../src/lib/drop.js";
import { hintOf } from "../src/lib/format.js";
import { pieces, upload } from "../src/lib/upload.js";

const data = (types, files = []) => ({ getData: (type) => types[type] ?? "", files });

test("a picture of ours names itself; anything else is no id", () => {
  assert.equal(recordIn(data({ [RECORD]: "01ABC" })), "01ABC");
  assert.equal(recordIn(data({ [RECORD]: "../x" })), "");
  assert.equal(recordIn(data({})), "");
  assert.equal(recordIn(null), "");
});

test("the first picture among the files", () => {
  const files = [{ type: "text/plain", name: "a.txt" }, { type: "image/svg+xml", name: "b.svg" }, { type: "", name: "c.WEBP" }];
  assert.equal(pictureFile(data({}, files)), files[2]);
  assert.equal(pictureFile(data({}, files.slice(0, 2))), null);
  assert.equal(pictureFile(undefined), null);
});

test("the first web address, never another kind", () => {
  assert.equal(addressIn(data({ "text/uri-list": "# x\r\nblob:http://a/b\r\nhttps://a/b.png" })), "https://a/b.png");
  assert.equal(addressIn(data({ "text/uri-list": "javascript:alert(1)" })), "");
});

test("files travel in pieces that are whole again together", () => {
  assert.deepEqual(pieces(0), [[0, 0]]);
  assert.deepEqual(pieces(10, 4), [[0, 4], [4, 8], [8, 10]]);
  const sent = [];
  const bytes = new Uint8Array(9 * 2 ** 20).map((_, i) => i % 251);
  upload({ send: (content, _, [view]) => sent.push([content, view]) }, "file", bytes.buffer, { name: "x" });
  assert.deepEqual(sent.map(([c]) => [c.type, c.name, c.part, c.parts]), [["file", "x", 0, 3], ["file", "x", 1, 3], ["file", "x", 2, 3]]);
  assert.equal(new Set(sent.map(([c]) => c.upload)).size, 1);
  const whole = Buffer.concat(sent.map(([, view]) => Buffer.from(view.buffer)));
  assert.equal(Buffer.compare(whole, Buffer.from(bytes)), 0);
});

test("the sentence that belongs to a value", () => {
  const hints = [[0.4, "low"], [0.7, "middle"], [1, "high"]];
  assert.deepEqual([0, 0.4, 0.69, 1, NaN].map((x) => hintOf(hints, x)), ["low", "middle", "middle", "high", "high"]);
  assert.equal(hintOf([], 1), "");
});
