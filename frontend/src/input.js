/** A picture from outside: dropped, pasted, chosen from files, from the gallery, from an address. */
import { frame, h, icon } from "./lib/dom.js";
import { addressIn, pictureFile, recordIn } from "./lib/drop.js";
import { galleryPicker } from "./lib/picker.js";
import { keepPictures, pictureOf, watchPictures } from "./lib/pictures.js";
import { MOST, upload } from "./lib/upload.js";

const ACCEPT = "image/png,image/jpeg,image/webp,image/avif,image/gif,image/bmp,image/tiff";

function render(host) {
  const ctx = frame(host, "image-input");
  ctx.root.tabIndex = 0;
  ctx.root.setAttribute("role", "group");

  const busy = (on) => ctx.root.toggleAttribute("data-busy", on);
  const take = async (file) => {
    if (!file) return;
    if (file.size > MOST) {
      ctx.send({ type: "refused", reason: "large" });
      return;
    }
    busy(true);
    upload(ctx.model, "file", await file.arrayBuffer(), { name: file.name ?? "" });
  };
  ctx.on("msg:custom", (message) => {
    if (message?.type === "taken") busy(false);
  });

  // -- the ways in
  const chooser = h("input", { type: "file", accept: ACCEPT, class: "ra-file", hidden: true });
  chooser.addEventListener("change", () => {
    take(chooser.files[0]);
    chooser.value = "";
  });
  const picker = galleryPicker(ctx, (id) => ctx.send({ type: "pick", id }));
  const paste = async () => {
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find((name) => name.startsWith("image/"));
        if (type) {
          await take(await item.getType(type));
          return;
        }
      }
      ctx.send({ type: "refused", reason: "no_picture" });
    } catch {
      ctx.send({ type: "refused", reason: "clipboard" });
    }
  };
  const way = (kind, name, key, listener) => {
    const node = h("button", { type: "button", class: `ra-action ${kind}`, onclick: listener }, icon(name), h("span", {}, ctx.text(key)));
    return ctx.say(node, { title: `${key}.tip` });
  };
  const ways = (full) => {
    const gallery = way("ra-from-gallery", "grid", "input.gallery", () => picker.open());
    const list = [way("ra-from-file", "file", full ? "input.change" : "input.file", () => chooser.click()), gallery, way("ra-from-clipboard", "paste", "input.paste", paste)];
    ctx.watch("has_gallery", () => {
      gallery.hidden = !ctx.get("has_gallery");
    });
    return list;
  };
  const address = ctx.say(h("input", { class: "ra-input", type: "url", inputmode: "url", autocomplete: "off" }), { placeholder: "input.url.hint", "aria-label": "input.url" });
  const fetchIt = () => {
    const url = address.value.trim();
    if (!url) return;
    busy(true);
    ctx.send({ type: "url", url });
  };
  address.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    fetchIt();
  });
  const go = ctx.say(h("button", { type: "button", class: "ra-action ra-from-url", onclick: fetchIt }, icon("link"), h("span", {}, ctx.text("input.url.go"))), { title: "input.url.go" });
  const addressRow = h("div", { class: "ra-input-url" }, address, go);
  ctx.watch("allow_url", () => {
    addressRow.hidden = !ctx.get("allow_url");
  });

  // -- what is there
  const image = h("img", { class: "ra-input-picture", alt: "", draggable: "false" });
  const title = h("p", { class: "ra-empty-title" }, ctx.text("input.empty"));
  const empty = h("div", { class: "ra-empty" }, icon("picture"), title, h("p", { class: "ra-empty-text" }, ctx.text("input.ways")), h("div", { class: "ra-actions" }, ways(false)), h("p", { class: "ra-empty-text ra-input-hint", text: "" }));
  const drop = h("div", { class: "ra-drop" }, empty, image);
  // tools of whoever stands around it: cropping, painting; "sketch" begins on white paper, too
  const toolsFull = h("span", { class: "ra-input-tools" });
  const toolsEmpty = h("span", { class: "ra-input-tools" });
  empty.querySelector(".ra-actions").append(toolsEmpty);
  ctx.watch("tools texts", () => {
    const button = ({ id, on }) =>
      h("button", { type: "button", class: "ra-action ra-input-tool", "data-tool": id, "aria-pressed": String(Boolean(on)), onclick: () => ctx.send({ type: "tool", name: id }) }, icon(on ? "check" : id), h("span", { text: ctx.t(on ? "input.tool.done" : `input.tool.${id}`) }));
    const tools = ctx.get("tools") ?? [];
    toolsFull.replaceChildren(...tools.map(button));
    toolsEmpty.replaceChildren(...tools.filter(({ id }) => id === "sketch").map(button));
  });
  const facts = h("span", { class: "ra-input-facts" });
  const undo = ctx.iconButton("ra-input-undo", "undo", "input.undo", () => ctx.send({ type: "undo" }));
  const clear = ctx.iconButton("ra-input-clear", "trash", "input.clear", () => ctx.send({ type: "clear" }));
  const bar = h("div", { class: "ra-input-bar" }, facts, h("div", { class: "ra-actions" }, toolsFull, ways(true)), h("span", { class: "ra-label-tools" }, undo, clear));
  ctx.watch("undoable", () => {
    undo.hidden = !ctx.get("undoable");
  });
  ctx.watch("hint", () => {
    const hint = empty.querySelector(".ra-input-hint");
    hint.textContent = ctx.get("hint") ?? "";
    hint.hidden = !hint.textContent;
  });
  watchPictures(ctx, () => {
    const picture = pictureOf(ctx, "picture");
    empty.hidden = Boolean(picture);
    image.hidden = !picture?.url;
    bar.hidden = !picture && !ctx.get("undoable");
    clear.hidden = !picture;
    ctx.root.toggleAttribute("data-full", Boolean(picture));
    bar.querySelector(".ra-actions").hidden = !picture;
    if (picture?.url && image.src !== picture.url) image.src = picture.url;
    facts.textContent = picture ? [`${picture.width} × ${picture.height}`, picture.name].filter(Boolean).join(" · ") : "";
    facts.title = facts.textContent;
    image.alt = picture?.name ?? "";
  });
  ctx.watch("undoable", () => {
    bar.hidden = !ctx.get("undoable") && !pictureOf(ctx, "picture");
  });
  ctx.watch("compact", () => ctx.root.toggleAttribute("data-compact", Boolean(ctx.get("compact"))));
  ctx.onTexts(() => ctx.root.setAttribute("aria-label", ctx.t("input.label")));

  // -- drop and paste
  let depth = 0;
  const over = (on) => {
    depth = on ? depth : 0;
    ctx.root.toggleAttribute("data-over", on);
  };
  ctx.root.addEventListener("dragenter", (event) => {
    event.preventDefault();
    depth += 1;
    over(true);
  });
  ctx.root.addEventListener("dragover", (event) => event.preventDefault());
  ctx.root.addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) over(false);
  });
  ctx.root.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    over(false);
    const record = recordIn(event.dataTransfer);
    const file = pictureFile(event.dataTransfer);
    const url = addressIn(event.dataTransfer);
    if (record) ctx.send({ type: "pick", id: record });
    else if (file) take(file);
    else if (url && ctx.get("allow_url")) ctx.send({ type: "url", url });
    else ctx.send({ type: "refused", reason: url ? "url" : "no_picture" });
  });
  const pasted = (event) => {
    if (event.defaultPrevented || ctx.root.offsetParent === null || ctx.root.inert) return;
    const file = pictureFile(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    take(file);
  };
  // inside a studio a picture may be pasted anywhere: text fields take text only
  const place = () => ctx.root.closest(".ra-studio") ?? ctx.root;
  let listening = null;
  const listen = requestAnimationFrame(() => {
    listening = place();
    listening.addEventListener("paste", pasted);
  });
  ctx.root.addEventListener("keydown", (event) => {
    if (event.target !== ctx.root) return;
    const key = event.key.toLowerCase();
    if (key === "enter" || key === " ") chooser.click();
    else if (key === "delete" || key === "backspace") ctx.send({ type: "clear" });
    else if (key === "z" && (event.ctrlKey || event.metaKey)) ctx.send({ type: "undo" });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  ctx.root.append(drop, addressRow, bar, chooser, picker.node);
  ctx.on("change:_error", () => busy(false));
  const done = ctx.finish();
  return () => {
    cancelAnimationFrame(listen);
    listening?.removeEventListener("paste", pasted);
    picker.close();
    done();
  };
}

export default {
  initialize({ model }) {
    keepPictures(model);
  },
  render,
};
