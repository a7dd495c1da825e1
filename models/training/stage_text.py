"""Stage ``text``: teach the text encoder what captions say, before the UNet ever listens.

A caption's end state must tell subject, colour, background, style, place, size, number and time by linear heads, and
what the subjects look like (:class:`Looks`): the latent picture of the drawn thing must be a linear reading of the
state. So a UNet meets a new name as a mixture of shapes and colours that it can already draw, not as a random vector.
A few minutes of this make Chinese and English prompts equal from the first step of the UNet. With a ``teacher`` (an
older text encoder) the hidden states of captions that both tokenizers cut alike are kept, so that a UNet which
listens to the teacher can go on with the new encoder.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from . import tokenizer as tokenizers
from .captions import caption
from .compose import Composer, Curriculum, Spec, random_spec
from .config import Config
from .networks import build_text
from .pool import encode, fingerprint
from .runtime import Log, Stop, autocast, device, launch, load_state, save_state, seeded, to_tensor
from .tiers import KNOWN
from .vocabulary import COLOURS, SCENE_KEYS, STYLE_KEYS, read_subjects


class Slots(nn.Module):
    """Linear heads on the pooled end state, one for each thing that a caption can say."""

    def __init__(self, width: int, subjects: list[str]) -> None:
        super().__init__()
        self.index = {s: i for i, s in enumerate(subjects)}
        n, c = len(subjects) + 1, len(COLOURS) + 1
        sizes = {
            "a": n,
            "b": n,
            "colour_a": c,
            "colour_b": c,
            "background": 1 + len(COLOURS) + len(SCENE_KEYS),
            "style": len(STYLE_KEYS),
            "place": 3,
            "size": 3,
            "number": 4,
            "time": 3,
        }
        self.heads = nn.ModuleDict({k: nn.Linear(width, v) for k, v in sizes.items()})

    def targets(self, spec: Spec) -> dict[str, int]:
        """The right class of every head."""
        none, o = len(self.index), spec["objects"]
        pair = spec["kind"] == "pair"
        kind, value = spec["bg"]
        background = (
            0 if kind == "none" else 1 + value if kind == "plain" else 1 + len(COLOURS) + SCENE_KEYS.index(value)
        )
        return {
            "a": self.index[o[0]["s"]] if o else none,
            "b": self.index[o[1]["s"]] if pair else none,
            "colour_a": o[0]["c"] % 10 if o else 9,
            "colour_b": o[1]["c"] % 10 if pair else 9,
            "background": background,
            "style": STYLE_KEYS.index(spec["style"]),
            "place": "clr".index(spec["pos"]),
            "size": "msl".index(spec["size"]),
            "number": spec["n"] if o else 0,
            "time": ("", "dusk", "night").index(spec["time"]),
        }

    def loss(self, state: torch.Tensor, specs: list[Spec]) -> tuple[torch.Tensor, dict[str, float]]:
        """Summed cross-entropy and the accuracy of each head."""
        targets = [self.targets(s) for s in specs]
        total, right = torch.zeros((), device=state.device), {}
        for k, head in self.heads.items():
            y = torch.tensor([t[k] for t in targets], device=state.device)
            logits = head(state)
            total = total + F.cross_entropy(logits, y)
            right[k] = (logits.argmax(1) == y).float().mean().item()
        return total, right


class Looks(nn.Module):
    """Linear heads from the end state to the latent pictures of the (left and right) subject.

    Args:
        width: of the text encoder. looks: float32 [N, D], standardised latents of the things that :attr:`index` names.
        index: (subject, style, colour or -1) -> row of ``looks``.
    """

    def __init__(self, width: int, looks: torch.Tensor, index: dict[tuple[str, str, int], int]) -> None:
        super().__init__()
        self.index, self.looks = index, looks
        self.spread = float(looks.var(0).sum())
        self.heads = nn.ModuleList([nn.Linear(width, looks.shape[1]) for _ in range(2)])

    def row(self, spec: Spec, i: int) -> int:
        """The row of object ``i`` of ``spec``; a coloured thing looks as in 3D whatever its style."""
        o = spec["objects"][i]
        return self.index[(o["s"], spec["style"], -1) if o["c"] < 0 else (o["s"], "3d", o["c"])]

    def loss(self, state: torch.Tensor, specs: list[Spec]) -> torch.Tensor:
        """Unexplained share of the variance of the looks (0 perfect, 1 nothing known), both heads added."""
        total = torch.zeros((), device=state.device)
        for i, head in enumerate(self.heads):
            told = [k for k, s in enumerate(specs) if s["objects"] and (i == 0 or s["kind"] == "pair")]
            if told:
                want = self.looks[[self.row(specs[k], i) for k in told]].to(state.device)
                total = total + ((head(state[told]) - want) ** 2).sum(1).mean() / self.spread
        return total


def see(config: Config) -> tuple[torch.Tensor, dict[tuple[str, str, int], int]]:
    """Every subject in every style, and in every colour in 3D, encoded on a plain ground: centred latents and their
    index, for :class:`Looks`. Kept beside the pool under the encoder's fingerprint."""
    composer = Composer(config.data, config.size)
    keys = [(s, style, -1) for s in composer.subjects for style in STYLE_KEYS]
    keys += [(s, "3d", c) for s in composer.subjects for c in range(len(COLOURS))]
    vae = AutoencoderKL.from_pretrained(config.state / "vae", torch_dtype=torch.float32).eval()
    path = config.data / f"looks-{fingerprint(vae)}.safetensors"
    if not path.exists():
        vae = vae.to(device(), memory_format=torch.channels_last)
        parts = []
        for i in range(0, len(keys), 32):
            images = [composer.render(_plain(s, style, c)) for s, style, c in keys[i : i + 32]]
            latents = torch.from_numpy(encode(vae, to_tensor(images)).astype("float32"))
            side = latents.shape[-1]
            edge = side // 5
            parts.append(latents[..., edge : side - edge, edge : side - edge].flatten(1))
        save_file({"looks": torch.cat(parts)}, path)
    looks = load_file(path)["looks"]
    return looks - looks.mean(0), {k: i for i, k in enumerate(keys)}


