/** The root of the studio: places the widgets, carries language and skin for all of them, catches Ctrl+Enter. */
import { frame, h, icon } from "./lib/dom.js";

const PREFIX = "IPY_MODEL_";

function render(host) {
  const ctx = frame(host, "studio");
  const manager = host.model.widget_manager;
  const placedViews = new Set();
  let over = false;

  const slot = (name) => h("div", { class: `ra-slot ra-slot-${name}` });
  const place = async (target, ref) => {
    if (typeof ref !== "string" || !ref.startsWith(PREFIX)) return;
    const child = await manager.get_model(ref.slice(PREFIX.length));
    const view = await manager.create_view(child, {});
    if (over) {
      view.remove();
      return;
    }
    placedViews.add(view);
    target.append(view.el);
    // a view learns here that it is in the page; ipywidgets' own boxes and sliders measure themselves then
    view.trigger("displayed");
  };

  const slots = {};
  for (const name of ["header", "prompt", "sampler", "size", "seed", "batch", "advanced", "generate", "stage", "info", "gallery"]) slots[name] = slot(name);
  const errors = h("div", { class: "ra-errors" });
  ctx.errorPlace = errors;
  const panels = h("div", { class: "ra-slot ra-slot-panels", hidden: true });
  const more = h(
    "details",
    { class: "ra-block ra-block-more" },
    h("summary", {}, icon("right"), h("span", {}, ctx.text("more"))),
    h("div", { class: "ra-more-body" }, slots.batch, slots.advanced),
  );
  const controls = h(
    "section",
    { class: "ra-column ra-controls" },
    h("div", { class: "ra-block ra-block-prompt" }, slots.prompt),
    panels,
    h("div", { class: "ra-block ra-block-settings" }, slots.sampler, h("div", { class: "ra-row ra-size-seed" }, slots.size, slots.seed)),
    more,
    h("div", { class: "ra-block ra-block-actions" }, slots.generate),
  );
  // a tab that starts from a picture has a canvas; it takes turns with the stage
  const canvas = slot("canvas");
  const views = h(
    "div",
    { class: "ra-segments ra-shows", role: "tablist", hidden: true },
    ["input", "result"].map((name) => h("button", { type: "button", role: "tab", class: "ra-segment", "data-shows": name, onclick: () => ctx.push({ shows: name }) }, ctx.text(`shows.${name}`))),
  );
  ctx.say(views, { "aria-label": "shows" });
  const center = h("section", { class: "ra-column ra-center" }, views, canvas, slots.stage, h("div", { class: "ra-card ra-pad ra-info-card" }, slots.info));
  const side = h("aside", { class: "ra-column ra-side" }, h("div", { class: "ra-card ra-pad ra-gallery-card" }, slots.gallery));
  const layout = h("div", { class: "ra-layout" }, controls, center, side);
  const pages = h("div", { class: "ra-pages" });
  ctx.root.append(slots.header, errors, layout, pages);

  // tabs may bring panels for the left column, or a page of their own in place of the three columns
  const placed = new Map();
  const showTab = async () => {
    const tab = ctx.get("tab");
    const page = ctx.get("pages")?.[tab];
    const extra = ctx.get("panels")?.[tab] ?? [];
    for (const [key, node] of placed) node.hidden = !key.startsWith(`${tab}/`);
    layout.hidden = Boolean(page);
    panels.hidden = extra.length === 0;
    ctx.root.dataset.tab = tab;
    const drawing = ctx.get("canvases")?.[tab];
    const hidden = ctx.get("hidden")?.[tab] ?? [];
    for (const name of ["prompt", "sampler", "size", "seed", "batch", "advanced"]) slots[name].hidden = hidden.includes(name);
    controls.querySelector(".ra-block-prompt").hidden = slots.prompt.hidden;
    controls.querySelector(".ra-size-seed").hidden = slots.size.hidden && slots.seed.hidden;
    controls.querySelector(".ra-block-settings").hidden = slots.sampler.hidden && slots.size.hidden && slots.seed.hidden;
    more.hidden = slots.batch.hidden && slots.advanced.hidden;
    views.hidden = !drawing;
    showSide();
    const wanted = [
      ...extra.map((ref, i) => [`${tab}/${i}`, ref, panels]),
      ...(page ? [[`${tab}/page`, page, pages]] : []),
      ...(drawing ? [[`${tab}/canvas`, drawing, canvas]] : []),
    ];
    for (const [key, ref, parent] of wanted) {
      if (placed.has(key)) continue;
      const node = h("div", { class: parent === canvas ? "ra-tab-canvas" : "ra-block ra-tab-part" });
      placed.set(key, node);
      parent.append(node);
      await place(node, ref);
    }
  };

  const showSide = () => {
    const drawing = Boolean(ctx.get("canvases")?.[ctx.get("tab")]);
    const input = drawing && ctx.get("shows") === "input";
    canvas.hidden = !input;
    slots.stage.hidden = input;
    center.querySelector(".ra-info-card").hidden = input;
    for (const button of views.children) button.setAttribute("aria-selected", String((button.dataset.shows === "input") === input));
    ctx.root.dataset.shows = input ? "input" : "result";
  };

  // what was done, and the way back
  const said = h("span", { class: "ra-notice-text" });
  const undo = h("button", { type: "button", class: "ra-link ra-notice-undo", onclick: () => ctx.send({ type: "undo" }) }, icon("undo"), h("span", {}, ctx.text("notice.undo")));
  const notice = h("div", { class: "ra-notice", role: "status", popover: "manual", hidden: true }, said, undo, ctx.iconButton("ra-notice-close", "close", "notice.close", () => hideNotice()));
  let timer = null;
  const hideNotice = () => {
    clearTimeout(timer);
    notice.hidden = true;
    if (notice.matches(":popover-open")) notice.hidePopover();
  };
  // in the top layer, at the foot of the window: on a tall tab the foot of the studio is far below
  const showNotice = () => {
    notice.hidden = false;
    if (!notice.matches(":popover-open")) notice.showPopover();
    const box = ctx.root.getBoundingClientRect();
    const left = Math.max(box.left, 0);
    const right = Math.min(box.right, window.innerWidth);
    notice.style.setProperty("--ra-middle", `${(left + right) / 2}px`);
    notice.style.setProperty("--ra-room", `${right - left}px`);
  };
  const hideLater = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (notice.matches(":hover, :focus-within") ? hideLater() : hideNotice()), 12000);
  };
  let told = null;
  ctx.on("change:notice", () => {
    const now = ctx.get("notice") ?? {};
    said.textContent = now.text ?? "";
    undo.hidden = !now.undo;
    if (now.number === told) return; // only in another language
    told = now.number;
    if (!now.text) return hideNotice();
    showNotice();
    hideLater();
  });
  ctx.root.append(notice);
  ctx.root.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.key.toLowerCase() !== "z" || event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
    // text fields and canvases have an undo of their own
    if (event.target.closest("input, textarea, select, [contenteditable=true], canvas") || !ctx.get("notice")?.undo) return;
    event.preventDefault();
    event.stopPropagation();
    ctx.send({ type: "undo" });
  });

  ctx.root.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) {
      event.preventDefault();
      event.stopPropagation();
      ctx.send({ type: "generate" });
    }
  });
  // in one column the stage may be far below the button: show what happens
  ctx.on("msg:custom", (message) => {
    if (message?.type !== "started") return;
    const box = slots.stage.getBoundingClientRect();
    if (!box.height) return;
    if (box.top > window.innerHeight * 0.85 || box.bottom < 0) slots.stage.scrollIntoView({ block: "nearest", behavior: "smooth" });
  });

  const done = ctx.finish();
  delete ctx.root.dataset.ready;
  const children = ctx.get("slots") ?? {};
  const all = Object.keys(slots).map((name) => (children[name] ? place(slots[name], children[name]) : null));
  ctx.watch("tab tabs panels pages canvases hidden", showTab);
  ctx.watch("shows", showSide);
  Promise.all(all).then(() => {
    ctx.root.dataset.ready = "1";
  });
  return () => {
    over = true;
    clearTimeout(timer);
    for (const view of placedViews) view.remove();
    done();
  };
}

export default { render };
