/** A panel that is a list of fields, as data from Python (`widgets/_fields.py`). */
import { frame, h, icon, numberInput, select, slider } from "./lib/dom.js";
import { hintOf } from "./lib/format.js";

function render(host) {
  const ctx = frame(host, "fields-panel");
  const grid = h("div", { class: "ra-row ra-fields" });
  const rest = h("div", { class: "ra-row ra-fields" });
  const more = h("details", { class: "ra-fields-more" }, h("summary", {}, icon("right"), h("span", {}, ctx.text("fields.more"))), rest);
  const word = (name, value) => ctx.get("texts")?.[`${name}:${value}`] ?? value;
  const css = (name) => name.replaceAll("_", "-");

  const switchFor = (field) => {
    const box = h("input", { type: "checkbox", class: "ra-check", role: "switch" });
    box.addEventListener("change", () => ctx.push({ [field.name]: box.checked }));
    ctx.watch(field.name, () => {
      box.checked = Boolean(ctx.get(field.name));
    });
    return h("label", { class: `ra-field ra-switch ra-${css(field.name)}` }, box, h("span", {}, ctx.text(field.name)));
  };
  const segmentsFor = (field) => {
    const row = h("div", { class: "ra-segments", role: "radiogroup" });
    const choose = (value) => {
      ctx.push({ [field.name]: value });
      row.querySelector("[aria-checked=true]")?.focus();
    };
    row.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (!way) return;
      event.preventDefault();
      const at = field.values.indexOf(ctx.get(field.name));
      choose(field.values[(at + way + field.values.length) % field.values.length]);
    });
    ctx.watch(`${field.name} texts`, () => {
      const focused = row.contains(document.activeElement);
      row.setAttribute("aria-label", ctx.t(field.name));
      row.replaceChildren(
        ...field.values.map((value) => {
          const on = value === ctx.get(field.name);
          return h("button", { type: "button", role: "radio", class: "ra-segment", "data-value": value, "aria-checked": String(on), tabindex: on ? 0 : -1, text: word(field.name, value), onclick: () => choose(value) });
        }),
      );
      if (focused) row.querySelector("[aria-checked=true]")?.focus();
    });
    return row;
  };
  const selectFor = (field) => {
    const choices = `${field.name}_values`;
    // a list that never changes is no trait: it is read from the field
    const own = field.values?.length ? { ...ctx, get: (name) => (name === choices ? field.values : ctx.get(name)) } : ctx;
    return select(own, field.name, choices, (value) => word(field.name, value));
  };
  const make = (field) => {
    if (field.kind === "switch") return switchFor(field);
    const control =
      field.kind === "segments" ? segmentsFor(field) : field.kind === "select" ? selectFor(field) : field.kind === "number" ? numberInput(ctx, field.name, field) : slider(ctx, field.name, field);
    const node = ctx.field(css(field.name), field.name, control);
    if (field.hints) {
      const hint = h("p", { class: "ra-hint", "aria-live": "polite" });
      ctx.watch(`${field.name} texts`, () => {
        hint.textContent = ctx.t(hintOf(field.hints, ctx.get(field.name)));
      });
      node.append(hint);
    }
    return node;
  };

  for (const field of ctx.get("fields") ?? []) {
    const node = make(field);
    node.toggleAttribute("data-wide", Boolean(field.wide || field.kind === "segments"));
    if (ctx.get("texts")?.[`${field.name}.tip`]) ctx.say(node, { title: `${field.name}.tip` });
    const [name, value] = field.when ?? [];
    ctx.watch(name ? `unused ${name}` : "unused", () => {
      node.hidden = Boolean(ctx.get("unused")?.includes(field.name) || (name && ctx.get(name) !== value));
    });
    (field.more ? rest : grid).append(node);
  }
  ctx.watch("unused", () => {
    more.hidden = [...rest.children].every((node) => node.hidden);
  });
  const note = h("p", { class: "ra-note", role: "note" });
  ctx.watch("note", () => {
    note.textContent = ctx.get("note") ?? "";
    note.hidden = !note.textContent;
  });
  ctx.root.append(note, grid, more);
  return ctx.finish();
}

export default { render };