def _plain(subject: str, style: str, colour: int) -> Spec:
    thing = {"s": subject, "c": colour, "x": 0.5, "y": 0.8125, "h": 0.625, "flip": False, "rot": 0.0}
    return {"style": style, "kind": "one", "n": 1, "objects": [thing], "size": "m", "pos": "c", "time": "",
            "bg": ["none", 0], "seed": 1}  # fmt: skip


@torch.no_grad()
def inherit(
    model: CLIPTextModel,
    tokenizer: PreTrainedTokenizerFast,
    teacher: CLIPTextModel,
    old: PreTrainedTokenizerFast,
    seed: int,
) -> int:
    """Copy the teacher: all layers, positions, and the embedding of every token that both know; number of those.

    The words of one new subject share one random embedding, so that its Chinese and English names start equal.
    """
    source = {k: v for k, v in teacher.state_dict().items() if "embeddings" not in k}
    model.load_state_dict(source, strict=False)
    new_e, old_e = model.get_input_embeddings().weight, teacher.get_input_embeddings().weight
    new_p = (
        model.text_model.embeddings.position_embedding.weight
        if hasattr(model, "text_model")
        else model.embeddings.position_embedding.weight
    )
    old_p = (
        teacher.text_model.embeddings.position_embedding.weight
        if hasattr(teacher, "text_model")
        else teacher.embeddings.position_embedding.weight
    )
    n = len(old_p)
    new_p[:n] = old_p
    new_p[n:] = old_p[-1]
    g = torch.Generator().manual_seed(seed)
    scale = old_e[4:].std()
    new_e.copy_(torch.randn(new_e.shape, generator=g) * scale)
    words, known = tokenizer.get_vocab(), old.get_vocab()
    for subject in read_subjects():
        shared = torch.randn(new_e.shape[1], generator=g) * scale
        for name in (*subject.en, *subject.zh):
            if name.lower() in words:
                new_e[words[name.lower()]] = shared
    both = words.keys() & known.keys()
    for word in both:
        new_e[words[word]] = old_e[known[word]]
    # a new synonym of a subject that the teacher knew speaks like the name that it knew
    for subject in read_subjects():
        names = [x.lower() for x in (*subject.en, *subject.zh)]
        heard = [known[x] for x in names if x in known]
        for name in names:
            if name in words and name not in known and heard and subject.key in KNOWN:
                new_e[words[name]] = old_e[heard[0]]
    return len(both)


