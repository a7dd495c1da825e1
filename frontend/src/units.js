/** Units of one kind: one is edited at a time, some are used. */
import { frame, h } from "./lib/dom.js";

function render(host) {
  const ctx = frame(host, "units");
  const row = h("div", { class: "ra-unit-list", role: "tablist" });
  const add = h("button", { type: "button", class: "ra-link ra-unit-add", onclick: () => ctx.send({ type: "add" }) }, h("span", {}, "＋ ", ctx.text("units.add")));
  const remove = ctx.iconButton("ra-unit-remove", "trash", "units.remove", () => ctx.send({ type: "remove" }));
  ctx.watch("units selected texts", () => {
    const units = ctx.get("units") ?? [];
    const focused = row.contains(document.activeElement);
    const chips = units.map((unit, index) =>
      h(
        "button",
        { type: "button", role: "tab", class: "ra-unit", "aria-selected": String(index === ctx.get("selected")), "data-ready": unit.ready, title: unit.ready ? null : ctx.t("units.idle"), onclick: () => ctx.push({ selected: index }) },
        h("i", { class: "ra-dot" }),
        h("span", { text: unit.title || ctx.t("units.unit", { number: index + 1 }) }),
      ),
    );
    row.replaceChildren(...chips, add, remove);
    add.hidden = units.length >= (ctx.get("most") ?? 8);
    remove.hidden = units.length < 2;
    if (focused) chips[ctx.get("selected")]?.focus();
  });
  ctx.root.append(row);
  return ctx.finish();
}

export default { render };
