/** Width and height, ratio presets, swap. */
import { frame, h, icon, numberInput } from "./lib/dom.js";
import { ratioName, ratioSize } from "./lib/format.js";

const RATIOS = ["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16"];

function render(host) {
  const ctx = frame(host, "size-panel");
  const options = { min: 64, max: 4096, step: 8, nullable: true };
  const width = ctx.say(numberInput(ctx, "width", options), { "aria-label": "width", title: "width" });
  const height = ctx.say(numberInput(ctx, "height", options), { "aria-label": "height", title: "height" });
  const base = () => ctx.get("base_size") ?? [512, 512];
  const ratio = ctx.say(h("select", { class: "ra-quiet-select" }), { "aria-label": "ratio", title: "ratio" });
  ratio.addEventListener("change", () => {
    if (!ratio.value) return;
    const [w, hgt] = ratioSize(base(), ratio.value.split(":").map(Number));
    ctx.push({ width: w, height: hgt });
  });
  ctx.watch("width height base_size texts", () => {
    const size = [ctx.get("width") ?? base()[0], ctx.get("height") ?? base()[1]];
    width.placeholder = String(base()[0]);
    height.placeholder = String(base()[1]);
    const name = ratioName(base(), size, RATIOS);
    const own = name ? [] : [h("option", { value: "", text: ctx.t("ratio.own") })];
    ratio.replaceChildren(...own, ...RATIOS.map((r) => h("option", { value: r, text: r })));
    ratio.value = name;
  });
  const swap = ctx.iconButton("ra-swap", "swap", "swap", () => {
    ctx.push({ width: ctx.get("height"), height: ctx.get("width") });
  });
  const tools = h("span", { class: "ra-label-tools" }, h("span", { class: "ra-select ra-select-quiet" }, ratio, icon("down")), swap);
  const control = h("div", { class: "ra-pair" }, width, h("span", { class: "ra-times", "aria-hidden": "true", text: "×" }), height);
  ctx.root.append(ctx.field("size", "size", control, tools));
  return ctx.finish();
}

export default { render };
