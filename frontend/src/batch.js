/** How many pictures: at once, and batches in a row. */
import { frame, h, slider } from "./lib/dom.js";

function render(host) {
  const ctx = frame(host, "batch-panel");
  const total = h("span", { class: "ra-total" });
  ctx.watch("batch_size n_iter texts", () => {
    total.textContent = ctx.t("batch.total", { count: ctx.get("batch_size") * ctx.get("n_iter") });
  });
  ctx.root.append(
    h(
      "div",
      { class: "ra-row" },
      ctx.field("batch-size", "batch_size", slider(ctx, "batch_size", { min: 1, max: 64, soft: 8 })),
      ctx.field("n-iter", "n_iter", slider(ctx, "n_iter", { min: 1, max: 1000, soft: 8 }), total),
    ),
  );
  return ctx.finish();
}

export default { render };
