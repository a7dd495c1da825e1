/** What a drop or a paste brings: a picture of ours, a file, an address. No DOM, tested with node. */

/** Under this type our own pictures name themselves when they are dragged. */
export const RECORD = "application/x-ra-record";

/** Id of the picture of ours that is dropped, or "". */
export function recordIn(data) {
  const id = data?.getData?.(RECORD) ?? "";
  return /^[0-9A-Za-z]{1,64}$/.test(id) ? id : "";
}

/** The first picture file, or null. A file without a type counts by its name. */
export function pictureFile(data) {
  for (const file of data?.files ?? []) {
    if (file.type.startsWith("image/") && file.type !== "image/svg+xml") return file;
    if (!file.type && /\.(png|jpe?g|webp|avif|gif|bmp|tiff?)$/i.test(file.name)) return file;
  }
  return null;
}

/** The first web address that is dropped, or "". */
export function addressIn(data) {
  const lines = (data?.getData?.("text/uri-list") ?? "").split(/\r?\n/);
  return lines.find((line) => /^https?:\/\//i.test(line)) ?? "";
}