def train(config: Config, teacher: Path | None = None, old_tokenizer: Path | None = None, quiet: bool = False) -> None:
    """Run or resume the stage; results in ``state/tokenizer`` and ``state/text_encoder``."""
    launch(_train, 1, config, teacher, old_tokenizer, quiet)


def _train(
    rank: int, world: int, config: Config, teacher: Path | None, old_tokenizer: Path | None, quiet: bool
) -> None:
    dev = device()
    tok = tokenizers.build()
    tokenizers.save(tok, config.state / "tokenizer")
    torch.manual_seed(config.seed)
    model = build_text(config.text, len(tok)).to(dev)
    subjects = [s.key for s in read_subjects()]
    slots = Slots(config.text.width, subjects).to(dev)
    looks = Looks(config.text.width, *see(config)).to(dev)
    params = [*model.parameters(), *slots.parameters(), *looks.parameters()]
    modules = {"text": model, "slots": slots, "looks": looks}
    optimiser = torch.optim.AdamW(params, lr=config.text_lr, betas=(0.9, 0.98), weight_decay=0.01)
    log, stop = Log(config.logs, "text", config.text_steps, 0, quiet), Stop()
    master = old = None
    if teacher is not None:
        master = CLIPTextModel.from_pretrained(teacher, dtype=torch.float32).eval().to(dev)
        old = PreTrainedTokenizerFast.from_pretrained(old_tokenizer)
        log.say(f"{inherit(model, tok, master, old, config.seed)} tokens inherited of {len(tok)}")
    state, step = config.state / "text.safetensors", 0
    if state.exists():
        step = load_state(state, modules, optimiser)["step"]
    curriculum = Curriculum(Composer(config.data, config.size).subjects, 1.0)
    familiar = Curriculum(list(KNOWN))
    right: dict[str, float] = {}
    while step < config.text_steps:
        r = seeded(config.seed + 1, 0, step)
        for g in optimiser.param_groups:
            g["lr"] = config.text_lr * min(1.0, (step + 1) / 50) * max(0.05, 1 - step / config.text_steps)
        specs = [random_spec(r, curriculum) for _ in range(config.text_batch)]
        ids = tok([caption(s, r) for s in specs], padding=True, truncation=True, return_tensors="pt").input_ids.to(dev)
        with autocast():
            pooled = model(input_ids=ids).pooler_output
        loss, now = slots.loss(pooled.float(), specs)
        unseen = looks.loss(pooled.float(), specs)
        loss, now["unseen"] = loss + 10 * unseen, unseen.item()
        if master is not None and old is not None:
            loss = loss + 20 * _imitate(model, tok, master, old, familiar, r, config.text_batch // 2)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimiser.step()
        step += 1
        right = {k: 0.95 * right.get(k, v) + 0.05 * v for k, v in now.items()}
        if step % 25 == 0:
            log.report(step, loss=loss.item(), **right)
        if stop.asked or step % 200 == 0:
            save_state(state, modules, optimiser, {"step": step})
        if stop.asked:
            return
    save_state(state, modules, optimiser, {"step": step})
    model.save_pretrained(config.state / "text_encoder")


def _imitate(
    model: CLIPTextModel,
    tok: PreTrainedTokenizerFast,
    master: CLIPTextModel,
    old: PreTrainedTokenizerFast,
    familiar: Curriculum,
    r: random.Random,
    n: int,
) -> torch.Tensor:
    """Mean squared difference to the teacher's states on captions that both tokenizers cut alike."""
    texts = []
    for _ in range(n):
        text = caption(random_spec(r, familiar), r)
        if tok.tokenize(text) == old.tokenize(text) and "<unk>" not in old.tokenize(text):
            texts.append(text)
    if not texts:
        return torch.zeros(())
    a = tok(texts, padding="max_length", max_length=32, truncation=True, return_tensors="pt").input_ids.to(model.device)
    b = old(texts, padding="max_length", max_length=32, truncation=True, return_tensors="pt").input_ids.to(model.device)
    with autocast():
        mine = model(input_ids=a).last_hidden_state
        with torch.no_grad():
            theirs = master(input_ids=b).last_hidden_state
    return ((mine.float() - theirs.float()) ** 2).mean()
