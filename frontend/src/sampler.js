/** Sampler, schedule, steps, CFG. */
import { frame, h, select, slider } from "./lib/dom.js";

function render(host) {
  const ctx = frame(host, "sampler-panel");
  ctx.root.append(
    h(
      "div",
      { class: "ra-row" },
      ctx.field("sampler", "sampler", select(ctx, "sampler", "samplers")),
      ctx.field("scheduler", "scheduler", select(ctx, "scheduler", "schedulers", (name) => (name === "Automatic" ? ctx.t("scheduler.automatic") : name))),
      ctx.field("steps", "steps", slider(ctx, "steps", { min: 1, max: 150, soft: 60 })),
      ctx.field("cfg", "cfg", slider(ctx, "cfg_scale", { min: 0, max: 100, soft: 20, step: 0.5, nullable: true })),
    ),
  );
  return ctx.finish();
}

export default { render };
