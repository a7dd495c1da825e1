"""What a model reads: prompts without comments, in a language it knows, and what was probably not meant."""

from __future__ import annotations

import json
import logging
from typing import Any

from ra_widgets.diffusion import translation
from ra_widgets.diffusion.conditioning import Timeline
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.tasks import control
from ra_widgets.diffusion.tasks.conditions import text_encoder
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.errors import ModelError, Notice
from ra_widgets.library import resolve
from ra_widgets.prompt import split_networks, strip_comments
from ra_widgets.requests import TextToImage
from ra_widgets.samplers import SAMPLERS_INFO

log = logging.getLogger(__name__)

TEXTS = {
    "prompt": "Translated prompt",
    "negative_prompt": "Translated negative prompt",
    "hr_prompt": "Translated hires prompt",
    "hr_negative_prompt": "Translated hires negative prompt",
}
"""Request fields that hold prompts, and the infotext keys of their translations."""


def readable(model: LoadedModel, request: TextToImage, work: Work | None = None) -> tuple[TextToImage, dict[str, Any]]:
    """The request with prompts that the model can read, and what was done to them, for the record.

    Chinese is put into English for models that do not read it (:mod:`ra_widgets.prompt.lexicon`); the picture's own request keeps
    what was typed, comments too. Textual inversion embeddings are recorded as the webui does. What was probably not meant (networks, which are
    not loaded yet; names of embeddings that are no embeddings here) is recorded as ``warnings`` and told to ``work``.

    Raises:
        ModelError: an embedding in a prompt cannot be read; there is no such refiner.
    """
    if request.refiner_checkpoint and request.refiner_switch_at < 1:
        resolve(request.refiner_checkpoint)  # an unknown one is refused now, not when its turn comes
    facts: dict[str, Any] = {"infotext": {}}
    notices: list[Notice] = []
    request = _without_comments(request)
    networks = sorted({n.args[0] for n in split_networks(request.prompt)[1] if n.args})
    if networks:
        log.info("networks named in the prompt are not loaded: %s", ", ".join(networks))
        facts["networks_not_loaded"] = networks
        notices.append(Notice("prompt.warn.networks", {"names": ", ".join(networks)}))
    if "zh" not in model.info.languages:
        request = _translated(request, facts, notices)
    calls = SAMPLERS_INFO[request.sampler].total_steps(request.steps)
    prompts = [text for name in TEXTS if (text := getattr(request, name, ""))] + blended_texts(request)
    used = text_encoder(model).used(prompts, Timeline(calls, old=request.old_prompt_timelines))
    if used:
        facts["embeddings"] = [{"name": e.name, "hash": e.hash, "vectors": e.vectors} for e in used]
        # the webui's spelling: signs that would break its list are left out of names
        named = (e.name.replace(":", "").replace(",", "") for e in used)
        facts["infotext"]["TI hashes"] = ", ".join(f"{n}: {e.hash}" for n, e in zip(named, used, strict=True))
    notices += text_encoder(model).doubtful(prompts, used)
    if notices:
        facts["warnings"] = [notice.to_dict() for notice in notices]
        if work is not None:
            work.warn(notices)
    names = control.labels(model, request)
    if names:
        facts["control"] = names
    return request, facts


def _without_comments(request: TextToImage) -> TextToImage:
    """The request as the model reads it: ``#`` hides the rest of its line, as in the webui."""
    texts: dict[str, Any] = {
        name: strip_comments(text) for name in TEXTS if "#" in (text := getattr(request, name, "") or "")
    }
    if any("#" in text for text in blended_texts(request)):
        texts["prompt_blend"] = tuple(
            part.replace(
                prompt=strip_comments(part.prompt),
                negative_prompt=None if part.negative_prompt is None else strip_comments(part.negative_prompt),
            )
            for part in request.prompt_blend
        )
    return request.replace(**texts) if texts else request


def _translator(notices: list[Notice]) -> translation.LocalTranslator | None:
    """The library's translator, if it has one that can be used."""
    from ra_widgets.library import translators

    try:
        source = translators.chosen()
        return None if source is None else translation.load(source)
    except ModelError as error:
        notices.append(Notice("translator.warn.unusable", {"reason": error.text()}))
        return None


def _translated(request: TextToImage, facts: dict[str, Any], notices: list[Notice]) -> TextToImage:
    from ra_widgets.prompt.lexicon import Translation, has_chinese
    from ra_widgets.prompt.lexicon import translate as by_glossary

    texts_given = [getattr(request, name, "") or "" for name in TEXTS] + blended_texts(request)
    engine = _translator(notices) if any(map(has_chinese, texts_given)) else None

    def translate(text: str) -> Translation:
        nonlocal engine
        if engine is not None:
            try:
                return by_glossary(text, engine=engine)
            except ModelError as error:
                notices.append(Notice("translator.warn.unusable", {"reason": error.text()}))
                engine = None
        return by_glossary(text)

    found = {name: translate(getattr(request, name)) for name in TEXTS if hasattr(request, name)}
    changed = {name: translation for name, translation in found.items() if translation.changed}
    if changed:
        facts["translation"] = {name: {"text": x.text, "unknown": x.unknown} for name, x in changed.items()}
        facts["infotext"] |= {TEXTS[name]: translation.text for name, translation in changed.items()}
        if engine is not None:
            facts["translator"] = facts["infotext"]["Translator"] = engine.source.name
    texts: dict[str, Any] = {name: translation.text for name, translation in changed.items()}
    blend = tuple(
        part.replace(
            prompt=translate(part.prompt).text,
            negative_prompt=None if part.negative_prompt is None else translate(part.negative_prompt).text,
        )
        for part in request.prompt_blend
    )
    if blend != request.prompt_blend:
        texts["prompt_blend"] = blend
        facts["infotext"]["Translated prompt blend"] = json.dumps([part.prompt for part in blend], ensure_ascii=False)
    return request.replace(**texts) if texts else request


def blended_texts(request: TextToImage) -> list[str]:
    """The further prompts of a blend."""
    return [text for part in request.prompt_blend for text in (part.prompt, part.negative_prompt) if text]
