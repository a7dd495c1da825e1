/** Choose a picture of the gallery: a dialog of thumbnails, newest first, with search. */
import { h, icon, pictureUrl } from "./dom.js";
import { throttle } from "./format.js";

/**
 * @param ctx the frame of a widget whose Python half answers `{type: "page", view, number, query, before}`
 * @param {(id: string) => void} chosen
 */
export function galleryPicker(ctx, chosen) {
  const view = Math.random().toString(36).slice(2);
  let urls = [];
  let number = 0;
  let more = false;
  const search = ctx.say(h("input", { class: "ra-input ra-search-input", type: "search", autocomplete: "off" }), { placeholder: "gallery.search", "aria-label": "gallery.search" });
  const grid = h("div", { class: "ra-thumbs" });
  const note = h("p", { class: "ra-gallery-note", hidden: true });
  const further = h("button", { type: "button", class: "ra-action ra-more", hidden: true, onclick: () => ask() }, h("span", {}, ctx.text("gallery.more")));
  const shut = ctx.iconButton("ra-picker-close", "close", "lightbox.close", () => dialog.close());
  const dialog = h(
    "dialog",
    { class: "ra-picker" },
    h("div", { class: "ra-picker-head" }, h("strong", {}, ctx.text("input.gallery.title")), shut),
    h("div", { class: "ra-search" }, icon("search"), search),
    h("div", { class: "ra-picker-scroll" }, grid, note, further),
  );
  const forget = () => {
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = [];
    grid.replaceChildren();
  };
  const ask = () => {
    number += 1;
    ctx.send({ type: "page", view, number, query: search.value.trim(), before: grid.lastElementChild?.dataset.id ?? null });
  };
  const restart = throttle(() => {
    forget();
    ask();
  }, 300);
  search.addEventListener("input", (event) => event.isComposing || restart());
  search.addEventListener("compositionend", () => restart());
  ctx.on("msg:custom", (message, buffers) => {
    if (message?.type !== "page" || message.view !== view || message.number !== number || !dialog.open) return;
    more = message.more;
    message.items.forEach((item, index) => {
      const url = pictureUrl(buffers[index], item.type);
      urls.push(url);
      const pick = () => {
        dialog.close();
        chosen(item.id);
      };
      grid.append(h("button", { type: "button", class: "ra-thumb", "data-id": item.id, title: item.prompt, "aria-label": item.prompt, onclick: pick }, h("img", { src: url, alt: "" })));
    });
    further.hidden = !more;
    note.hidden = grid.childElementCount > 0;
    note.textContent = ctx.t(search.value ? "gallery.nothing" : "gallery.empty");
  });
  dialog.addEventListener("close", forget);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") event.stopPropagation();
  });
  return {
    node: dialog,
    open() {
      search.value = "";
      dialog.showModal();
      ask();
    },
    close() {
      if (dialog.open) dialog.close();
    },
  };
}
