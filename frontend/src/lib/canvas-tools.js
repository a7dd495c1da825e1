/** Parts of the tool bars of the painting widgets. */
import "./canvas-icons.js";
import { confirmOn, freshId, h, icon, numberInput, slider } from "./dom.js";
import { throttle } from "./format.js";

/** `push(values)`: shown at once, sent to Python a little later, all that has changed until then; `push.flush()` sends now. */
export function slowPush(ctx, ms = 80) {
  let waiting = {};
  const send = throttle(() => {
    const values = waiting;
    waiting = {};
    if (Object.keys(values).length) ctx.push(values);
  }, ms);
  const push = (values) => {
    Object.assign(waiting, values);
    for (const [name, value] of Object.entries(values)) ctx.model.set(name, value);
    send();
  };
  push.flush = () => send.flush();
  return push;
}

/** Buttons of which one is pressed: `choices` are [value, icon, text key, shortcut]; the value is a trait. */
export function choice(ctx, trait, choices, label) {
  const buttons = choices.map(([value, name, key, letter]) => {
    const node = h("button", { type: "button", class: `ra-ghost ra-tool ra-tool-${value}`, "data-value": value, onclick: () => ctx.push({ [trait]: value }) }, icon(name));
    ctx.onTexts(() => {
      node.title = letter ? `${ctx.t(key)} (${letter})` : ctx.t(key);
      node.setAttribute("aria-label", ctx.t(key));
    });
    if (letter) node.setAttribute("aria-keyshortcuts", letter);
    return node;
  });
  const group = ctx.say(h("div", { class: "ra-tools", role: "radiogroup" }, buttons), { "aria-label": label });
  for (const node of buttons) node.setAttribute("role", "radio");
  ctx.watch(trait, () => {
    const value = ctx.get(trait);
    const known = buttons.some((node) => node.dataset.value === value);
    buttons.forEach((node, index) => {
      const on = node.dataset.value === value;
      node.setAttribute("aria-checked", String(on));
      // one stop for the tab key; the arrows choose
      node.tabIndex = on || (!known && index === 0) ? 0 : -1;
    });
  });
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const shown = buttons.filter((node) => !node.hidden);
    const next = shown[(shown.indexOf(document.activeElement) + step + shown.length) % shown.length];
    next.focus();
    next.click();
    event.preventDefault();
    event.stopPropagation();
  });
  return group;
}

/** A button with an icon whose tip names its key. */
export function tool(ctx, name, iconName, key, letter, action) {
  const node = h("button", { type: "button", class: `ra-ghost ra-tool ra-${name}`, onclick: () => action(node) }, icon(iconName));
  if (letter) node.setAttribute("aria-keyshortcuts", letter.replace("Ctrl", "Control"));
  ctx.onTexts(() => {
    node.title = letter ? `${ctx.t(key)} (${letter})` : ctx.t(key);
    node.setAttribute("aria-label", ctx.t(key));
  });
  return node;
}

/** A slider in one line with its word before it. */
export function lineSlider(ctx, trait, key, options) {
  const control = slider(ctx, trait, options);
  const input = control.querySelector("input");
  input.id = freshId(trait);
  return h("div", { class: `ra-line ra-line-${trait}` }, h("label", { for: input.id }, ctx.text(key)), control);
}

/** A small number in one line with its word before it. */
export function lineNumber(ctx, trait, key, options) {
  const input = numberInput(ctx, trait, options);
  input.id = freshId(trait);
  return h("div", { class: `ra-line ra-line-${trait}` }, h("label", { for: input.id }, ctx.text(key)), input);
}

/** Offer bytes as a file to save. */
export function download(bytes, name, type, button) {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
  if (button) confirmOn(button);
}

/** A hidden file field; `pick()` opens the browser's dialog, and `take(file)` gets what was chosen. */
export function filePicker(take) {
  const input = h("input", { type: "file", accept: "image/*", hidden: true, tabindex: -1 });
  input.addEventListener("change", () => {
    if (input.files.length) take(input.files[0]);
    input.value = "";
  });
  return { input, pick: () => input.click() };
}

/** Take files that are dropped on an element. */
export function dropTarget(node, take) {
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  node.addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    node.toggleAttribute("data-drop", true);
  });
  node.addEventListener("dragleave", () => node.toggleAttribute("data-drop", false));
  node.addEventListener("drop", (event) => {
    node.toggleAttribute("data-drop", false);
    if (!files(event)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
}

/** A colour of the skin as [r, g, b]. */
export function skinColor(node, name) {
  const probe = h("i", { style: `color: var(${name}); display: none` });
  node.append(probe);
  const found = getComputedStyle(probe).color.match(/[\d.]+/g) ?? [194, 64, 45];
  probe.remove();
  return found.slice(0, 3).map(Number);
}
