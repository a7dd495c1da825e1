/** Pictures that Python shows by name: `shown` says which, messages bring the bytes; kept for all views as URLs. */
import { pictureUrl } from "./dom.js";

const kept = new Map();

/** For `initialize`: keep what arrives; forget what is shown no more. */
export function keepPictures(model) {
  model.on("msg:custom", (message, buffers) => {
    if (message?.type !== "picture" || !message.key || !buffers?.length || kept.has(message.key)) return;
    kept.set(message.key, { url: pictureUrl(buffers[0], message.mime), model });
    const named = Object.values(model.get("shown") ?? {}).some((p) => p.key === message.key);
    if (named) model.set("arrived", Math.random());
  });
  model.on("change:shown", () => {
    const keys = new Set(Object.values(model.get("shown") ?? {}).map((p) => p.key));
    for (const [key, item] of kept) {
      if (item.model !== model || keys.has(key)) continue;
      kept.delete(key);
      setTimeout(() => URL.revokeObjectURL(item.url), 60000);
    }
  });
}

/** What is shown under a name: `{key, url, width, height, ...}`, without `url` until the bytes are there; null: nothing. */
export function pictureOf(ctx, name) {
  const facts = (ctx.get("shown") ?? {})[name];
  return facts ? { ...facts, url: kept.get(facts.key)?.url ?? null } : null;
}

/** Run now and whenever a picture changes or arrives; asks Python for bytes that this page lacks. */
export function watchPictures(ctx, listener) {
  const asked = new Set();
  ctx.watch("shown arrived", () => {
    const lacking = Object.values(ctx.get("shown") ?? {}).map((p) => p.key).filter((key) => !kept.has(key) && !asked.has(key));
    if (lacking.length) {
      lacking.forEach((key) => asked.add(key));
      ctx.send({ type: "lacking", keys: lacking });
    }
    listener();
  });
}
