"""Groups of request fields that several kinds of requests share. Names and meanings are the webui's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

LATENT_UPSCALERS = (
    "Latent",
    "Latent (antialiased)",
    "Latent (bicubic)",
    "Latent (bicubic antialiased)",
    "Latent (nearest)",
    "Latent (nearest-exact)",
)
PIXEL_UPSCALERS = ("None", "Lanczos", "Nearest")
_MORE_UPSCALERS: list[Callable[[], Iterable[str]]] = []
EMPHASIS = ("Original", "No norm", "Ignore", "None")
NOISE_SCHEDULES = ("Default", "Zero Terminal SNR")
UNIPC_VARIANTS = ("bh1", "bh2")
UNIPC_SKIP_TYPES = ("time_uniform", "time_quadratic", "logSNR")


class SamplingFields(BaseModel):
    """How the sampler walks, beyond its name. None and the defaults mean "as the webui does without being asked".

    Args:
        eta: noise added on the way, 0..1, for samplers that take it (ancestral, SDE, DDIM); None: the sampler's default.
        s_churn, s_tmin, s_tmax, s_noise: stochastic sampling of Karras et al. 2022, algorithm 2 (Euler, Heun, DPM2);
            s_tmax 0 means no upper end.
        eta_noise_seed_delta: ENSD, added to the seed for all noise after the first.
        seed_resize_from_w, seed_resize_from_h: take the noise of a picture of this size (0: off), pixels.
        rng: where noise comes from: ``"NV"`` (Philox, the same everywhere) or ``"CPU"`` (torch's generator).
        emphasis: how prompt weights act, one of :data:`EMPHASIS`.
        s_min_uncond: negative guidance minimum sigma (NGMS), 0..15; skip_early_cond: ignore the negative prompt in this
            first share of the steps, 0..1; pad_cond_uncond: lengthen the shorter prompt so that both run together.
        pad_cond_uncond_v0, old_prompt_timelines: as webui before 1.6 did, for its pictures: DDIM and PLMS repeat or cut
            the negative prompt; in ``[a:b:when]`` numbers below 1 are shares, others steps, and hires fix starts anew.
        cfg_rescale: guidance rescale, 0..1 (Lin et al. 2023, arXiv:2305.08891).
        schedule_min_sigma, schedule_max_sigma, schedule_rho: ends and curve of the schedule, 0: its own.
        beta_alpha, beta_beta: shape of the Beta schedule.
        discard_penultimate: leave out the last sigma but one; sgm_noise_multiplier: start noise as SGM models want it.
        uni_pc_variant, uni_pc_skip_type, uni_pc_order, uni_pc_lower_order_final: UniPC's B(h) (``"bh1"``, ``"bh2"``), spacing
            (``"time_uniform"``, ``"time_quadratic"``, ``"logSNR"``), order 1..50, lower orders at the end.
        s_min_uncond_all: NGMS at every call, not at every second one.
        use_downcasted_alpha_bar: the noise schedule in half precision, as all pictures of webui before 1.7 have it
            (SD 1.5: sigmas from .03127 to 14.6116); sd_noise_schedule: ``"Zero Terminal SNR"`` stretches the schedule so
            that it ends in pure noise, for models that were trained so without saying it.
    """

    eta: float | None = Field(None, ge=0, le=1)
    s_churn: float = Field(0.0, ge=0, le=100)
    s_tmin: float = Field(0.0, ge=0, le=1000)
    s_tmax: float = Field(0.0, ge=0, le=1000)
    s_noise: float = Field(1.0, ge=0, le=2)
    eta_noise_seed_delta: int = Field(0, ge=0, le=2**32 - 1)
    seed_resize_from_w: int = Field(0, ge=0, le=4096, multiple_of=8)
    seed_resize_from_h: int = Field(0, ge=0, le=4096, multiple_of=8)
    rng: Literal["NV", "CPU"] = "NV"
    emphasis: Literal["Original", "No norm", "Ignore", "None"] = "Original"
    s_min_uncond: float = Field(0.0, ge=0, le=15)
    skip_early_cond: float = Field(0.0, ge=0, le=1)
    pad_cond_uncond: bool = False
    pad_cond_uncond_v0: bool = False
    old_prompt_timelines: bool = False
    cfg_rescale: float = Field(0.0, ge=0, le=1)
    schedule_min_sigma: float = Field(0.0, ge=0, le=1000)
    schedule_max_sigma: float = Field(0.0, ge=0, le=1000)
    schedule_rho: float = Field(0.0, ge=0, le=100)
    beta_alpha: float = Field(0.6, gt=0, le=10)
    beta_beta: float = Field(0.6, gt=0, le=10)
    discard_penultimate: bool = False
    sgm_noise_multiplier: bool = False
    uni_pc_variant: Literal["bh1", "bh2"] = "bh1"
    uni_pc_skip_type: Literal["time_uniform", "time_quadratic", "logSNR"] = "time_uniform"
    uni_pc_order: int = Field(3, ge=1, le=50)
    uni_pc_lower_order_final: bool = True
    s_min_uncond_all: bool = False
    use_downcasted_alpha_bar: bool = False
    sd_noise_schedule: Literal["Default", "Zero Terminal SNR"] = "Default"

    @model_validator(mode="after")
    def _sigma_range(self) -> Self:
        low, high = self.schedule_min_sigma, self.schedule_max_sigma
        if low and high and low >= high:
            raise PydanticCustomError(
                "invalid.sigma_range", "empty sigma range", {"field": "schedule_min_sigma", "low": low, "high": high}
            )
        if self.s_tmax and self.s_tmin > self.s_tmax:
            raise PydanticCustomError(
                "invalid.sigma_range", "empty range", {"field": "s_tmin", "low": self.s_tmin, "high": self.s_tmax}
            )
        if bool(self.seed_resize_from_w) != bool(self.seed_resize_from_h):
            raise PydanticCustomError("invalid.both", "give both", {"field": "seed_resize_from_w, seed_resize_from_h"})
        return self


class TileFields(BaseModel):
    """Work in tiles, for pictures larger than memory or than the model was trained for.

    Args:
        tiled_vae: code pictures in tiles: same result, less memory, slower; None: when memory asks for it.
        tiled_diffusion: run the UNet on overlapping tiles and blend them at every step (MultiDiffusion): each tile shows what
            the prompt says; None: when memory asks for it.
        tile_size: side of the UNet's tiles, pixels 64..2048; None: the size that the model was trained on.
        tile_overlap: of these tiles, pixels 0..1024; None: half a tile.
    """

    tiled_vae: bool | None = None
    tiled_diffusion: bool | None = None
    tile_size: int | None = Field(None, ge=64, le=2048, multiple_of=8)
    tile_overlap: int | None = Field(None, ge=0, le=1024, multiple_of=8)

    @model_validator(mode="after")
    def _overlap(self) -> Self:
        if self.tile_size is not None and self.tile_overlap is not None and self.tile_overlap >= self.tile_size:
            context = {"field": "tile_overlap", "lt": self.tile_size, "got": self.tile_overlap}
            raise PydanticCustomError("invalid.less_than", "overlap too large", context)
        return self


class RefinerFields(BaseModel):
    """The refiner: a second model for the end of a run.

    Args:
        refiner_checkpoint: name of the model that takes over when ``refiner_switch_at`` (0..1) of the timesteps are done.
        refiner_switch_by_sample_steps: count the sampler's calls instead, as webui before 1.8 did.
    """

    refiner_checkpoint: str | None = None
    refiner_switch_at: float = Field(0.8, ge=0, le=1)
    refiner_switch_by_sample_steps: bool = False


class HiresFields(BaseModel):
    """Hires fix: a second pass over the enlarged picture.

    Args:
        enable_hr: make the second pass. denoising_strength: how much it may change, 0..1.
        hr_scale: enlargement 1..4; hr_resize_x, hr_resize_y: final size in pixels instead (0: from the other one).
        hr_upscaler: one of the latent or pixel upscalers, or a network of ``kernel.upscalers``. hr_second_pass_steps: 0: as many as ``steps``.
        hr_sampler, hr_scheduler: None: the same. hr_prompt, hr_negative_prompt: "": the same.
    """

    enable_hr: bool = False
    denoising_strength: float = Field(0.7, ge=0, le=1)
    hr_scale: float = Field(2.0, ge=1, le=4)
    hr_resize_x: int = Field(0, ge=0, le=4096, multiple_of=8)
    hr_resize_y: int = Field(0, ge=0, le=4096, multiple_of=8)
    hr_upscaler: str = Field("Latent", min_length=1, max_length=200)
    hr_second_pass_steps: int = Field(0, ge=0, le=150)
    hr_sampler: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: str = Field("", max_length=10_000)
    hr_negative_prompt: str = Field("", max_length=10_000)


def add_upscalers(source: Callable[[], Iterable[str]]) -> None:
    """Let :func:`known_upscalers` know of further names (the library's, which this room knows nothing of)."""
    if source not in _MORE_UPSCALERS:
        _MORE_UPSCALERS.append(source)


def known_upscalers() -> tuple[str, ...]:
    """All names that ``hr_upscaler`` may have just now."""
    more = [name for source in _MORE_UPSCALERS for name in source()]
    return tuple(dict.fromkeys([*LATENT_UPSCALERS, *PIXEL_UPSCALERS, *more]))
