/** Building blocks that all widgets share: elements, icons, fields, and the frame around every widget. */
import { fill, parseNumber, throttle } from "./format.js";

/** An element. Attributes `on...` are listeners; text always goes in as text, never as markup. */
export function h(tag, attrs = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const PATHS = {
  dice: "M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM8.5 15.5h.01M12 12h.01M15.5 8.5h.01",
  recycle: "M4 12a8 8 0 0 1 13.7-5.6L20 8.7M20 4v4.7h-4.7M20 12a8 8 0 0 1-13.7 5.6L4 15.3M4 20v-4.7h4.7",
  swap: "M7 4 4 7l3 3M4 7h12M17 14l3 3-3 3M20 17H8",
  copy: "M9 9h10v11H9zM6 15H5V4h10v2",
  save: "M12 4v11M7.5 10.5 12 15l4.5-4.5M5 20h14",
  close: "M6 6l12 12M18 6 6 18",
  search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM20 20l-4.7-4.7",
  down: "M6 9l6 6 6-6",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  alert: "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17.2h.01",
  check: "M5 12.5l4.5 4.5L19 7.5",
  code: "M8.5 7 3.5 12l5 5M15.5 7l5 5-5 5",
  zoom: "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5",
  picture: "M4 5h16v14H4zM4 16l4.5-4.5 3.5 3.5 3-3 5 5M15.5 9h.01",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  paste: "M9 4h6v3H9zM9 5.5H6V20h12V5.5h-3",
  crop: "M7 3v14h14M3 7h14v14",
  sketch: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  undo: "M9 7 5 11l4 4M5 11h9a5 5 0 0 1 0 10h-3",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  link: "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.7 5.7l1-1",
  send: "M4 12h13M12 6l6 6-6 6",
  compare: "M12 3v18M4 6h5v12H4zM15 6h5v12h-5z",
};

/** A line icon in the colour of the text around it. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "ra-icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

let serial = 0;

/** A new id for label/for pairs, unique in the page. */
export function freshId(name) {
  serial += 1;
  return `ra-${name}-${serial}-${Math.random().toString(36).slice(2, 7)}`;
}

/** Bytes that came from Python (a DataView) as an object URL of a picture. */
export function pictureUrl(data, type = "image/png") {
  return URL.createObjectURL(new Blob([data], { type }));
}

/** Put text on the clipboard, also on pages without a secure origin. Resolves to whether it worked. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { style: "position:fixed;opacity:0" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/**
 * The frame of a widget: its root element, texts that follow the language, the error line, a door to Python.
 *
 * Values go to Python as messages, not as state updates: a browser may hold back state updates while the kernel is busy,
 * and then "generate" on one widget could overtake the prompt of another.
 */
export function frame({ model, el }, kind) {
  const root = h("div", { class: `ra-root ra-${kind}`, "data-lm-suppress-shortcuts": "true" });
  // Lab looks for its shortcuts from the focused element upwards, and some of them match that element itself: the mark on
  // the root alone would let "d d" on a button delete the notebook's cell
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  const updates = new Set();
  const bound = [];

  const ctx = {
    model,
    root,
    get: (name) => model.get(name),
    on(names, listener) {
      for (const name of names.split(" ")) {
        model.on(name, listener);
        bound.push([name, listener]);
      }
    },
    /** Run now and whenever one of the traits changes. */
    watch(names, listener) {
      ctx.on(names.split(" ").map((name) => `change:${name}`).join(" "), listener);
      listener();
    },
    t: (key, values) => fill(model.get("texts")?.[key] ?? key, values),
    /** A text node that follows the language. */
    text(key) {
      const node = document.createTextNode(ctx.t(key));
      updates.add(() => {
        node.data = ctx.t(key);
      });
      return node;
    },
    /** Attributes that follow the language: `{title: "swap"}`. */
    say(node, attrs) {
      const update = () => {
        for (const [name, key] of Object.entries(attrs)) node.setAttribute(name, ctx.t(key));
      };
      updates.add(update);
      update();
      return node;
    },
    /** Run now and at every change of language. */
    onTexts(update) {
      updates.add(update);
      update();
    },
    send: (content) => model.send(content),
    /** Set traits here and in Python. */
    push(values) {
      for (const [name, value] of Object.entries(values)) model.set(name, value);
      model.send({ type: "set", values });
    },
    button(kind_, key, listener, children = []) {
      const node = h("button", { type: "button", class: kind_, onclick: listener }, children, key ? h("span", {}, ctx.text(key)) : null);
      return node;
    },
    iconButton(kind_, name, key, listener) {
      const node = h("button", { type: "button", class: `ra-ghost ${kind_}`, onclick: listener }, icon(name));
      return ctx.say(node, { title: key, "aria-label": key });
    },
    /** A control with its word above it. `aside` stands at the right end of the word's line. */
    field(kind_, key, control, aside = null) {
      const target = control.matches?.("input, select, textarea") ? control : control.querySelector("input, select, textarea");
      if (target && !target.id) target.id = freshId(kind_);
      const label = h("label", { for: target?.id }, ctx.text(key));
      return h("div", { class: `ra-field ra-${kind_}` }, h("div", { class: "ra-label" }, label, aside), control);
    },
  };

  const error = h("div", { class: "ra-error", role: "alert" });
  const showError = () => {
    const sentence = model.get("_error");
    error.replaceChildren();
    if (!sentence) {
      error.remove();
      return;
    }
    const hint = ctx.t("error.hint");
    const close = ctx.iconButton("ra-error-close", "close", "error.close", () => ctx.push({ _error: "" }));
    error.append(icon("alert"), h("div", { class: "ra-error-text" }, h("strong", { text: sentence }), h("span", { text: hint })), close);
    (ctx.errorPlace ?? root).prepend(error);
    const box = error.getBoundingClientRect();
    if (box.height && (box.top < 0 || box.bottom > window.innerHeight)) error.scrollIntoView({ block: "nearest" });
  };

  ctx.finish = () => {
    ctx.on("change:texts", () => updates.forEach((update) => update()));
    ctx.watch("lang", () => {
      root.dataset.lang = model.get("lang");
      root.lang = model.get("lang") === "en" ? "en" : "zh-CN";
    });
    ctx.watch("skin", () => {
      root.dataset.skin = model.get("skin");
    });
    ctx.watch("disabled", () => {
      root.toggleAttribute("inert", Boolean(model.get("disabled")));
      root.toggleAttribute("data-disabled", Boolean(model.get("disabled")));
    });
    ctx.watch("_error", showError);
    ctx.on("change:texts", showError);
    el.append(root);
    root.dataset.ready = "1";
    return () => {
      for (const [name, listener] of bound) model.off(name, listener);
      root.remove();
    };
  };
  return ctx;
}

/** A number field for a trait. Empty means null where `nullable`; what is no number is undone. */
export function numberInput(ctx, trait, { min, max, step = 1, nullable = false, digits = 2 } = {}) {
  const input = h("input", { class: "ra-input ra-number", type: "number", inputmode: "decimal", min, max, step, autocomplete: "off" });
  const show = () => {
    const value = ctx.get(trait);
    if (document.activeElement !== input || parseNumber(input.value) !== value) {
      input.value = value === null || value === undefined ? "" : String(Number(Number(value).toFixed(digits)));
    }
  };
  const commit = () => {
    const value = parseNumber(input.value);
    if (value === undefined || (value === null && !nullable) || input.validity.badInput) {
      input.value = "";
      show();
    } else if (value !== ctx.get(trait)) ctx.push({ [trait]: value });
  };
  input.addEventListener("change", commit);
  // typed numbers count at once, so that Ctrl+Enter in the field uses them
  input.addEventListener("input", () => {
    const value = parseNumber(input.value);
    if (typeof value === "number" && !input.validity.badInput && value !== ctx.get(trait)) ctx.push({ [trait]: value });
  });
  ctx.watch(trait, show);
  return input;
}

/** A slider with a number field at its end, both for one trait. */
export function slider(ctx, trait, options) {
  const { min, max, step = 1, soft = max } = options;
  const number = numberInput(ctx, trait, options);
  const range = h("input", { class: "ra-range", type: "range", min, max: soft, step, "aria-hidden": "true", tabindex: -1 });
  const push = throttle((value) => ctx.push({ [trait]: value }), 60);
  const paint = () => {
    const part = (Number(range.value) - min) / (Number(range.max) - min || 1);
    range.style.setProperty("--ra-part", `${Math.min(100, Math.max(0, part * 100))}%`);
  };
  range.addEventListener("input", () => {
    number.value = String(Number(Number(range.value).toFixed(2)));
    paint();
    push(Number(range.value));
  });
  range.addEventListener("change", () => push.flush());
  // its end has moved
  range.addEventListener("ra-range", () => {
    range.value = String(ctx.get(trait) ?? min);
    paint();
  });
  ctx.watch(trait, () => {
    const value = ctx.get(trait);
    if (document.activeElement !== range || Number(range.value) !== value) range.value = String(value ?? min);
    paint();
  });
  return h("div", { class: "ra-slider" }, number, range);
}

/** A drop-down list for a trait whose choices are another trait (a list of names). */
export function select(ctx, trait, choices, label = (name) => name) {
  const node = h("select", { class: "ra-input" });
  const fillIn = () => {
    const value = ctx.get(trait);
    const names = ctx.get(choices) ?? [];
    const all = names.includes(value) || value === null || value === undefined ? names : [value, ...names];
    node.replaceChildren(...all.map((name) => h("option", { value: name, text: label(name) })));
    node.value = value;
  };
  node.addEventListener("change", () => ctx.push({ [trait]: node.value }));
  ctx.watch(`${trait} ${choices} texts`, fillIn);
  return h("div", { class: "ra-select" }, node, icon("down"));
}

/** Show on a button for a moment that it worked. */
export function confirmOn(button, done = true) {
  button.dataset.done = done ? "yes" : "no";
  clearTimeout(button.raTimer);
  button.raTimer = setTimeout(() => delete button.dataset.done, 1400);
}
