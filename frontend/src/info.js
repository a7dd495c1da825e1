/** The parameters of the picture that is shown, and what can be done with them. */
import { confirmOn, copyText, frame, h, icon } from "./lib/dom.js";
import { seconds, short } from "./lib/format.js";
import { openMenu } from "./lib/menu.js";

function render(host) {
  const ctx = frame(host, "info-bar");
  const prompt = h("p", { class: "ra-info-prompt" });
  const chips = h("div", { class: "ra-meta" });
  const info = () => ctx.get("info") ?? {};

  const action = (name, kind, key, listener) => {
    const node = h("button", { type: "button", class: `ra-action ${kind}` }, icon(name), h("span", {}, ctx.text(key)));
    node.addEventListener("click", () => listener(node));
    return ctx.say(node, { title: `${key}.tip` });
  };
  const send = action("send", "ra-send", "send_to", (node) =>
    openMenu(ctx.root, ctx.get("targets") ?? [], { anchor: node }, (target) => ctx.send({ type: "send", target })),
  );
  send.setAttribute("aria-haspopup", "menu");
  send.append(icon("down"));
  const vary = action("grid", "ra-vary", "vary", () => ctx.send({ type: "vary" }));
  ctx.watch("can_vary info", () => {
    vary.hidden = !(ctx.get("can_vary") && info().sampler);
  });
  ctx.watch("targets", () => {
    send.hidden = !(ctx.get("targets") ?? []).length;
  });
  const actions = h(
    "div",
    { class: "ra-actions" },
    send,
    action("recycle", "ra-reuse", "reuse", (node) => {
      ctx.send({ type: "reuse", fields: [] });
      confirmOn(node);
    }),
    vary,
    action("copy", "ra-copy", "copy_parameters", async (node) => confirmOn(node, await copyText(info().infotext ?? ""))),
    action("code", "ra-copy-code", "copy_code", async (node) => confirmOn(node, await copyText(info().code ?? ""))),
    action("save", "ra-save", "save", () => ctx.send({ type: "save" })),
  );
  ctx.on("msg:custom", (message, buffers) => {
    if (message?.type !== "file" || !buffers?.length) return;
    const url = URL.createObjectURL(new Blob([buffers[0]], { type: message.mime }));
    const link = h("a", { href: url, download: message.name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 4000);
  });

  const chip = (label, value, fields) => {
    const node = h("button", { type: "button", class: "ra-code-chip", title: ctx.t("reuse.one") }, label ? h("span", { class: "ra-chip-label", text: label }) : null, h("span", { text: value }));
    node.addEventListener("click", () => {
      ctx.send({ type: "reuse", fields });
      confirmOn(node);
    });
    return node;
  };
  ctx.watch("info texts", () => {
    const i = info();
    const here = Boolean(i.id || i.infotext);
    ctx.root.toggleAttribute("data-empty", !here);
    prompt.textContent = i.prompt ?? "";
    prompt.title = i.prompt ?? "";
    if (!here) {
      chips.replaceChildren(h("span", { class: "ra-info-none", text: ctx.t("info.none") }));
      return;
    }
    const scheduler = i.scheduler && i.scheduler !== "Automatic" ? ` ${i.scheduler}` : "";
    const facts = [i.model ? ctx.t("info.model", { model: i.model }) : "", i.seconds ? ctx.t("info.seconds", { seconds: seconds(i.seconds) }) : ""];
    // an enlarged picture has neither sampler nor steps
    const drawn = Boolean(i.sampler);
    chips.replaceChildren(
      ...(drawn ? [chip(ctx.t("seed"), String(i.seed), ["seed"]), ...(i.subseed_strength > 0 ? [chip(ctx.t("subseed"), `${i.subseed} · ${short(i.subseed_strength)}`, ["subseed", "subseed_strength"])] : []), chip("", `${i.sampler}${scheduler}`, ["sampler", "scheduler"]), chip("", ctx.t("info.steps", { steps: i.steps }), ["steps"]), chip("CFG", short(i.cfg_scale), ["cfg_scale"])] : []),
      chip("", `${i.width}×${i.height}`, ["width", "height"]),
      h("span", { class: "ra-info-facts", text: facts.filter(Boolean).join(" · ") }),
    );
  });
  ctx.root.append(prompt, chips, actions);
  return ctx.finish();
}

export default { render };
