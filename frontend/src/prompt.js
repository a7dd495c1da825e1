/** Prompt and negative prompt: CodeMirror 6 with the prompt language in colour. */
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { Annotation, Compartment, EditorSelection, EditorState, Prec, RangeSetBuilder } from "@codemirror/state";
import { Decoration, EditorView, ViewPlugin, drawSelection, keymap, placeholder } from "@codemirror/view";
import { frame, h } from "./lib/dom.js";
import { reweigh, tokenize } from "./lib/tokenize.js";

const FromPython = Annotation.define();

const marks = ViewPlugin.fromClass(
  class {
    constructor(view) {
      this.decorations = paint(view.state);
    }
    update(update) {
      if (update.docChanged) this.decorations = paint(update.state);
    }
  },
  { decorations: (plugin) => plugin.decorations },
);

function paint(state) {
  const builder = new RangeSetBuilder();
  for (const { from, to, kind, depth } of tokenize(state.doc.toString())) {
    builder.add(from, to, Decoration.mark({ class: `ra-mark ra-mark-${kind}`, attributes: depth ? { "data-depth": String(depth) } : {} }));
  }
  return builder.finish();
}

/** Ctrl+Up and Ctrl+Down: a little more or less weight for the selection (or the word at the caret). */
function weigh(delta) {
  return (view) => {
    const { state } = view;
    let { from, to } = state.selection.main;
    if (from === to) {
      const inside = tokenize(state.doc.toString()).filter((s) => s.kind === "weight" && s.from <= from && from <= s.to).pop();
      const word = inside ?? state.wordAt(from);
      if (!word) return false;
      ({ from, to } = word);
    }
    const insert = reweigh(state.doc.toString(), from, to, delta);
    view.dispatch({ changes: { from, to, insert }, selection: EditorSelection.range(from, from + insert.length), userEvent: "input" });
    return true;
  };
}

/** One CodeMirror for one text trait. Pinyin on its way is not sent: only what the input method has committed. */
function editor(ctx, trait, hint, submit) {
  const words = new Compartment();
  const send = (view) => {
    if (view.composing) return;
    const text = view.state.doc.toString();
    if (text !== ctx.get(trait)) ctx.push({ [trait]: text });
  };
  const view = new EditorView({
    state: EditorState.create({
      doc: ctx.get(trait),
      extensions: [
        Prec.highest(
          keymap.of([
            {
              key: "Mod-Enter",
              preventDefault: true,
              stopPropagation: true,
              run: (v) => {
                send(v);
                submit();
                return true;
              },
            },
            { key: "Mod-ArrowUp", run: weigh(0.1) },
            { key: "Mod-ArrowDown", run: weigh(-0.1) },
          ]),
        ),
        history(),
        drawSelection(),
        EditorView.lineWrapping,
        marks,
        keymap.of([...defaultKeymap, ...historyKeymap]),
        words.of([]),
        EditorView.updateListener.of((update) => {
          const own = update.transactions.some((transaction) => transaction.annotation(FromPython));
          if (update.docChanged && !own) send(update.view);
        }),
        EditorView.domEventHandlers({
          compositionend: (_event, v) => {
            // the text of the composition is in the document only after this event
            setTimeout(() => send(v), 0);
          },
          blur: (_event, v) => send(v),
        }),
      ],
    }),
  });
  ctx.onTexts(() => {
    view.dispatch({
      effects: words.reconfigure([
        placeholder(ctx.t(hint)),
        EditorView.contentAttributes.of({ "aria-label": ctx.t(trait), spellcheck: "false", autocapitalize: "off", autocorrect: "off" }),
      ]),
    });
  });
  ctx.on(`change:${trait}`, () => {
    const text = ctx.get(trait) ?? "";
    const old = view.state.doc.toString();
    if (text !== old) {
      view.dispatch({
        changes: { from: 0, to: old.length, insert: text },
        selection: { anchor: text.length },
        annotations: FromPython.of(true),
      });
    }
  });
  return view;
}

function render(host) {
  const ctx = frame(host, "prompt-editor");
  const submit = () => ctx.send({ type: "submit" });
  const positive = editor(ctx, "prompt", "prompt.hint", submit);
  const negative = editor(ctx, "negative_prompt", "negative.hint", submit);

  const counter = (trait) => {
    const node = h("span", { class: "ra-counter" });
    ctx.watch(trait, () => {
      node.textContent = ctx.get(trait) ?? "";
    });
    return node;
  };
  // full-width signs: said and offered, never changed by itself; Ctrl+Z takes the change back
  const offer = (trait, offered, view) => {
    const convert = h("button", {
      type: "button",
      class: "ra-link ra-offer-convert",
      onclick: () => {
        const text = view.state.doc.toString();
        if (text !== ctx.get(trait)) return;
        view.dispatch({ changes: { from: 0, to: text.length, insert: ctx.get(offered) }, userEvent: "input" });
        view.focus();
      },
    });
    const node = h("div", { class: "ra-offer", role: "status" }, ctx.text("prompt.fullwidth.found"), convert);
    ctx.watch(`${offered} texts`, () => {
      node.hidden = !ctx.get(offered);
      convert.textContent = ctx.t("prompt.fullwidth.convert");
      convert.title = ctx.get(offered);
    });
    return node;
  };
  const chips = h("div", { class: "ra-chips ra-examples" });
  ctx.watch("examples texts", () => {
    const examples = ctx.get("examples") ?? [];
    chips.hidden = examples.length === 0;
    chips.replaceChildren(
      h("span", { class: "ra-chips-word", text: ctx.t("examples.try") }),
      ...examples.map((text) =>
        h("button", {
          type: "button",
          class: "ra-chip",
          text,
          onclick: () => {
            ctx.push({ prompt: text });
            positive.focus();
          },
        }),
      ),
    );
  });
  const label = (key, view, counterTrait) =>
    h("div", { class: "ra-label" }, h("span", { onclick: () => view.focus() }, ctx.text(key)), counter(counterTrait));
  const negativeBlock = h("div", { class: "ra-field ra-negative" }, label("negative_prompt", negative, "negative_counter"), h("div", { class: "ra-editor ra-editor-small" }, negative.dom), offer("negative_prompt", "negative_offer", negative));
  ctx.watch("show_negative", () => {
    negativeBlock.hidden = !ctx.get("show_negative");
  });
  ctx.root.append(
    h("div", { class: "ra-field ra-prompt" }, label("prompt", positive, "counter"), h("div", { class: "ra-editor" }, positive.dom), offer("prompt", "offer", positive)),
    chips,
    negativeBlock,
  );
  const done = ctx.finish();
  return () => {
    positive.destroy();
    negative.destroy();
    done();
  };
}

export default { render };
