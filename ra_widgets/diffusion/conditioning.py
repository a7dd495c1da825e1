"""From a prompt to what the UNet reads, as the webui does it.

Order: networks ``<lora:...>`` are taken out; the positive prompt is split at ``AND``; each part is expanded into its
per-step schedule; each text is parsed for attention, tokenised and cut into chunks of 75 tokens, which are encoded one by one
and laid side by side. (webui 1.10 ``sd_hijack_clip``, ``prompt_parser``.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.textual_inversion import Embeddings, in_place
from ra_widgets.errors import Notice
from ra_widgets.library.embeddings import Embedding
from ra_widgets.prompt import Chunk, parse_attention, prompt_schedule, split_and, split_chunks, split_networks
from ra_widgets.prompt.chunks import BACKTRACK, FindEmbedding

EMPHASIS = ("Original", "No norm", "Ignore", "None")
"""How weights act: multiply and restore the mean; multiply only; parse but weigh 1; do not parse at all."""

CACHE_SIZE = 128


@dataclass(frozen=True)
class Encoded:
    """A text as the UNet reads it: ``embeds`` float [T, D] and, for SDXL, ``pooled`` float [D2].

    ``used``: the textual inversion embeddings in it.
    """

    embeds: torch.Tensor
    pooled: torch.Tensor | None = None
    used: tuple[Embedding, ...] = ()


@dataclass(frozen=True)
class Part:
    """One ``AND`` member: its weight and schedule ``[(last denoiser call it serves, encoded text), ...]``."""

    weight: float
    schedule: tuple[tuple[int, Encoded], ...]


@dataclass(frozen=True)
class Timeline:
    """What prompt schedules are counted against: denoiser calls of the first pass and, in the second, of hires fix."""

    calls: int
    hires_calls: int | None = None
    old: bool = False
    """As webui before 1.6 counted, see :func:`ra_widgets.prompt.prompt_schedule`."""


def chunks_of(
    text: str,
    tokenizer: Any,
    emphasis: str = "Original",
    backtrack: int = BACKTRACK,
    find_embedding: FindEmbedding | None = None,
) -> list[Chunk[int]]:
    """Cut a text into chunks of the tokenizer's length less two (75 for CLIP), weights beside tokens.

    ``BREAK`` ends a chunk early. An empty text gives one empty chunk. An embedding's places hold token 0.
    """
    pieces = [[text, 1.0]] if emphasis == "None" else parse_attention(text)
    if emphasis == "Ignore":
        pieces = [[words, weight if words == "BREAK" and weight == -1 else 1.0] for words, weight in pieces]
    comma = _comma_id(tokenizer)
    return split_chunks(
        pieces,
        lambda words: tokenizer(words, truncation=False, add_special_tokens=False, verbose=False)["input_ids"],
        lambda token: token == comma,
        size=tokenizer.model_max_length - 2,
        backtrack=backtrack,
        find_embedding=find_embedding,
        filler=0,
    )


def _comma_id(tokenizer: Any) -> int | None:
    ids = tokenizer(",", add_special_tokens=False)["input_ids"]
    return ids[-1] if ids else None


class TextEncoder:
    """Encodes prompts for one loaded model; keeps the last :data:`CACHE_SIZE` encoded texts.

    A run that changes only the seed encodes nothing.
    """

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.embeddings = Embeddings(model.info.name, model.pipe)
        self.encoded = 0
        """How many texts were really encoded (not found in the cache)."""
        self._cache: OrderedDict[tuple[Any, ...], Encoded] = OrderedDict()

    def parts(self, prompt: str, timeline: Timeline, clip_skip: int = 1, emphasis: str = "Original") -> list[Part]:
        """The positive prompt: one :class:`Part` for each ``AND`` member, scheduled over the timeline."""
        text, _ = split_networks(prompt)
        return [self._part(member, float(weight), timeline, clip_skip, emphasis) for member, weight in split_and(text)]

    def negative(self, prompt: str, timeline: Timeline, clip_skip: int = 1, emphasis: str = "Original") -> Part:
        """The negative prompt: never split at ``AND``. SDXL's is nothing but zeros when it is empty all the way."""
        text, _ = split_networks(prompt)
        part = self._part(text, 1.0, timeline, clip_skip, emphasis)
        steps = prompt_schedule(text, timeline.calls, timeline.hires_calls, timeline.old)
        if self.model.info.family != "sdxl" or any(words for _, words in steps):
            return part
        return Part(part.weight, tuple((end, self._zeros(encoded)) for end, encoded in part.schedule))

    def _zeros(self, like: Encoded) -> Encoded:
        """An :class:`Encoded` of zeros, the same object each time."""
        key = ("zeros", tuple(like.embeds.shape), like.embeds.dtype, like.embeds.device)
        if key not in self._cache:
            pooled = None if like.pooled is None else torch.zeros_like(like.pooled)
            self._cache[key] = Encoded(torch.zeros_like(like.embeds), pooled)
        return self._cache[key]

    def _part(self, text: str, weight: float, timeline: Timeline, clip_skip: int, emphasis: str) -> Part:
        steps = prompt_schedule(text, timeline.calls, timeline.hires_calls, timeline.old)
        return Part(weight, tuple((int(end), self.encode(words, clip_skip, emphasis)) for end, words in steps))

    def used(self, prompts: Iterable[str], timeline: Timeline) -> list[Embedding]:
        """The embeddings that prompts and negative prompts will use, in order; looks for new files first.

        Raises:
            ModelError: one of them cannot be read.
        """
        self.embeddings.refresh()
        if not self.embeddings.stamp:
            return []
        tokenizers = [(name, getattr(self.model.pipe, name, None)) for name in ("tokenizer", "tokenizer_2")]
        found: dict[Embedding, None] = {}
        for prompt in prompts:
            text, _ = split_networks(prompt)
            schedule = prompt_schedule(text, timeline.calls, timeline.hires_calls, timeline.old)
            for words in dict.fromkeys(words for _, words in schedule):
                for name, tokenizer in tokenizers:
                    if tokenizer is None:
                        continue
                    for chunk in chunks_of(words, tokenizer, find_embedding=self.embeddings.finder(name)):
                        for _, embedding in chunk.embeddings:
                            self.embeddings.vectors(embedding, name.replace("tokenizer", "text_encoder"))
                            found[embedding] = None
        return list(found)

    def doubtful(self, prompts: Iterable[str], used: Iterable[Embedding]) -> list[Notice]:
        """What looks like an embedding in prompts and is read as plain words; see :meth:`Embeddings.doubtful`."""
        used = list(used)
        notices: list[Notice] = []
        for prompt in dict.fromkeys(prompts):
            found = self.embeddings.doubtful(split_networks(prompt)[0], used)
            notices += [notice for notice in found if notice not in notices]
        return notices

    def encode(self, text: str, clip_skip: int = 1, emphasis: str = "Original") -> Encoded:
        """Encode one text without schedule: embeds [77 * chunks, D] on the model's device and dtype.

        Raises:
            ModelError: an embedding in it cannot be read.
        """
        if self.model.info.family == "sd2":
            clip_skip = 1  # the webui's OpenCLIP always stops where the model was trained, at its last layer but one
        key = (text, clip_skip, emphasis, self.embeddings.stamp)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        self.encoded += 1
        if self.model.info.family == "sdxl":
            value = self._encode_sdxl(text, emphasis)
        else:
            embeds, _, used = self._encode(text, "tokenizer", "text_encoder", clip_skip, emphasis)
            value = Encoded(embeds, None, used)
        self._cache[key] = value
        if len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        return value

    def _encode_sdxl(self, text: str, emphasis: str) -> Encoded:
        # the webui ignores clip skip for SDXL: both encoders stop at their last layer but one, without final norm
        pipe = self.model.pipe
        second, pooled, used = self._encode(text, "tokenizer_2", "text_encoder_2", 0, emphasis)
        if getattr(pipe, "text_encoder", None) is None:  # the refiner has only the second encoder
            return Encoded(second, pooled, used)
        first, _, _ = self._encode(text, "tokenizer", "text_encoder", 0, emphasis)
        rows = min(len(first), len(second))
        return Encoded(torch.cat([first[:rows], second[:rows]], dim=-1), pooled, used)

    def _encode(
        self, text: str, tokenizer_name: str, encoder_name: str, clip_skip: int, emphasis: str
    ) -> tuple[torch.Tensor, torch.Tensor | None, tuple[Embedding, ...]]:
        tokenizer, encoder = getattr(self.model.pipe, tokenizer_name), getattr(self.model.pipe, encoder_name)
        found, pooled = [], None
        used: dict[Embedding, None] = {}
        for chunk in chunks_of(text, tokenizer, emphasis, find_embedding=self.embeddings.finder(tokenizer_name)):
            ids, weights = _row(chunk, tokenizer)
            # the start mark takes the first place
            vectors = [(at + 1, self.embeddings.vectors(item, encoder_name)) for at, item in chunk.embeddings]
            used |= dict.fromkeys(item for _, item in chunk.embeddings)
            with in_place(encoder, vectors):
                output = encoder(input_ids=ids.to(self.model.device), output_hidden_states=True)
            if clip_skip == 0:
                states = output.hidden_states[-2]
                if pooled is None:
                    pooled = output[0][0] if hasattr(output, "text_embeds") else None
            elif clip_skip == 1:
                states = output.last_hidden_state
            else:
                layer = max(-clip_skip, -len(output.hidden_states) + 1)
                states = _final_norm(encoder)(output.hidden_states[layer])
            found.append(_weigh(states[0], weights.to(states.device), emphasis))
        return torch.cat(found), pooled, tuple(used)


def _row(chunk: Chunk[int], tokenizer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Start, tokens, end, padding: int64 [1, n] and float32 [n]. Padding is the tokenizer's own (SD 1: the end mark)."""
    length = tokenizer.model_max_length
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    ids = [tokenizer.bos_token_id, *chunk.tokens, end]
    ids += [end if pad is None else pad] * (length - len(ids))
    weights = [1.0, *chunk.weights]
    weights += [1.0] * (length - len(weights))
    return torch.tensor([ids]), torch.tensor(weights)


def _final_norm(encoder: Any) -> Any:
    return getattr(encoder, "text_model", encoder).final_layer_norm


def _weigh(states: torch.Tensor, weights: torch.Tensor, emphasis: str) -> torch.Tensor:
    """Multiply each token's state [n, D] by its weight; "Original" then scales back to the mean from before."""
    if emphasis in ("Ignore", "None") or bool((weights == 1).all()):
        return states
    dtype = states.dtype
    states = states.float()
    weighed = states * weights[:, None]
    if emphasis == "Original":
        weighed = weighed * (states.mean() / weighed.mean())
    return weighed.to(dtype)
