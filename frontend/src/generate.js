/** Generate, stop, turn into code. */
import { confirmOn, copyText, frame, h, icon } from "./lib/dom.js";

function render(host) {
  const ctx = frame(host, "generate-bar");
  const hint = h("small", { text: /Mac|iP(hone|ad)/.test(navigator.platform) ? "⌘ + Enter" : "Ctrl + Enter" });
  const generate = h("button", { type: "button", class: "ra-button ra-primary ra-generate", onclick: () => ctx.send({ type: "generate" }) }, h("span", {}, ctx.text("generate")), hint);
  const stop = h("button", { type: "button", class: "ra-button ra-stop", onclick: () => ctx.send({ type: "stop" }) }, h("span", {}, ctx.text("stop")));
  const code = h("button", { type: "button", class: "ra-button ra-to-code", "aria-expanded": "false", onclick: () => ctx.send({ type: ctx.get("code") ? "hide_code" : "code" }) }, h("span", {}, ctx.text("to_code")));
  ctx.say(stop, { title: "stop.tip" });
  ctx.watch("busy", () => {
    stop.disabled = !ctx.get("busy");
    ctx.root.toggleAttribute("data-busy", Boolean(ctx.get("busy")));
  });

  const pre = h("pre", { class: "ra-code-text", tabindex: 0 });
  const copy = h("button", { type: "button", class: "ra-ghost ra-code-copy", onclick: async () => confirmOn(copy, await copyText(ctx.get("code"))) }, icon("copy"));
  ctx.say(copy, { title: "copy", "aria-label": "copy" });
  const panel = h("div", { class: "ra-code" }, pre, copy);
  ctx.watch("code", () => {
    pre.textContent = ctx.get("code") ?? "";
    panel.hidden = !ctx.get("code");
    code.setAttribute("aria-expanded", String(Boolean(ctx.get("code"))));
  });
  ctx.root.append(h("div", { class: "ra-buttons" }, generate, stop, code), panel);
  return ctx.finish();
}

export default { render };
