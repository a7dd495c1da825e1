/** A picture over the whole page: arrows walk, a click changes between "fits" and "large", Esc closes. */
import { h, icon } from "./dom.js";

/**
 * @param {{url: string, alt: string, width: number, height: number}[]} pictures
 * @param {(key: string, values?: object) => string} t
 * @param {DOMStringMap} look data attributes (language, skin) of the widget that opens it
 */
export function lightbox(pictures, start, t, look) {
  let index = start;
  const image = h("img", { class: "ra-lightbox-image" });
  const caption = h("div", { class: "ra-lightbox-caption" });
  const dialog = h("dialog", { class: "ra-root ra-lightbox", "data-lm-suppress-shortcuts": "true" });
  dialog.dataset.skin = look.skin ?? "light";
  dialog.dataset.lang = look.lang ?? "zh_CN";
  const button = (name, key, listener) =>
    h("button", { type: "button", class: `ra-ghost ra-lightbox-${name}`, title: t(key), "aria-label": t(key), onclick: listener }, icon(name));
  const show = () => {
    const picture = pictures[index];
    image.src = picture.url;
    image.alt = picture.alt ?? "";
    image.style.setProperty("--ra-aspect", `${picture.width} / ${picture.height}`);
    caption.textContent = [pictures.length > 1 ? `${index + 1} / ${pictures.length}` : "", `${picture.width} × ${picture.height}`, picture.alt ?? ""].filter(Boolean).join("　");
    delete dialog.dataset.large;
  };
  const go = (delta) => {
    index = (index + delta + pictures.length) % pictures.length;
    show();
  };
  image.addEventListener("click", (event) => {
    event.stopPropagation();
    dialog.toggleAttribute("data-large");
  });
  dialog.append(h("div", { class: "ra-lightbox-stage" }, image), caption, button("close", "lightbox.close", () => dialog.close()));
  if (pictures.length > 1) dialog.append(button("left", "lightbox.previous", () => go(-1)), button("right", "lightbox.next", () => go(1)));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.classList.contains("ra-lightbox-stage")) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") go(-1);
    else if (event.key === "ArrowRight") go(1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  show();
  dialog.showModal();
  return dialog;
}
