/** Variation seed and its strength, CLIP skip. */
import { frame, h, numberInput, slider } from "./lib/dom.js";

function render(host) {
  const ctx = frame(host, "advanced-panel");
  ctx.root.append(
    h(
      "div",
      { class: "ra-row" },
      ctx.field("subseed", "subseed", numberInput(ctx, "subseed", { min: -1, max: 4294967295 })),
      ctx.field("subseed-strength", "subseed_strength", slider(ctx, "subseed_strength", { min: 0, max: 1, step: 0.05 })),
      ctx.field("clip-skip", "clip_skip", slider(ctx, "clip_skip", { min: 1, max: 12, soft: 4 })),
    ),
  );
  return ctx.finish();
}

export default { render };
