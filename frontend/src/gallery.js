/** The gallery: thumbnails, newest first, fetched as one scrolls; search. */
import { frame, h, icon, pictureUrl } from "./lib/dom.js";
import { RECORD } from "./lib/drop.js";
import { throttle } from "./lib/format.js";
import { openMenu } from "./lib/menu.js";

function render(host) {
  const ctx = frame(host, "gallery-widget");
  ctx.root.classList.add("ra-gallery");
  const view = Math.random().toString(36).slice(2);
  let query = "";
  let asked = 0;
  let waiting = false;
  let more = true;
  const urls = new Map();

  const search = h("input", { class: "ra-input ra-search-input", type: "search", autocomplete: "off" });
  ctx.say(search, { placeholder: "gallery.search", "aria-label": "gallery.search" });
  const count = h("span", { class: "ra-gallery-count" });
  const grid = h("div", { class: "ra-thumbs", role: "list" });
  const note = h("p", { class: "ra-gallery-note", hidden: true });
  const end = h("div", { class: "ra-gallery-end" });
  const scroller = h("div", { class: "ra-gallery-scroll" }, grid, note, end);

  const ask = () => {
    waiting = true;
    asked += 1;
    const last = grid.lastElementChild?.dataset.id ?? null;
    ctx.send({ type: "page", view, number: asked, query, before: last });
  };
  const restart = () => {
    for (const url of urls.values()) URL.revokeObjectURL(url);
    urls.clear();
    grid.replaceChildren();
    more = true;
    ask();
  };
  const thumb = (item, data) => {
    const url = pictureUrl(data, item.type);
    urls.get(item.id) && URL.revokeObjectURL(urls.get(item.id));
    urls.set(item.id, url);
    const image = h("img", { src: url, alt: item.prompt, loading: "lazy", draggable: "false" });
    const send = (where) => openMenu(ctx.root, ctx.get("targets") ?? [], { ...where, title: ctx.t("send_to") }, (target) => ctx.send({ type: "send", id: item.id, target }));
    const node = h(
      "button",
      {
        type: "button",
        role: "listitem",
        class: "ra-thumb",
        "data-id": item.id,
        title: [item.prompt, `${ctx.t("seed")} ${item.seed}`, (ctx.get("targets") ?? []).length ? ctx.t("send_to.tip") : ""].filter(Boolean).join("\n"),
        "aria-pressed": String(ctx.get("selected") === item.id),
        onclick: () => {
          ctx.push({ selected: item.id });
          ctx.send({ type: "open", id: item.id });
        },
        ondblclick: () => ctx.send({ type: "reuse", id: item.id }),
        draggable: "true",
        ondragstart: (event) => event.dataTransfer?.setData(RECORD, item.id),
        // the right button, a long touch, or the keyboard's menu key
        oncontextmenu: (event) => {
          if (!(ctx.get("targets") ?? []).length || event.shiftKey) return;
          event.preventDefault();
          send(event.clientX || event.clientY ? { x: event.clientX, y: event.clientY } : { anchor: node });
        },
        onkeydown: (event) => {
          if (event.key !== "s" || event.ctrlKey || event.metaKey || event.altKey || !(ctx.get("targets") ?? []).length) return;
          event.preventDefault();
          event.stopPropagation();
          send({ anchor: node });
        },
      },
      image,
    );
    return node;
  };
  const showNote = () => {
    const none = grid.childElementCount === 0 && !waiting;
    note.hidden = !none;
    note.textContent = none ? ctx.t(query ? "gallery.nothing" : "gallery.empty") : "";
  };
  const showCount = (number) => {
    if (number !== undefined) count.dataset.count = number;
    const value = Number(count.dataset.count ?? 0).toLocaleString("en-US");
    count.textContent = ctx.t(query ? "gallery.found" : "gallery.count", { count: value });
  };
  ctx.on("msg:custom", (message, buffers) => {
    if (message.type === "page" && message.view === view && message.number === asked) {
      waiting = false;
      more = message.more;
      message.items.forEach((item, index) => {
        if (!urls.has(item.id)) grid.append(thumb(item, buffers[index]));
      });
      showCount(message.count);
      showNote();
      if (more && visible) ask();
    } else if (message.type === "added") {
      if (query) {
        later();
        return;
      }
      message.items.forEach((item, index) => {
        if (!urls.has(item.id)) grid.prepend(thumb(item, buffers[index]));
      });
      showCount(message.count);
      showNote();
    } else if (message.type === "reset") restart();
  });
  ctx.on("change:selected", () => {
    for (const node of grid.children) node.setAttribute("aria-pressed", String(node.dataset.id === ctx.get("selected")));
  });

  const later = throttle(() => restart(), 300);
  const typed = () => {
    const text = search.value.trim();
    if (text === query) return;
    query = text;
    later();
  };
  search.addEventListener("input", (event) => {
    if (!event.isComposing) typed();
  });
  search.addEventListener("compositionend", typed);
  search.addEventListener("search", typed);

  let visible = false;
  const watcher = new IntersectionObserver(
    (entries) => {
      visible = entries[entries.length - 1].isIntersecting;
      if (visible && more && !waiting) ask();
    },
    { root: scroller, rootMargin: "300px" },
  );
  watcher.observe(end);
  ctx.onTexts(() => {
    showCount();
    showNote();
  });
  ctx.root.append(
    h("div", { class: "ra-search" }, icon("search"), search),
    h("div", { class: "ra-label" }, count),
    scroller,
  );
  ask();
  const done = ctx.finish();
  return () => {
    watcher.disconnect();
    later.cancel();
    for (const url of urls.values()) URL.revokeObjectURL(url);
    done();
  };
}

export default { render };
