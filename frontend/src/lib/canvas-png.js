/**
 * Pixels to PNG, at once and without a canvas: a canvas writes four channels and loses colour under low alpha, and what is
 * written later could arrive after the click on "generate". Runs are found, nothing else: masks are runs. Pure: no DOM.
 */

const CRC = new Uint32Array(256).map((_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

function crc32(bytes, from, to) {
  let c = 0xffffffff;
  for (let i = from; i < to; i += 1) c = CRC[(c ^ bytes[i]) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function adler32(bytes) {
  let a = 1;
  let b = 0;
  for (let i = 0; i < bytes.length; ) {
    const stop = Math.min(i + 3800, bytes.length);
    for (; i < stop; i += 1) {
      a += bytes[i];
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
}

/** Bits, the lowest first, into a buffer that grows. */
class Bits {
  constructor(room) {
    this.bytes = new Uint8Array(room);
    this.length = 0;
    this.held = 0;
    this.count = 0;
  }

  put(value, count) {
    this.held |= value << this.count;
    this.count += count;
    while (this.count >= 8) {
      if (this.length === this.bytes.length) {
        const more = new Uint8Array(this.bytes.length * 2);
        more.set(this.bytes);
        this.bytes = more;
      }
      this.bytes[this.length] = this.held & 255;
      this.length += 1;
      this.held >>>= 8;
      this.count -= 8;
    }
  }

  finish() {
    if (this.count) this.put(0, 8 - this.count);
    return this.bytes.subarray(0, this.length);
  }
}

const turned = (value, count) => {
  let out = 0;
  for (let k = 0; k < count; k += 1) out |= ((value >> k) & 1) << (count - 1 - k);
  return out;
};

// the fixed codes of deflate (RFC 1951, 3.2.6), ready to be put: [bits, how many]
const LITERAL = Array.from({ length: 288 }, (_, n) => {
  if (n < 144) return [turned(0x30 + n, 8), 8];
  if (n < 256) return [turned(0x190 + n - 144, 9), 9];
  if (n < 280) return [turned(n - 256, 7), 7];
  return [turned(0xc0 + n - 280, 8), 8];
});

/** Length 3..258 as [code, how many more bits, their value]. */
const LENGTH = Array.from({ length: 259 }, (_, length) => {
  if (length < 3) return null;
  if (length === 258) return [285, 0, 0];
  if (length < 11) return [254 + length, 0, 0];
  const extra = 29 - Math.clz32(length - 3);
  return [261 + 4 * extra + (((length - 3) >> extra) - 4), extra, (length - 3) & ((1 << extra) - 1)];
});

/** zlib (RFC 1950) of bytes in which runs of one byte are what there is to find. */
export function deflateRuns(bytes) {
  const bits = new Bits(Math.max(1024, bytes.length >> 4));
  bits.put(0x78, 8);
  bits.put(0x01, 8);
  bits.put(0b011, 3); // the last block, fixed codes
  const total = bytes.length;
  for (let i = 0; i < total; ) {
    const value = bytes[i];
    bits.put(LITERAL[value][0], LITERAL[value][1]);
    let end = i + 1;
    while (end < total && bytes[end] === value) end += 1;
    let left = end - i - 1;
    while (left >= 3) {
      const take = left > 258 && left < 261 ? 255 : Math.min(258, left);
      const [code, extra, more] = LENGTH[take];
      bits.put(LITERAL[code][0], LITERAL[code][1]);
      if (extra) bits.put(more, extra);
      bits.put(0, 5); // distance 1
      left -= take;
    }
    for (; left > 0; left -= 1) bits.put(LITERAL[value][0], LITERAL[value][1]);
    i = end;
  }
  bits.put(LITERAL[256][0], LITERAL[256][1]);
  const body = bits.finish();
  const out = new Uint8Array(body.length + 4);
  out.set(body);
  new DataView(out.buffer).setUint32(body.length, adler32(bytes));
  return out;
}

/**
 * The PNG of a rectangle of pixels. One channel becomes a grey picture, four become RGBA (straight alpha).
 * @param {Uint8Array} data `channels` bytes a pixel, `width` pixels a row
 */
export function encodePng(data, width, channels, rect) {
  const row = rect.w * channels;
  // each row as the difference to the one above: what goes on downwards becomes a run of zeros
  const raw = new Uint8Array((row + 1) * rect.h);
  for (let y = 0; y < rect.h; y += 1) {
    const at = ((rect.y + y) * width + rect.x) * channels;
    const to = y * (row + 1);
    raw[to] = 2;
    if (y === 0) raw.set(data.subarray(at, at + row), to + 1);
    else for (let i = 0; i < row; i += 1) raw[to + 1 + i] = data[at + i] - data[at - width * channels + i];
  }
  const body = deflateRuns(raw);
  const png = new Uint8Array(8 + 25 + 12 + body.length + 12);
  const view = new DataView(png.buffer);
  png.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  let at = 8;
  const chunk = (name, length, fill) => {
    view.setUint32(at, length);
    for (let k = 0; k < 4; k += 1) png[at + 4 + k] = name.charCodeAt(k);
    fill(at + 8);
    view.setUint32(at + 8 + length, crc32(png, at + 4, at + 8 + length));
    at += 12 + length;
  };
  chunk("IHDR", 13, (p) => {
    view.setUint32(p, rect.w);
    view.setUint32(p + 4, rect.h);
    png.set([8, channels === 4 ? 6 : 0, 0, 0, 0], p + 8);
  });
  chunk("IDAT", body.length, (p) => png.set(body, p));
  chunk("IEND", 0, () => {});
  return png;
}
