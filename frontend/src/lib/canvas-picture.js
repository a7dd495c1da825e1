/** The picture of a widget in the page. */

/** Pixels of a picture file, straight alpha, as {width, height, data}; throws if it is no picture. */
export async function decodePixels(blob, width, height) {
  const bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  const canvas = document.createElement("canvas");
  canvas.width = width ?? bitmap.width;
  canvas.height = height ?? bitmap.height;
  const g = canvas.getContext("2d", { willReadFrequently: true });
  g.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return g.getImageData(0, 0, canvas.width, canvas.height);
}

/** A picture and its halves, quarters ...: small views are drawn from small pictures, fast and without flicker. */
export class Pyramid {
  constructor() {
    this.levels = [];
  }

  async load(blob) {
    const first = await createImageBitmap(blob);
    const levels = [first];
    for (let last = first; Math.max(last.width, last.height) > 700 && levels.length < 6; last = levels.at(-1)) {
      const size = { resizeWidth: Math.max(1, last.width >> 1), resizeHeight: Math.max(1, last.height >> 1), resizeQuality: "medium" };
      levels.push(await createImageBitmap(last, size));
    }
    this.clear();
    this.levels = levels;
  }

  /** Draw on `g` at a scale, with the corner at (x, y), all in device pixels. */
  draw(g, x, y, width, height) {
    const fine = this.levels.findLast((level) => level.width >= width * 0.99) ?? this.levels[0];
    if (!fine) return;
    g.imageSmoothingEnabled = width < fine.width * 2;
    g.imageSmoothingQuality = "medium";
    g.drawImage(fine, x, y, width, height);
  }

  clear() {
    this.levels.forEach((level) => level.close());
    this.levels = [];
  }
}

/** The picture of a widget that paints nothing on it: `width` and `height` are the picture's own, whatever the page got. */
export class PictureDoc {
  constructor(model) {
    Object.assign(this, { model, width: 0, height: 0, ready: false, of: null });
    this.picture = new Pyramid();
    this.listeners = new Set();
    model.on("change:_version", () => (model.get("_version")?.of === this.of ? null : this.open()));
    this.open();
  }

  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  tell(what) {
    this.listeners.forEach((listener) => listener(what));
  }

  async open() {
    const of = this.model.get("_version")?.of;
    this.of = of;
    this.ready = false;
    [this.width, this.height] = this.model.get("_full") ?? [0, 0];
    if (this.width) await this.picture.load(new Blob([this.model.get("_picture")]));
    else this.picture.clear();
    if (this.of !== of) return;
    this.ready = this.width > 0;
    this.tell("opened");
  }

  close() {
    this.of = null;
    this.ready = false;
    this.listeners.clear();
    this.picture.clear();
  }
}

/** The documents of this page by the key of their widget. */
const docs = new Map();

/** Let go of a document: the widget is closed, and a page may live long. */
export function forget(model) {
  const key = model.get("_key");
  docs.get(key)?.close();
  docs.delete(key);
}

/** The one document of a widget, made when it is first asked for. */
export function docOf(model, make) {
  const key = model.get("_key");
  if (!docs.has(key)) docs.set(key, make(model));
  return docs.get(key);
}
