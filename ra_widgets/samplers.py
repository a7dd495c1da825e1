"""The facts about samplers and sigma schedules: names, aliases, defaults. Knows nobody, imports no torch.

Names, order and defaults are those of webui 1.10 (``samplers_k_diffusion``, ``samplers_timesteps``, ``schedulers``),
so that a setting written in a picture's infotext means the same thing here. The numbers live in
:mod:`ra_widgets.diffusion`.
"""

from __future__ import annotations

from dataclasses import dataclass

AUTOMATIC = "Automatic"


@dataclass(frozen=True)
class SamplerInfo:
    """What must be known about one sampler before any work starts.

    ``default_scheduler`` is what "Automatic" means for it ("Automatic" again when webui gives none: the model's own
    Uniform). ``second_order``: two denoiser calls a step, so prompt schedules are built for twice the steps.
    ``discard_penultimate``: one more sigma is made and the last one above zero is dropped. ``uses_eta`` /
    ``default_eta``: takes eta, and the value webui passes when the user gives none. ``uses_ensd``: webui writes ENSD
    for it.  ``uses_churn``: takes s_churn, s_tmin, s_tmax. ``timestep_based``: webui runs it on its own integer time
    grid and ignores the schedule. ``brownian``: its noise is a Brownian tree over sigma rather than fresh draws.
    ``own_levels``: it chooses its noise levels itself between two ends. ``adaptive``: how many steps it makes depends on
    the pictures; a batch is made one by one, so that none depends on its neighbours.  ``takes_s_noise``: webui hands
    s_noise to it.
    ``least_steps``: fewer than these leave it nothing to do in text-to-image.
    """

    name: str
    aliases: tuple[str, ...]
    paper: str
    default_scheduler: str = AUTOMATIC
    second_order: bool = False
    discard_penultimate: bool = False
    uses_ensd: bool = False
    uses_eta: bool = False
    default_eta: float = 0.0
    uses_churn: bool = False
    uses_noise: bool = False
    timestep_based: bool = False
    brownian: bool = False
    own_levels: bool = False
    adaptive: bool = False
    takes_s_noise: bool = False
    least_steps: int = 1

    def total_steps(self, steps: int) -> int:
        """Length of the prompt schedule for ``steps`` sampling steps, in denoiser calls (webui: twice for second
        order).
        """
        return steps * 2 if self.second_order else steps


_KARRAS_22 = "Karras et al. 2022, arXiv:2206.00364"
_DPM = "Lu et al. 2022, DPM-Solver, arXiv:2206.00927"
_DPMPP = "Lu et al. 2022, DPM-Solver++, arXiv:2211.01095"
_ANCESTRAL: dict = {"uses_ensd": True, "uses_eta": True, "default_eta": 1.0, "uses_noise": True}
_SDE: dict = {"brownian": True, "uses_eta": True, "default_eta": 1.0, "uses_noise": True, "takes_s_noise": True}
_CHURN: dict = {"uses_churn": True, "uses_noise": True, "takes_s_noise": True}
# they walk the gaps between their timesteps, so one timestep is not enough
_TIMESTEPS: dict = {"timestep_based": True, "least_steps": 2}

_INFOS = (
    SamplerInfo("DPM++ 2M", ("k_dpmpp_2m",), _DPMPP, "Karras"),
    SamplerInfo("DPM++ SDE", ("k_dpmpp_sde",), _DPMPP, "Karras", second_order=True, **_SDE),
    SamplerInfo("DPM++ 2M SDE", ("k_dpmpp_2m_sde",), _DPMPP, "Exponential", **_SDE),
    SamplerInfo("DPM++ 2M SDE Heun", ("k_dpmpp_2m_sde_heun",), _DPMPP, "Exponential", **_SDE),
    SamplerInfo("DPM++ 2S a", ("k_dpmpp_2s_a",), _DPMPP, "Karras", second_order=True, takes_s_noise=True, **_ANCESTRAL),
    SamplerInfo("DPM++ 3M SDE", ("k_dpmpp_3m_sde",), _DPMPP, "Exponential", discard_penultimate=True, **_SDE),
    SamplerInfo("Euler a", ("k_euler_a", "k_euler_ancestral"), _KARRAS_22, **_ANCESTRAL),
    SamplerInfo("Euler", ("k_euler",), _KARRAS_22, **_CHURN),
    SamplerInfo("LMS", ("k_lms",), "Liu et al. 2022, PNDM, arXiv:2202.09778 (Adams-Bashforth in sigma)"),
    SamplerInfo("Heun", ("k_heun",), _KARRAS_22, second_order=True, **_CHURN),
    SamplerInfo("DPM2", ("k_dpm_2",), _DPM, "Karras", second_order=True, discard_penultimate=True, **_CHURN),
    SamplerInfo(
        "DPM2 a",
        ("k_dpm_2_a",),
        _DPM,
        "Karras",
        second_order=True,
        discard_penultimate=True,
        takes_s_noise=True,
        **_ANCESTRAL,
    ),
    SamplerInfo("DPM fast", ("k_dpm_fast",), _DPM, own_levels=True, takes_s_noise=True, **_ANCESTRAL),
    SamplerInfo("DPM adaptive", ("k_dpm_ad", "k_dpm_adaptive"), _DPM, own_levels=True, adaptive=True, **_ANCESTRAL),
    SamplerInfo(
        "Restart", ("restart",), "Xu et al. 2023, arXiv:2306.14878", "Karras", second_order=True, uses_noise=True
    ),
    SamplerInfo("DDIM", ("ddim",), "Song et al. 2020, arXiv:2010.02502", uses_eta=True, **_TIMESTEPS),
    SamplerInfo("DDIM CFG++", ("ddim_cfgpp",), "Chung et al. 2024, arXiv:2406.08070", uses_eta=True, **_TIMESTEPS),
    SamplerInfo("PLMS", ("plms",), "Liu et al. 2022, PNDM, arXiv:2202.09778", **_TIMESTEPS),
    SamplerInfo("UniPC", ("unipc",), "Zhao et al. 2023, arXiv:2302.04867", timestep_based=True),
    SamplerInfo("LCM", ("k_lcm",), "Luo et al. 2023, arXiv:2310.04378"),
)

