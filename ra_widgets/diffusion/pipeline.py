"""Load a model once and share its parts between all tasks."""

from __future__ import annotations

import inspect
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from ra_widgets.diffusion import memory, tiled_vae
from ra_widgets.diffusion.clip_tokenizer import SIZE, is_clip, make_tokenizer
from ra_widgets.diffusion.health import check_complete, check_finite
from ra_widgets.diffusion.memory import LARGE, Ladder, choose_dtype, dtype_name
from ra_widgets.diffusion.schedules import rescale_zero_terminal_snr
from ra_widgets.diffusion.single_file import read_single_file, settle_prediction
from ra_widgets.diffusion.tiles import Done
from ra_widgets.errors import ModelError, RAError
from ra_widgets.library.cards import read_json
from ra_widgets.library.identify import ModelInfo

OWN_FAMILIES = ("sd1", "sd2", "sdxl")
"""Families that run on our own sampling engine; the others run on their diffusers pipeline."""

Stage = Callable[[str, float], None]

log = logging.getLogger(__name__)

_READING = threading.Lock()
"""Held while weights are read: transformers creates modules on the meta device by patching torch for all threads."""


@dataclass(eq=False)
class LoadedModel:
    """A model in memory: diffusers' pipeline object and what the tasks need of it.

    Attributes:
        info: what it is. pipe: the diffusers pipeline that owns the parts.
        device, dtype: where and in which format the UNet runs.
        alphas_cumprod: float32 [T], the noise schedule it was trained with (None for flow models).
        prediction_type: ``"epsilon"``, ``"v_prediction"`` or ``"sample"``.
    """

    info: ModelInfo
    pipe: Any
    device: torch.device
    dtype: torch.dtype
    alphas_cumprod: torch.Tensor | None = None
    prediction_type: str = "epsilon"
    ladder: Ladder = field(init=False)
    cache: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ladder = Ladder(self.pipe, self.device)

    @property
    def own_engine(self) -> bool:
        """True if it is sampled by our engine, False if by its diffusers pipeline."""
        return self.info.family in OWN_FAMILIES

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16`` or ``bf16``."""
        return dtype_name(self.dtype)

    @property
    def unet(self) -> Any:
        """The denoising network."""
        return self.pipe.unet

    @property
    def vae(self) -> Any:
        """The picture coder."""
        return self.pipe.vae

    @property
    def latent_scale(self) -> int:
        """Pixels per latent cell, 8 for Stable Diffusion."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def decode(self, latents: torch.Tensor, done: Done | None = None) -> torch.Tensor:
        """Latents [B,4,h,w] to pixels: float32 [B,3,8h,8w] in 0..1. One picture at a time, so that a batch needs no more memory.

        Pictures that are large for the memory are decoded in tiles, without a difference; ``done`` hears how far it is then.
        """
        vae = self.vae
        upcast = vae.dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
        if upcast:
            vae.to(torch.float32)
        scale, shift = vae.config.scaling_factor, getattr(vae.config, "shift_factor", None) or 0.0
        try:
            pictures = []
            for latent in latents.split(1):
                cell = (latent / scale + shift).to(vae.dtype)
                if self.cache.get("channels_last"):
                    cell = cell.contiguous(memory_format=torch.channels_last)
                pictures.append(tiled_vae.decode(vae, cell, self._vae_budget, done).float())
        finally:
            if upcast:
                vae.to(torch.float16)
        return (torch.cat(pictures) / 2 + 0.5).clamp_(0, 1)

    @property
    def _vae_budget(self) -> int:
        return self.ladder.vae_budget or memory.vae_budget(self.device)

    def encode(self, pixels: torch.Tensor, done: Done | None = None) -> torch.Tensor:
        """Pixels float [B,3,H,W] in 0..1 to latents float32 [B,4,H/8,W/8]: the mean of the posterior, no random draw.

        In tiles as :meth:`decode`.
        """
        vae = self.vae
        scale, shift = vae.config.scaling_factor, getattr(vae.config, "shift_factor", None) or 0.0
        rows = []
        for picture in pixels.split(1):
            cell = (picture * 2 - 1).to(device=self.device, dtype=vae.dtype)
            rows.append((tiled_vae.encode(vae, cell, self._vae_budget, done).float() - shift) * scale)
        return torch.cat(rows)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice of the libraries while a model loads: we report it ourselves."""
    import diffusers
    import transformers

    levels = diffusers.utils.logging.get_verbosity(), transformers.logging.get_verbosity()
    diffusers.utils.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        diffusers.utils.logging.set_verbosity(levels[0])
        transformers.logging.set_verbosity(levels[1])
        diffusers.utils.logging.enable_progress_bar()
        transformers.utils.logging.enable_progress_bar()


def import_libraries() -> None:
    """Import diffusers and transformers quietly (takes some seconds, once a process)."""
    # read at import time: no advice about torchvision, no progress bars in notebooks
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers
        import transformers
        from diffusers import DiffusionPipeline, StableDiffusionPipeline  # the lazy parts that take the time

        del diffusers, transformers, DiffusionPipeline, StableDiffusionPipeline


def load(info: ModelInfo, device: torch.device, precision: str = "auto", stage: Stage | None = None) -> LoadedModel:
    """Load a model for use on ``device``.

    Args:
        info: from :func:`ra_widgets.library.resolve`.
        device: torch device. precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.
        stage: called with (``import`` | ``read`` | ``prepare`` | ``ready``, fraction 0..1).

    Raises:
        ModelError: a sentence that says what is wrong with the files.
    """
    report = stage or (lambda name, fraction: None)
    report("import", 0.0)
    import_libraries()
    report("read", 0.3)
    dtype = choose_dtype(precision, device, info.size_bytes)
    try:
        with _READING, quiet():
            pipe = _read(info, dtype)
            report("prepare", 0.7)
            model = _prepare(info, pipe, device, dtype)
    except RAError:  # also a cancellation heard by ``stage``
        raise
    except Exception as error:
        detail = " ".join(str(error).split())[:240] or type(error).__name__
        raise ModelError("model.load_failed", name=info.name, detail=detail) from error
    report("ready", 1.0)
    return model


def _read(info: ModelInfo, dtype: torch.dtype) -> Any:
    from diffusers import DiffusionPipeline

    if info.kind == "single-file":
        return read_single_file(info, dtype)
    options: dict[str, Any] = {"dtype": dtype, "local_files_only": True, "use_safetensors": True}
    options.update(_left_out(info))
    if info.pipeline.startswith("StableDiffusion") and info.family in ("sd1", "sd2"):
        options.update(safety_checker=None, requires_safety_checker=False)
    if info.pipeline == "StableDiffusionDepth2ImgPipeline":
        # old folders name classes that are gone; we read its settings ourselves (tasks/control.py)
        options = {k: v for k, v in options.items() if "safety" not in k} | {"feature_extractor": None}
    return DiffusionPipeline.from_pretrained(str(info.path), **options)


def _left_out(info: ModelInfo) -> dict[str, None]:
    """Parts that the folder declares as absent (a Stable Diffusion 3 without T5): diffusers wants to be told."""
    import diffusers

    cls = getattr(diffusers, info.pipeline, None)
    wanted = inspect.signature(cls.__init__).parameters if inspect.isclass(cls) else {}
    index = read_json(info.path / "model_index.json")
    return {part: None for part, declared in index.items() if part in wanted and declared == [None, None]}


def _prepare(info: ModelInfo, pipe: Any, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    if "prompt" not in inspect.signature(type(pipe).__call__).parameters:
        raise ModelError("model.no_text_to_image", name=info.name, pipeline=type(pipe).__name__)
    check_complete(info, pipe)
    # transformers keeps the dtype of its own config file; all parts must agree
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.to(device=device, dtype=dtype).eval().requires_grad_(False)
            if device.type == "cpu" and info.size_bytes < LARGE:
                _own_memory(part)
    pipe.set_progress_bar_config(disable=True)
    check_finite(info, pipe)
    info = settle_prediction(info, pipe)
    model = LoadedModel(info, pipe, device, dtype)
    config = pipe.scheduler.config
    model.prediction_type = str(config.get("prediction_type", "epsilon"))
    alphas = getattr(pipe.scheduler, "alphas_cumprod", None)
    if model.own_engine:
        if alphas is None:
            raise ModelError("model.load_failed", name=info.name, detail="no noise schedule in scheduler/")
        model.alphas_cumprod = torch.as_tensor(alphas, dtype=torch.float32).cpu()
        if config.get("rescale_betas_zero_snr"):
            # from the plain betas: diffusers' own rescaling ends in another tiny number than the webui's
            plain = type(pipe.scheduler).from_config(config, rescale_betas_zero_snr=False)
            model.alphas_cumprod = rescale_zero_terminal_snr(plain.alphas_cumprod)
        # measured: no gain for the small embedded model, 1.1-1.5 times for large ones and GPUs
        if info.size_bytes >= LARGE or device.type == "cuda":
            pipe.unet.to(memory_format=torch.channels_last)
            pipe.vae.to(memory_format=torch.channels_last)
            model.cache["channels_last"] = True
        _settle_tokenizers(pipe)
    return model


def _own_memory(part: torch.nn.Module) -> None:
    """Move weights out of the file's memory map.

    The last bit of a matrix product depends on how its operands are aligned, so only in memory of torch's own does the
    same model make the same picture from a folder and from a single file. And a file may be replaced while it is in use.
    """
    for weight in part.parameters():
        weight.data = weight.data.clone()


def _settle_tokenizers(pipe: Any) -> None:
    for name, encoder_name in (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")):
        tokenizer, encoder = getattr(pipe, name, None), getattr(pipe, encoder_name, None)
        if tokenizer is None or encoder is None:
            continue
        # some folders have tokenizers without model_max_length (10**30 then): the encoder's positions are the truth
        length = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
        tokenizer.model_max_length = length
        # folders of SD 2 and SDXL declare "!" as padding, and with it every "!" of a prompt becomes padding;
        # OpenCLIP and the webui read it as the ordinary token
        if tokenizer.pad_token == "!" and len(tokenizer) == SIZE and is_clip(tokenizer):
            setattr(pipe, name, make_tokenizer(tokenizer.pad_token_id, length))
