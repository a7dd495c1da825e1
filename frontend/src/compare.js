/** Before and after as a widget of its own. */
import { frame, h, icon } from "./lib/dom.js";
import { compareView } from "./lib/compare.js";
import { throttle } from "./lib/format.js";
import { keepPictures, pictureOf, watchPictures } from "./lib/pictures.js";

function render(host) {
  const ctx = frame(host, "compare-slider");
  const push = throttle((values) => ctx.push(values), 80);
  const state = {
    get: ctx.get,
    set(name, value) {
      ctx.model.set(name, value);
      if (name === "mode") ctx.push({ mode: value });
      else push({ [name]: value });
    },
  };
  const view = compareView(ctx, state);
  const empty = h("div", { class: "ra-empty" }, icon("compare"), h("p", { class: "ra-empty-text" }, ctx.text("compare.empty")));
  const holder = h("div", { class: "ra-compare-empty" }, empty);
  ctx.root.append(view.node, holder);
  ctx.watch("mode position gain", view.refresh);
  watchPictures(ctx, () => {
    const pair = [pictureOf(ctx, "before"), pictureOf(ctx, "after")];
    const ready = pair.every((picture) => picture?.url);
    view.node.hidden = !ready;
    holder.hidden = ready;
    if (ready) view.show(...pair);
  });
  const done = ctx.finish();
  return () => {
    push.flush();
    view.stop();
    done();
  };
}

export default {
  initialize({ model }) {
    keepPictures(model);
  },
  render,
};
