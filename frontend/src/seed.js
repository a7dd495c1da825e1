/** Seed: a number, the dice (-1: another one each time), the last one used. */
import { frame, h, icon, numberInput } from "./lib/dom.js";

function render(host) {
  const ctx = frame(host, "seed-panel");
  const input = numberInput(ctx, "seed", { min: -1, max: 4294967295, step: 1 });
  const dice = ctx.say(
    h("button", { type: "button", class: "ra-link ra-dice", onclick: () => ctx.push({ seed: -1 }) }, icon("dice"), h("span", {}, ctx.text("seed.random"))),
    { title: "seed.random.tip" },
  );
  const reuse = ctx.say(
    h(
      "button",
      {
        type: "button",
        class: "ra-link ra-reuse-seed",
        onclick: () => {
          if (ctx.get("last_seed") !== null) ctx.push({ seed: ctx.get("last_seed") });
        },
      },
      icon("recycle"),
      h("span", {}, ctx.text("seed.reuse")),
    ),
    { title: "seed.reuse.tip" },
  );
  ctx.watch("seed last_seed", () => {
    dice.setAttribute("aria-pressed", String(ctx.get("seed") === -1));
    reuse.disabled = ctx.get("last_seed") === null || ctx.get("last_seed") === undefined;
    input.toggleAttribute("data-random", ctx.get("seed") === -1);
  });
  ctx.root.append(ctx.field("seed", "seed", input, h("span", { class: "ra-label-tools" }, dice, reuse)));
  return ctx.finish();
}

export default { render };
