"""One pass of sampling, shared by all tasks on our own engine: prompts and noise in, latents out."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image

from ra_widgets.diffusion import tiled_diffusion, translation
from ra_widgets.diffusion.blending import mix_part, mix_parts
from ra_widgets.diffusion.brownian import BrownianNoise
from ra_widgets.diffusion.conditioning import Encoded, Part, TextEncoder, Timeline
from ra_widgets.diffusion.control.steering import Steering
from ra_widgets.diffusion.denoiser import LCMDenoiser, ModelDenoiser, diffusers_call
from ra_widgets.diffusion.guidance import CFGDenoiser, Cond, GuidanceOptions, Refiner
from ra_widgets.diffusion.masking import LatentMask
from ra_widgets.diffusion.noise import ImageNoise
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.plan import SamplingPlan
from ra_widgets.diffusion.sampling import SAMPLERS, pick_options
from ra_widgets.diffusion.sampling_base import Step
from ra_widgets.diffusion.tasks import channels, control
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.errors import EngineError, ModelError, Notice
from ra_widgets.library import resolve
from ra_widgets.pictures import Picture
from ra_widgets.prompt import split_networks, strip_comments
from ra_widgets.requests import TextToImage
from ra_widgets.samplers import SAMPLERS_INFO

log = logging.getLogger(__name__)

Prompts = list[list[tuple[Cond, float]]]


@dataclass(frozen=True)
class Pass:
    """What one pass does, beyond what the request says for all of them.

    Attributes:
        walk: sampler and sigmas. prompt, negative: texts. timeline: what their schedules count against.
        width, height: pixels. refine: hand over to the refiner, if the request names one.
        hires: whether this is the second pass of hires fix.
        picture: what control units without a picture of their own look at. mask: L, white where to paint; for inpainting
            modules. place, whole: the part of a picture of size ``whole`` that is worked on ("only masked"), for units with
            their own picture.
    """

    walk: SamplingPlan
    prompt: str
    negative: str
    timeline: Timeline
    width: int
    height: int
    refine: bool = False
    hires: bool = False
    picture: Picture | None = None
    mask: Image.Image | None = None
    place: tuple[int, int, int, int] | None = None
    whole: tuple[int, int] = (0, 0)


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


def sample(
    model: LoadedModel,
    request: TextToImage,
    this: Pass,
    seeds: Sequence[tuple[int, int]],
    work: Work,
    init: torch.Tensor | None = None,
    *,
    mask: LatentMask | None = None,
    image_cond: torch.Tensor | None = None,
    noise_multiplier: float = 1.0,
    extra_noise: float = 0.0,
    part: tuple[int, int] = (0, 1),
) -> torch.Tensor:
    """Latents float32 [B, 4, h, w] for (seed, variation seed) pairs, from pure noise or from ``init`` latents.

    Args:
        init: [B or 1, 4, h, w]. mask: which part is drawn anew; the caller does the final blend.
        image_cond: [B or 1, C', h, w], further input channels of the UNet; None: what it gets in text to image.
        noise_multiplier: factor of the first noise. extra_noise: noise on top of ``init``.
        part: which of how many parts of the batch this is, for the progress.

    Raises:
        EngineError: the model produced invalid numbers. JobCancelled.
    """
    walk = this.walk
    if walk.info.adaptive and len(seeds) > 1:
        return torch.cat(
            [
                sample(
                    *(model, request, this, [pair], work, _of(init, k)),
                    mask=None if mask is None else mask.of(k),
                    image_cond=_of(image_cond, k),
                    noise_multiplier=noise_multiplier,
                    extra_noise=extra_noise,
                    part=(k, len(seeds)),
                )
                for k, pair in enumerate(seeds)
            ]
        )
    noise = make_noise(model, request, seeds, this.width, this.height)
    first = noise.first().to(model.device)
    if noise_multiplier != 1.0:
        first = first * noise_multiplier
    x = walk.start(first) if init is None else walk.start(first, init.to(first), extra_noise)
    if image_cond is None:
        image_cond = channels.image_cond(model, this.height, this.width)
    if image_cond is not None:
        image_cond = image_cond.to(model.device).expand(len(seeds), -1, -1, -1)
    prompts, negatives = conditioning(model, request, this, len(seeds))
    steer = control.steering(model, request, this)
    guided = CFGDenoiser(
        denoiser(model, walk, steer, tiled_diffusion.plan(model, request, this.width, this.height, len(seeds))),
        prompts,
        negatives,
        guidance(model, request, walk),
        total_steps=walk.guidance_steps,
        mask=mask,
        image_cond=image_cond,
        refiner=refiner(request, this, len(seeds), work) if this.refine else None,
        seen=lambda _: work.check(),
    )

    def report(step: Step) -> None:
        if steer is not None:
            steer.step = step.i
        total = step.total or walk.run_steps
        work.progress(part[0] * total + min(step.i + 1, total), part[1] * total)
        work.preview(step.denoised if guided.denoised is None else guided.denoised, step.i + 1, part[0])

    with control.installed(steer):
        latents = SAMPLERS[walk.info.name](
            guided,
            x,
            walk.sigmas,
            noise_sampler=noise_sampler(request, walk, noise, x),
            callback=report,
            **pick_options(walk.info.name, **sampler_options(request, walk)),
        )
    if not bool(torch.isfinite(latents).all()):
        raise EngineError("error.nan")
    return latents


def _of(latents: torch.Tensor | None, image: int) -> torch.Tensor | None:
    """One image's part of [B or 1, ...]."""
    return latents if latents is None or len(latents) == 1 else latents[image : image + 1]


def make_noise(
    model: LoadedModel, request: TextToImage, seeds: Sequence[tuple[int, int]], width: int, height: int
) -> ImageNoise:
    """The noise of a batch: a source of its own for every picture."""
    scale = model.latent_scale
    varied = request.subseed_strength > 0
    return ImageNoise(
        [seed for seed, _ in seeds],
        (model.vae.config.latent_channels, height // scale, width // scale),
        rng=request.rng,
        subseeds=[subseed for _, subseed in seeds] if varied else None,
        subseed_strength=request.subseed_strength,
        seed_resize=(request.seed_resize_from_w, request.seed_resize_from_h) if request.seed_resize_from_w else None,
        eta_noise_seed_delta=request.eta_noise_seed_delta,
        further=request.further_variations,
    )


def sampler_options(request: TextToImage, walk: SamplingPlan) -> dict[str, Any]:
    """The request's options for the sampler, which takes those that it knows, as in the webui; and the walk's own."""
    eta = request.eta if request.eta is not None else walk.info.default_eta if walk.info.uses_eta else None
    unipc: dict[str, Any] = {}
    if walk.info.name == "UniPC":
        lower = request.uni_pc_lower_order_final
        unipc = {"solver": request.uni_pc_variant, "order": request.uni_pc_order, "lower_order_final": lower}
    return {
        "eta": eta,
        "s_churn": request.s_churn,
        "s_tmin": request.s_tmin,
        "s_tmax": request.s_tmax or math.inf,
        "s_noise": request.s_noise if walk.info.takes_s_noise else None,
        **walk.options,
        **unipc,
    }


def guidance(model: LoadedModel, request: TextToImage, walk: SamplingPlan) -> GuidanceOptions:
    """The request's guidance settings."""
    return GuidanceOptions(
        cfg_scale=float(request.cfg_scale or 0.0),
        rescale=request.cfg_rescale,
        s_min_uncond=request.s_min_uncond,
        s_min_uncond_all=request.s_min_uncond_all,
        counts_timesteps=walk.info.timestep_based,
        skip_early_cond=request.skip_early_cond,
        pad_v0=request.pad_cond_uncond_v0,
        pad_empty=text_encoder(model).encode("", request.clip_skip).embeds if request.pad_cond_uncond else None,
    )


def noise_sampler(request: TextToImage, walk: SamplingPlan, noise: ImageNoise, x: torch.Tensor) -> Any:
    """What a sampler draws on its way: a Brownian tree for the SDE family, else the pictures' own sources."""
    if not walk.info.brownian:
        return noise.sampler(x)
    return BrownianNoise(x, *walk.noise_range, noise.seeds, rng=request.rng)


def denoiser(
    model: LoadedModel, walk: SamplingPlan, steer: Steering | None = None, tiling: tiled_diffusion.Tiling | None = None
) -> ModelDenoiser:
    """The model's denoiser for this sampler; without steering and tiles made once."""
    kind = LCMDenoiser if walk.info.name == "LCM" else ModelDenoiser
    alphas = model.alphas_cumprod if walk.alphas_cumprod is None else walk.alphas_cumprod
    call = diffusers_call(model.unet, steer)
    if tiling is not None:
        return kind(tiled_diffusion.TiledCall(call, tiling, steer), alphas, model.prediction_type)
    if steer is not None or alphas is not model.alphas_cumprod:
        return kind(call, alphas, model.prediction_type)
    key = kind.__name__
    if key not in model.cache:
        model.cache[key] = kind(call, alphas, model.prediction_type)
    found: ModelDenoiser = model.cache[key]
    return found


def refiner(request: TextToImage, this: Pass, count: int, work: Work) -> Refiner | None:
    """The second model for the end of the run, loaded when it is needed."""
    name = request.refiner_checkpoint
    if not name or request.refiner_switch_at >= 1:
        return None

    def make() -> tuple[ModelDenoiser, Prompts, list[Cond]]:
        other = work.other_model(name)
        tiling = tiled_diffusion.plan(other, request, this.width, this.height, count)
        # the request's noise schedule is the first model's; the webui gives a model that it loads its own
        walk = replace(this.walk, alphas_cumprod=None)
        return denoiser(other, walk, None, tiling), *conditioning(other, request, this, count)

    return Refiner(request.refiner_switch_at, make, request.refiner_switch_by_sample_steps)


def text_encoder(model: LoadedModel) -> TextEncoder:
    """The model's text encoder with its cache, made once."""
    if "text_encoder" not in model.cache:
        model.cache["text_encoder"] = TextEncoder(model)
    found: TextEncoder = model.cache["text_encoder"]
    return found


def conditioning(model: LoadedModel, request: TextToImage, this: Pass, count: int) -> tuple[Prompts, list[Cond]]:
    """Prompts and negative prompts for ``count`` pictures."""
    encoder = text_encoder(model)
    sdxl = model.info.family == "sdxl"
    time_ids, negative_ids = (_time_ids(model, this, score) if sdxl else None for score in AESTHETIC_SCORES)
    how = (this.timeline, request.clip_skip, request.emphasis)
    positive, negative = encoder.parts(this.prompt, *how), encoder.negative(this.negative, *how)
    blend = request.prompt_blend
    if blend:
        own = max(0.0, 1.0 - sum(part.weight for part in blend))

        def empty() -> Encoded:
            return encoder.encode("", request.clip_skip)

        # a prompt of its own for the second pass is not mixed with those of the first
        if not (this.hires and request.hr_prompt):
            others = [(encoder.parts(part.prompt, *how), part.weight) for part in blend]
            positive = mix_parts([(positive, own), *others], request.blend_mode, empty)
        if not (this.hires and request.hr_negative_prompt):
            texts = [this.negative if part.negative_prompt is None else part.negative_prompt for part in blend]
            further = [(encoder.negative(text, *how), part.weight) for text, part in zip(texts, blend, strict=True)]
            negative = mix_part(_gathered([(negative, own), *further]), request.blend_mode, empty)
    prompts = [(_cond(part, time_ids), part.weight) for part in positive]
    return [prompts] * count, [_cond(negative, negative_ids)] * count


def _gathered(members: list[tuple[Part, float]]) -> list[tuple[Part, float]]:
    """Equal texts taken together, so that the same negative prompt everywhere is exactly that one."""
    found: list[tuple[Part, float]] = []
    for part, weight in members:
        same = next((i for i, (other, _) in enumerate(found) if _same(part, other)), None)
        if same is None:
            found.append((part, weight))
        else:
            found[same] = (found[same][0], found[same][1] + weight)
    return found


def _same(first: Part, second: Part) -> bool:
    # encoded texts come from the cache: the same text is the same object
    return len(first.schedule) == len(second.schedule) and all(
        a[0] == b[0] and a[1] is b[1] for a, b in zip(first.schedule, second.schedule, strict=True)
    )


def _cond(part: Part, time_ids: torch.Tensor | None) -> Cond:
    entries = []
    for end, encoded in part.schedule:
        extras = {}
        if time_ids is not None and encoded.pooled is not None:
            extras = {"text_embeds": encoded.pooled, "time_ids": time_ids}
        entries.append((end, encoded.embeds, extras))
    return Cond(tuple(entries))


AESTHETIC_SCORES = (6.0, 2.5)
"""What the SDXL refiner is told of the beauty of a picture with the prompt, and with the negative prompt."""


def _time_ids(model: LoadedModel, this: Pass, score: float) -> torch.Tensor:
    """SDXL's size conditioning: original size, crop corner, target size (height first); the refiner's score at its end."""
    height, width = float(this.height), float(this.width)
    config = model.unet.config
    room = config.projection_class_embeddings_input_dim - model.pipe.text_encoder_2.config.projection_dim
    last = [score] if room // config.addition_time_embed_dim == 5 else [height, width]
    return torch.tensor([height, width, 0.0, 0.0, *last])


def to_image(pixels: torch.Tensor) -> Image.Image:
    """float [3, H, W] in 0..1 to a PIL RGB image (webui's rounding: truncate)."""
    array = (pixels.permute(1, 2, 0) * 255.0).to(torch.uint8).cpu().contiguous().numpy()
    return Image.fromarray(array)


def to_pixels(image: Image.Image) -> torch.Tensor:
    """A PIL RGB image to float32 [3, H, W] in 0..1."""
    data = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
    return data.reshape(image.height, image.width, 3).permute(2, 0, 1).float() / 255