SAMPLERS_INFO: dict[str, SamplerInfo] = {info.name: info for info in _INFOS}
SAMPLER_NAMES: tuple[str, ...] = tuple(SAMPLERS_INFO)

# label -> other spellings (webui's internal names and aliases)
_SCHEDULERS: dict[str, tuple[str, ...]] = {
    AUTOMATIC: (),
    "Uniform": (),
    "Karras": (),
    "Exponential": (),
    "Polyexponential": (),
    "SGM Uniform": ("sgm_uniform", "SGMUniform"),
    "KL Optimal": ("kl_optimal",),
    "Align Your Steps": ("align_your_steps", "AYS"),
    "Simple": (),
    "Normal": (),
    "DDIM": ("ddim_uniform",),
    "Beta": (),
}
SCHEDULER_NAMES: tuple[str, ...] = tuple(_SCHEDULERS)

_SAMPLER_BY_ALIAS = {alias.lower(): info.name for info in _INFOS for alias in (info.name, *info.aliases)}
_SCHEDULER_BY_ALIAS = {alias.lower(): label for label, more in _SCHEDULERS.items() for alias in (label, *more)}
# webui before 1.9 had one sampler a schedule; their short names ended like this
_OLD_ALIAS_ENDINGS = {"_ka": "Karras", "_exp": "Exponential"}


def find_scheduler(name: str | None) -> str:
    """The canonical schedule label for any spelling of it (case ignored); None and "" mean "Automatic".

    Raises KeyError, naming the known schedules, for anything else.
    """
    key = (name or AUTOMATIC).strip().lower()
    if key not in _SCHEDULER_BY_ALIAS:
        raise KeyError(f"unknown schedule {name!r}; known: {', '.join(SCHEDULER_NAMES)}")
    return _SCHEDULER_BY_ALIAS[key]


def split_name(name: str) -> tuple[str, str | None]:
    """Split an old sampler name with a schedule inside: "DPM++ 2M Karras" -> ("DPM++ 2M", "Karras").

    Returns (canonical sampler, schedule or None). Raises KeyError, naming the known samplers, when it is none.
    """
    key = " ".join(name.split()).lower()
    if key in _SAMPLER_BY_ALIAS:
        return _SAMPLER_BY_ALIAS[key], None
    for alias, label in _SCHEDULER_BY_ALIAS.items():
        stem = key[: -len(alias) - 1]
        if key.endswith(" " + alias) and stem in _SAMPLER_BY_ALIAS:
            return _SAMPLER_BY_ALIAS[stem], label
    for ending, label in _OLD_ALIAS_ENDINGS.items():
        if key.endswith(ending) and key[: -len(ending)] in _SAMPLER_BY_ALIAS:
            return _SAMPLER_BY_ALIAS[key[: -len(ending)]], label
    raise KeyError(f"unknown sampler {name!r}; known: {', '.join(SAMPLER_NAMES)}")


def resolve(name: str, scheduler: str | None = AUTOMATIC) -> tuple[str, str]:
    """The sampler and the schedule that will really run, in canonical spelling.

    A schedule inside the sampler's name wins over ``scheduler`` (webui's rule for old infotext). "Automatic" becomes
    the sampler's own default; it stays "Automatic", which is the Uniform schedule, for samplers that have none: that
    is also what webui writes into the infotext then. Raises KeyError naming the known names.
    """
    sampler, inside = split_name(name)
    label = inside or find_scheduler(scheduler)
    if label == AUTOMATIC:
        label = SAMPLERS_INFO[sampler].default_scheduler
    return sampler, label
