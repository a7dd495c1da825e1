/** The head of the studio: seal and name, tabs, model, queue, language, skin. */
import { frame, h, icon } from "./lib/dom.js";

function render(host) {
  const ctx = frame(host, "header-bar");
  const tabs = h("nav", { class: "ra-tabs", role: "tablist" });
  ctx.watch("tabs tab texts", () => {
    tabs.replaceChildren(
      ...(ctx.get("tabs") ?? []).map(({ id, title }) =>
        h("button", { type: "button", role: "tab", class: "ra-tab", "data-tab": id, "aria-selected": String(id === ctx.get("tab")), text: title, onclick: () => ctx.push({ tab: id }) }),
      ),
    );
  });

  // -- the model and the list of models
  const dot = h("span", { class: "ra-dot" });
  const name = h("b");
  const device = h("span", { class: "ra-device" });
  const menu = h("div", { class: "ra-menu", role: "listbox", hidden: true });
  const chip = h("button", { type: "button", class: "ra-pill ra-model", "aria-haspopup": "listbox", "aria-expanded": "false" }, dot, h("span", { class: "ra-pill-word" }, ctx.text("model")), name, device, icon("down"));
  const toggle = (open) => {
    menu.hidden = !open;
    chip.setAttribute("aria-expanded", String(open));
    if (open) {
      ctx.send({ type: "models" });
      (menu.querySelector("[aria-selected=true]") ?? menu.firstElementChild)?.focus();
    }
  };
  chip.addEventListener("click", () => toggle(menu.hidden));
  const outside = (event) => {
    if (!menu.hidden && !event.composedPath().includes(chip.parentElement)) toggle(false);
  };
  const escape = (event) => {
    if (event.key !== "Escape" || menu.hidden) return;
    toggle(false);
    chip.focus();
    event.stopPropagation();
  };
  document.addEventListener("pointerdown", outside);
  document.addEventListener("keydown", escape, true);
  menu.addEventListener("keydown", (event) => {
    const items = [...menu.querySelectorAll("button")];
    const at = items.indexOf(document.activeElement);
    if (event.key === "ArrowDown") items[(at + 1) % items.length]?.focus();
    else if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  ctx.watch("model device state texts", () => {
    name.textContent = ctx.get("model") ?? "";
    device.textContent = ctx.get("device") ? `· ${ctx.get("device")}` : "";
    dot.dataset.state = ctx.get("state") ?? "idle";
    dot.title = ctx.t(`state.${ctx.get("state") ?? "idle"}`);
  });
  ctx.watch("models model texts", () => {
    const models = ctx.get("models") ?? [];
    const focused = menu.contains(document.activeElement);
    menu.replaceChildren(
      ...models.map((m) =>
        h(
          "button",
          {
            type: "button",
            role: "option",
            class: "ra-menu-item",
            "data-model": m.name,
            "aria-selected": String(m.name === ctx.get("model")),
            onclick: () => {
              toggle(false);
              if (m.name !== ctx.get("model")) ctx.send({ type: "load", name: m.name });
            },
          },
          h("b", { text: m.name }),
          h("span", { text: m.detail }),
        ),
      ),
    );
    if (focused) menu.querySelector("[aria-selected=true]")?.focus();
    if (!models.length) menu.append(h("p", { class: "ra-menu-empty", text: ctx.t("models.none") }));
  });

  // -- queue, language, skin
  const number = h("b");
  const queue = h("span", { class: "ra-pill ra-queue", "aria-live": "polite" }, h("span", {}, ctx.text("queue")), number);
  ctx.watch("queue", () => {
    number.textContent = String(ctx.get("queue") ?? 0);
    queue.toggleAttribute("data-idle", !ctx.get("queue"));
  });
  const zh = h("span", { text: "中文", lang: "zh-CN" });
  const en = h("span", { text: "EN", lang: "en" });
  const language = h("button", { type: "button", class: "ra-pill ra-language", onclick: () => ctx.push({ lang: ctx.get("lang") === "en" ? "zh_CN" : "en" }) }, zh, h("i", { text: "/" }), en);
  ctx.say(language, { title: "language.tip", "aria-label": "language.tip" });
  ctx.watch("lang", () => {
    zh.toggleAttribute("data-on", ctx.get("lang") !== "en");
    en.toggleAttribute("data-on", ctx.get("lang") === "en");
  });
  const sun = icon("sun");
  const moon = icon("moon");
  const word = h("span");
  const skin = h("button", { type: "button", class: "ra-pill ra-skin" }, sun, moon, word);
  ctx.say(skin, { title: "skin.tip", "aria-label": "skin.tip" });
  skin.addEventListener("click", () => {
    const next = ctx.get("skin") === "dark" ? "light" : "dark";
    // at once, without waiting for the kernel: it may be busy importing
    const studio = ctx.root.closest(".ra-studio");
    if (studio) studio.dataset.skin = next;
    ctx.push({ skin: next });
  });
  ctx.watch("skin texts", () => {
    const dark = ctx.get("skin") === "dark";
    word.textContent = ctx.t(dark ? "skin.dark" : "skin.light");
    sun.style.display = dark ? "none" : "";
    moon.style.display = dark ? "" : "none";
  });

  ctx.root.append(
    h("div", { class: "ra-brand" }, h("span", { class: "ra-seal", "aria-hidden": "true", text: "稳" }), h("span", { class: "ra-brand-name" }, ctx.text("name"))),
    tabs,
    h("div", { class: "ra-pills" }, h("div", { class: "ra-model-box" }, chip, menu), queue, language, skin),
  );
  const done = ctx.finish();
  return () => {
    document.removeEventListener("pointerdown", outside);
    document.removeEventListener("keydown", escape, true);
    done();
  };
}

export default { render };
