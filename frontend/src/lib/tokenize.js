/**
 * Where the prompt language's marks are in a text: for colouring only, the meaning is Python's business.
 *
 * Kinds: `weight` "(red:1.2)" and "((red))", `weaken` "[red]", `schedule` "[day:night:0.6]" and "[cat|dog]",
 * `network` "<lora:ink:0.7>", `keyword` BREAK and AND, `escape` "\(", `stray` a bracket without its partner.
 */

const NETWORK = /^<[A-Za-z_][\w-]*:[^<>]*>/;
const KEYWORD = /^(BREAK|AND)(?![A-Za-z0-9_])/;

/** @returns {{from: number, to: number, kind: string, depth: number}[]} spans, outer before inner */
export function tokenize(text) {
  const spans = [];
  const open = [];
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i];
    if (c === "\\" && i + 1 < text.length && "()[]\\<>:|".includes(text[i + 1])) {
      spans.push({ from: i, to: i + 2, kind: "escape", depth: open.length });
      i += 1;
    } else if (c === "<") {
      const match = NETWORK.exec(text.slice(i));
      if (match) {
        spans.push({ from: i, to: i + match[0].length, kind: "network", depth: open.length });
        i += match[0].length - 1;
      }
    } else if (c === "(" || c === "[") {
      open.push({ at: i, close: c === "(" ? ")" : "]", schedule: false, depth: open.length });
    } else if ((c === ":" || c === "|") && open.length && open[open.length - 1].close === "]") {
      open[open.length - 1].schedule = true;
    } else if (c === ")" || c === "]") {
      const at = open.findLastIndex((item) => item.close === c);
      if (at < 0) {
        spans.push({ from: i, to: i + 1, kind: "stray", depth: 0 });
        continue;
      }
      // brackets opened inside and never closed are strays
      for (const lost of open.splice(at + 1)) spans.push({ from: lost.at, to: lost.at + 1, kind: "stray", depth: 0 });
      const item = open.pop();
      const kind = c === ")" ? "weight" : item.schedule ? "schedule" : "weaken";
      spans.push({ from: item.at, to: i + 1, kind, depth: item.depth });
    } else if ((c === "B" || c === "A") && !/[A-Za-z0-9_]/.test(text[i - 1] ?? " ")) {
      const match = KEYWORD.exec(text.slice(i));
      if (match) {
        spans.push({ from: i, to: i + match[0].length, kind: "keyword", depth: open.length });
        i += match[0].length - 1;
      }
    }
  }
  for (const lost of open) spans.push({ from: lost.at, to: lost.at + 1, kind: "stray", depth: 0 });
  return spans.sort((a, b) => a.from - b.from || b.to - a.to);
}

/** Change the weight of the selected text by `delta`: "(red:1.1)" becomes "(red:1.2)", plain text gets brackets. */
export function reweigh(text, from, to, delta) {
  const inner = text.slice(from, to);
  const whole = /^\(([\s\S]*):\s*([\d.]+)\)$/.exec(inner);
  const body = whole ? whole[1] : inner;
  const weight = Math.round(((whole ? Number(whole[2]) : 1) + delta) * 100) / 100;
  const clipped = Math.min(2, Math.max(0.1, weight));
  return clipped === 1 ? body : `(${body}:${clipped})`;
}
