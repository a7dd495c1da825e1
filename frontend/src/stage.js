/** The stage: what is being made, and what was made. */
import { compareView } from "./lib/compare.js";
import { frame, h, icon, pictureUrl } from "./lib/dom.js";
import { RECORD } from "./lib/drop.js";
import { gridColumns, seconds } from "./lib/format.js";
import { lightbox } from "./lib/lightbox.js";
import { keepPictures as keepShown, pictureOf, watchPictures } from "./lib/pictures.js";

/** Pictures that have arrived, by id, for all views of this widget: object URLs. */
const urls = new Map();

function keepPictures(model) {
  model.on("msg:custom", (message, buffers) => {
    if (message?.type !== "picture" || !message.id || !buffers?.length) return;
    if (urls.has(message.id)) return;
    urls.set(message.id, pictureUrl(buffers[0], message.mime));
    // bytes come before the list that names them, unless a view asked for what it lacked
    if ((model.get("pictures") ?? []).some((p) => p.id === message.id)) model.set("arrived", urls.size + Math.random());
  });
  model.on("change:pictures", () => {
    const ids = new Set((model.get("pictures") ?? []).map((p) => p.id));
    for (const [id, url] of urls) {
      if (ids.has(id)) continue;
      urls.delete(id);
      // a lightbox may still be showing it
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    }
  });
}

