/** A small menu at a button or at the pointer: arrows walk, Enter chooses, Esc closes and gives the focus back. */
import { h } from "./dom.js";

/**
 * @param {HTMLElement} root the widget's root: the menu takes its colours
 * @param {{id: string, title: string}[]} items
 * @param {{anchor?: HTMLElement, x?: number, y?: number, title?: string}} where
 * @param {(id: string) => void} chosen
 */
export function openMenu(root, items, where, chosen) {
  const back = document.activeElement;
  const dialog = h("dialog", { class: "ra-popup", role: "menu" });
  if (where.title) dialog.append(h("div", { class: "ra-popup-title", text: where.title }));
  const entries = items.map(({ id, title }) =>
    h("button", { type: "button", role: "menuitem", class: "ra-menu-item", "data-target": id, text: title, onclick: () => finish(id) }),
  );
  dialog.append(...entries);
  const finish = (id) => {
    dialog.close();
    if (id !== undefined) chosen(id);
  };
  dialog.addEventListener("keydown", (event) => {
    const at = entries.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + entries.length, Home: 0, End: entries.length - 1 }[event.key];
    event.stopPropagation();
    if (to === undefined) return;
    event.preventDefault();
    entries[to % entries.length]?.focus();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) finish();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (document.body.contains(back)) back.focus?.({ preventScroll: true });
  });
  root.append(dialog);
  dialog.showModal();
  // within the window, below its button or at the pointer
  const box = where.anchor?.getBoundingClientRect() ?? { left: where.x ?? 0, bottom: where.y ?? 0, top: where.y ?? 0 };
  const { offsetWidth: width, offsetHeight: height } = dialog;
  const below = box.bottom + 4 + height <= window.innerHeight || box.top - 4 - height < 0;
  dialog.style.left = `${Math.max(8, Math.min(box.left, window.innerWidth - width - 8))}px`;
  dialog.style.top = `${Math.max(8, Math.min(below ? box.bottom + 4 : box.top - 4 - height, window.innerHeight - height - 8))}px`;
  entries[0]?.focus();
  return dialog;
}
