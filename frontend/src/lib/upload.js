/** Bytes to Python in pieces: a Jupyter server closes the connection at a message of more than 10 MiB. */

export const PIECE = 4 * 2 ** 20;
export const MOST = 64 * 2 ** 20;

/** Where the pieces of `size` bytes begin and end. */
export function pieces(size, piece = PIECE) {
  const found = [];
  for (let from = 0; from < size || from === 0; from += piece) found.push([from, Math.min(size, from + piece)]);
  return found;
}

let serial = 0;

/**
 * Send bytes as messages `{type, upload, part, parts, ...content}`; Python's half is `widgets/_uploads.py`.
 * @param {{send: Function}} model @param {string} type @param {ArrayBuffer} bytes
 */
export function upload(model, type, bytes, content = {}) {
  serial += 1;
  const name = `${Date.now().toString(36)}-${serial}`;
  const parts = pieces(bytes.byteLength);
  parts.forEach(([from, to], part) => {
    model.send({ ...content, type, upload: name, part, parts: parts.length }, undefined, [new DataView(bytes.slice(from, to))]);
  });
}