/** The stage in its place; `more(ctx)` may give a node that stands below it. */
export function renderStage(host, more) {
  const ctx = frame(host, "stage-widget");
  const preview = h("div", { class: "ra-preview", hidden: true });
  const result = h("div", { class: "ra-result" });
  const empty = h("div", { class: "ra-empty" });
  const left = h("span", { class: "ra-progress-left" });
  const right = h("span", { class: "ra-progress-right" });
  const fillBar = h("i");
  const progress = h(
    "div",
    { class: "ra-progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, hidden: true },
    h("div", { class: "ra-label" }, left, right),
    h("div", { class: "ra-bar" }, fillBar),
  );
  const enlarge = ctx.iconButton("ra-enlarge", "zoom", "enlarge", () => open(ctx.get("selected")));
  const compareButton = h("button", { type: "button", class: "ra-ghost ra-compare-open", "aria-pressed": "false", onclick: () => ctx.push({ comparing: !ctx.get("comparing") }) }, icon("compare"), h("span", {}, ctx.text("compare")));
  ctx.say(compareButton, { title: "compare.tip" });
  // where the comparison stands is this page's own business
  const compareState = { mode: "wipe", position: 50, gain: 4 };
  const compared = compareView(ctx, { get: (name) => compareState[name], set: (name, value) => Object.assign(compareState, { [name]: value }) });
  compared.node.hidden = true;
  const stage = h("div", { class: "ra-stage" }, empty, result, preview, compared.node, h("div", { class: "ra-stage-tools" }, compareButton, enlarge), progress);

  const pictures = () => ctx.get("pictures") ?? [];
  const open = (index) => {
    const list = pictures().map((p) => ({ url: urls.get(p.id), alt: p.alt, width: p.width, height: p.height }));
    if (list.length) lightbox(list, Math.min(Math.max(index, 0), list.length - 1), ctx.t, ctx.root.closest(".ra-studio")?.dataset ?? ctx.root.dataset);
  };

  // a grid in which the pictures are as large as they can be
  const arrangeGrid = (node, count, width, height) => {
    if (!count) return;
    const box = stage.clientWidth / (stage.clientHeight || 1) || 1;
    const columns = gridColumns(count, width / height, box);
    node.style.setProperty("--ra-columns", columns);
    node.style.setProperty("--ra-rows", Math.ceil(count / columns));
    node.style.setProperty("--ra-aspect", width / height);
    node.toggleAttribute("data-many", count > 1);
  };
  const layout = () => {
    const list = pictures();
    if (list.length) arrangeGrid(result, list.length, list[0].width, list[0].height);
    const first = preview.querySelector("img");
    if (first?.naturalWidth) arrangeGrid(preview, preview.childElementCount, first.naturalWidth, first.naturalHeight);
  };

  const showPictures = () => {
    const list = pictures();
    const lacking = list.map((p) => p.id).filter((id) => !urls.has(id));
    if (lacking.length) ctx.send({ type: "lacking", ids: lacking });
    result.replaceChildren(
      ...list.map((p, index) => {
        const image = h("img", { class: "ra-picture", src: urls.get(p.id) ?? null, alt: p.alt, "data-id": p.id, "data-seed": p.seed, draggable: "true" });
        image.addEventListener("dragstart", (event) => event.dataTransfer?.setData(RECORD, p.id));
        const cell = h(
          "button",
          {
            type: "button",
            class: "ra-cell",
            "aria-label": ctx.t("picture.label", { number: index + 1, seed: p.seed }),
            ondblclick: () => open(index),
            onclick: () => {
              if (list.length === 1 || ctx.get("selected") === index) open(index);
              else ctx.push({ selected: index });
            },
          },
          image,
        );
        return cell;
      }),
    );
    layout();
    showSelected();
    arrange();
  };

  const showSelected = () => {
    [...result.children].forEach((cell, index) => {
      const on = result.children.length > 1 && index === ctx.get("selected");
      cell.setAttribute("aria-pressed", String(on));
    });
  };

  const showPreviews = () => {
    const list = ctx.get("previews") ?? [];
    const images = preview.getElementsByTagName("img");
    while (images.length > list.length) {
      URL.revokeObjectURL(images[images.length - 1].src);
      preview.lastElementChild.remove();
    }
    list.forEach((data, index) => {
      if (!images[index]) preview.append(h("div", { class: "ra-cell" }, h("img", { class: "ra-picture", alt: "", onload: layout })));
      const old = images[index].src;
      if (old) setTimeout(() => URL.revokeObjectURL(old), 1000);
      images[index].src = pictureUrl(data, "image/jpeg");
    });
    arrange();
  };

  // one of: a preview of the work, the pictures, the invitation
  const arrange = () => {
    const working = (ctx.get("previews") ?? []).length > 0;
    const picture = pictures()[ctx.get("selected") ?? 0];
    const before = pictureOf(ctx, "before");
    const after = { ...picture, url: urls.get(picture?.id) };
    const pair = Boolean(!working && ctx.get("comparing") && before?.url && before.of === picture?.id && after.url);
    preview.hidden = !working;
    result.hidden = working || pictures().length === 0 || pair;
    empty.hidden = working || pictures().length > 0;
    enlarge.hidden = working || pictures().length === 0;
    compareButton.hidden = enlarge.hidden || !ctx.get("comparable");
    compareButton.setAttribute("aria-pressed", String(pair));
    compared.node.hidden = !pair;
    if (pair) compared.show(before, after);
    else compared.stop();
  };

  const showEmpty = () => {
    const examples = ctx.get("examples") ?? [];
    empty.replaceChildren(
      h("div", { class: "ra-seal ra-seal-large", "aria-hidden": "true", text: "稳" }),
      h("p", { class: "ra-empty-title", text: ctx.t("empty.title") }),
      h("p", { class: "ra-empty-text", text: ctx.t(examples.length ? "empty.examples" : "empty.text") }),
      h(
        "div",
        { class: "ra-chips" },
        examples.map((text, index) => h("button", { type: "button", class: "ra-chip", text, onclick: () => ctx.send({ type: "example", index }) })),
      ),
    );
  };

  const showStatus = () => {
    const s = ctx.get("status") ?? {};
    const active = ["queued", "loading", "working", "stopping"].includes(s.kind);
    ctx.root.dataset.state = s.kind ?? "idle";
    progress.hidden = !active;
    if (!active) {
      left.textContent = "";
      right.textContent = "";
      return;
    }
    const part = Math.min(1, Math.max(0, s.fraction ?? 0));
    fillBar.style.width = `${part * 100}%`;
    progress.setAttribute("aria-valuenow", Math.round(part * 100));
    progress.toggleAttribute("data-unknown", s.kind === "queued" || (s.kind === "loading" && part === 0));
    right.textContent = "";
    if (s.kind === "queued") left.textContent = ctx.t("status.queued", { count: s.position ?? 0 });
    else if (s.kind === "loading") left.textContent = ctx.t("status.loading", { model: s.model ?? "", stage: ctx.t(`stage.${s.stage ?? "read"}`) });
    else {
      const several = (s.images ?? 1) > 1 ? ctx.t("status.image", { image: Math.min(s.image + 1, s.images), images: s.images }) : "";
      const word = s.kind === "stopping" ? ctx.t("status.stopping") : ctx.t("status.working");
      left.textContent = [word, several, s.steps ? ctx.t("status.step", { step: s.step, steps: s.steps }) : ""].filter(Boolean).join(" · ");
      const eta = s.eta === null || s.eta === undefined ? "" : ctx.t("status.eta", { seconds: seconds(s.eta) });
      right.textContent = [ctx.t("status.elapsed", { seconds: seconds(s.elapsed ?? 0) }), eta].filter(Boolean).join(" · ");
    }
    progress.setAttribute("aria-valuetext", `${left.textContent} ${right.textContent}`);
  };

  ctx.watch("pictures", showPictures);
  ctx.on("change:arrived", showPictures);
  ctx.on("change:selected", () => {
    showSelected();
    arrange();
  });
  ctx.on("change:comparable change:comparing", arrange);
  watchPictures(ctx, arrange);
  ctx.watch("previews", showPreviews);
  ctx.watch("status texts", showStatus);
  ctx.watch("examples texts", showEmpty);
  const sizes = new ResizeObserver(layout);
  sizes.observe(stage);
  ctx.root.append(stage, ...(more ? [more(ctx)] : []));
  const done = ctx.finish();
  return () => {
    sizes.disconnect();
    compared.stop();
    done();
  };
}

export default {
  initialize({ model }) {
    keepPictures(model);
    keepShown(model);
  },
  render: (host) => renderStage(host),
};
