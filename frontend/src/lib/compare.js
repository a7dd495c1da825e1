/**
 * Two pictures over each other: wipe, blink, difference.
 *
 * The wipe is a range input over the pictures: mouse, touch, keyboard and screen readers know it. (The web component
 * img-comparison-slider only wipes, and a custom element can be defined once in a page but would stand in two bundles.)
 */
import { h, icon } from "./dom.js";

export const MODES = ["wipe", "blink", "difference"];
const BLINK = 700;

/**
 * @param ctx frame of the widget: texts `compare.*`
 * @param {{get: (name: string) => any, set: (name: string, value: any) => void}} state mode, position, gain
 * @returns {{node: HTMLElement, show(before, after): void, refresh(): void, stop(): void}}
 */
export function compareView(ctx, state) {
  const before = h("img", { class: "ra-compare-before", alt: "", draggable: "false" });
  const after = h("img", { class: "ra-compare-after", alt: "", draggable: "false" });
  const wipe = h("input", { type: "range", class: "ra-compare-wipe", min: 0, max: 100, step: "any" });
  const line = h("i", { class: "ra-compare-line", "aria-hidden": "true" }, icon("swap"));
  const tags = [h("span", { class: "ra-compare-tag", "data-side": "before" }, ctx.text("compare.before")), h("span", { class: "ra-compare-tag", "data-side": "after" }, ctx.text("compare.after"))];
  const box = h("div", { class: "ra-compare-box" }, after, before, line, ...tags, wipe);
  const view = h("div", { class: "ra-compare-view" }, box);
  const gain = h("input", { type: "range", class: "ra-range", min: 0, max: 5, step: 0.5 });
  const gainWord = h("span", { class: "ra-compare-gain-word" });
  const gainField = h("label", { class: "ra-compare-gain" }, h("span", {}, ctx.text("compare.gain")), gain, gainWord);
  const buttons = MODES.map((mode) =>
    h("button", { type: "button", class: "ra-segment", "data-mode": mode, role: "radio", onclick: () => choose(mode) }, ctx.text(`compare.${mode}`)),
  );
  const modes = h("div", { class: "ra-segments", role: "radiogroup" }, buttons);
  const bar = h("div", { class: "ra-compare-bar" }, modes, gainField);
  const node = h("div", { class: "ra-compare" }, view, bar);
  ctx.say(modes, { "aria-label": "compare.label" });
  ctx.say(wipe, { "aria-label": "compare.position" });

  let timer = null;
  let timed = "";
  const choose = (mode) => {
    state.set("mode", mode);
    refresh();
    buttons[MODES.indexOf(mode)].focus();
  };
  const blink = (flip) => {
    node.dataset.shown = flip ?? (node.dataset.shown === "before" ? "after" : "before");
  };
  const place = (part) => {
    node.style.setProperty("--ra-at", `${part}%`);
    wipe.style.setProperty("--ra-at", `${part}%`);
  };
  const refresh = () => {
    const mode = MODES.includes(state.get("mode")) ? state.get("mode") : "wipe";
    node.dataset.mode = mode;
    for (const button of buttons) {
      const on = button.dataset.mode === mode;
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    if (document.activeElement !== wipe) wipe.value = String(state.get("position") ?? 50);
    place(Number(wipe.value));
    wipe.hidden = mode !== "wipe";
    gainField.hidden = mode !== "difference";
    const times = state.get("gain") ?? 4;
    gain.value = String(Math.log2(times));
    gain.style.setProperty("--ra-part", `${(Number(gain.value) / 5) * 100}%`);
    gainWord.textContent = `×${Number(times.toFixed(1))}`;
    node.style.setProperty("--ra-gain", times);
    if (mode === timed) return;
    timed = mode;
    clearInterval(timer);
    blink("after");
    // whoever wants less motion flips them with a click or the space bar
    const calm = window.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
    if (mode === "blink" && !calm) timer = setInterval(blink, BLINK);
  };
  wipe.addEventListener("input", () => {
    place(Number(wipe.value));
    state.set("position", Math.round(Number(wipe.value) * 100) / 100);
  });
  // the native step "any" makes the arrow keys jump: one part in fifty, ten with Shift
  wipe.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    wipe.value = String(Math.min(100, Math.max(0, Number(wipe.value) + way * (event.shiftKey ? 10 : 2))));
    wipe.dispatchEvent(new Event("input"));
  });
  gain.addEventListener("input", () => {
    state.set("gain", Math.round(2 ** Number(gain.value) * 10) / 10);
    refresh();
  });
  view.addEventListener("click", () => {
    if (node.dataset.mode === "blink") blink();
  });
  node.addEventListener("keydown", (event) => {
    const at = MODES.indexOf(node.dataset.mode);
    if (modes.contains(event.target) && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
      choose(MODES[(at + (event.key === "ArrowRight" ? 1 : MODES.length - 1)) % MODES.length]);
    } else if (["1", "2", "3"].includes(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      choose(MODES[Number(event.key) - 1]);
    } else if (event.key === " " && node.dataset.mode === "blink") blink();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  return {
    node,
    refresh,
    /** Show two pictures, `{url, width, height}` each. */
    show(left, right) {
      for (const [image, picture] of [[before, left], [after, right]]) {
        if (picture?.url && image.src !== picture.url) image.src = picture.url;
      }
      node.style.setProperty("--ra-aspect", (right?.width ?? 1) / (right?.height ?? 1));
      refresh();
    },
    stop() {
      clearInterval(timer);
      timed = "";
    },
  };
}
