/** What a control unit sees: picture, map, and the map over the picture as strongly as it steers. */
import { frame, h, slider } from "./lib/dom.js";
import { keepPictures, pictureOf, watchPictures } from "./lib/pictures.js";

const VIEWS = ["side", "overlay", "map"];

function render(host) {
  const ctx = frame(host, "control-preview");
  const figure = (name) => {
    const image = h("img", { class: `ra-control-${name}`, alt: "", draggable: "false" });
    return { image, node: h("figure", { class: "ra-control-figure", "data-name": name }, image, h("figcaption", {}, ctx.text(`control.${name}`))) };
  };
  const source = figure("source");
  const map = figure("map");
  const none = h("p", { class: "ra-empty-text ra-control-none" });
  const sheet = h("div", { class: "ra-control-sheet" }, source.node, map.node, none);
  const word = { side: "control.side", overlay: "control.overlay", map: "control.map" };
  const views = h(
    "div",
    { class: "ra-segments", role: "radiogroup" },
    VIEWS.map((view) => h("button", { type: "button", role: "radio", class: "ra-segment", "data-view": view, onclick: () => choose(view) }, ctx.text(word[view]))),
  );
  ctx.say(views, { "aria-label": "control.preview" });
  const choose = (view) => {
    ctx.push({ view });
    views.querySelector("[aria-checked=true]").focus();
  };
  views.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    choose(VIEWS[(VIEWS.indexOf(ctx.get("view")) + way + VIEWS.length) % VIEWS.length]);
  });
  const weight = ctx.field("control-weight", "control.weight", slider(ctx, "weight", { min: 0, max: 2, step: 0.05 }));
  ctx.watch("steered", () => {
    weight.hidden = !ctx.get("steered");
  });
  ctx.watch("view", () => {
    ctx.root.dataset.view = ctx.get("view");
    for (const button of views.children) {
      const on = button.dataset.view === ctx.get("view");
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
    }
  });
  ctx.watch("weight", () => sheet.style.setProperty("--ra-part", Math.min(1, (ctx.get("weight") ?? 1) / 2 + 0.25)));
  const arrange = () => {
    const pair = [pictureOf(ctx, "source"), pictureOf(ctx, "map")];
    [source, map].forEach(({ image, node }, index) => {
      const url = pair[index]?.url;
      if (url && image.src !== url) image.src = url;
      node.hidden = !url;
    });
    const shape = pair[1] ?? pair[0];
    sheet.style.setProperty("--ra-aspect", shape ? shape.width / shape.height : 1);
    ctx.root.toggleAttribute("data-busy", Boolean(ctx.get("busy")));
    const key = !pair[0] && !pair[1] ? "control.empty" : ctx.get("busy") ? "control.making" : !pair[1] ? "control.no_map" : "";
    none.textContent = key ? ctx.t(key) : "";
    none.hidden = !key;
  };
  watchPictures(ctx, arrange);
  ctx.on("change:busy change:texts", arrange);
  ctx.root.append(h("div", { class: "ra-control-bar" }, views), sheet, weight);
  return ctx.finish();
}

export default {
  initialize({ model }) {
    keepPictures(model);
  },
  render,
};
