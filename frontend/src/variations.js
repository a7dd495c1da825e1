/** A picture among its variations: choose one, and go on from there. */
import { h, icon, slider } from "./lib/dom.js";
import stage, { renderStage } from "./stage.js";

function render(host) {
  return renderStage(host, (ctx) => {
    const button = (kind, name, key) => h("button", { type: "button", class: `ra-action ${kind}`, onclick: () => ctx.send({ type: kind.replace("ra-", "").replaceAll("-", "_") }) }, icon(name), h("span", {}, ctx.text(key)));
    const goOn = button("ra-go-on", "right", "variations.go_on");
    const again = button("ra-again", "recycle", "variations.again");
    const stop = button("ra-stop", "close", "stop");
    const strength = ctx.field("strength", "variations.strength", slider(ctx, "strength", { min: 0, max: 1, step: 0.05 }));
    const hint = h("p", { class: "ra-hint" }, ctx.text("variations.hint"));
    ctx.watch("busy pictures", () => {
      const busy = Boolean(ctx.get("busy"));
      goOn.disabled = busy || !(ctx.get("pictures") ?? []).length;
      again.disabled = busy;
      stop.hidden = !busy;
    });
    return h("div", { class: "ra-variations-bar" }, strength, h("div", { class: "ra-actions" }, goOn, again, stop), hint);
  });
}

export default { initialize: stage.initialize, render };
