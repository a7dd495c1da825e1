"""Plans of experiments: which pictures, in which order, called what. Plain data: nothing is drawn before a plan is run."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ra_widgets import progress, samplers
from ra_widgets.errors import InvalidRequest, JobCancelled
from ra_widgets.i18n import t
from ra_widgets.requests import MAX_SEED, Generation, Request, Series, TextToImage
from ra_widgets.results import Record, Result

if TYPE_CHECKING:
    from ra_widgets.experiments.contact import ContactSheet
    from ra_widgets.jobs import Job
    from ra_widgets.kernel import PipelineKernel


@dataclass(frozen=True)
class Label:
    """Words that are put together when they are shown, in the language of that moment: a catalogue key and its values."""

    key: str
    values: dict[str, Any] = field(default_factory=dict)

    def text(self, lang: str | None = None) -> str:
        """The words."""
        return t(self.key, lang, **self.values)


@dataclass(frozen=True)
class Cell:
    """One place of the sheet: where it is, what makes its picture, what stands below it."""

    row: int
    column: int
    request: Generation
    label: Label


@dataclass(frozen=True)
class Plan:
    """An experiment that has not been made yet.

    Attributes:
        kind: ``"variations"``, ``"seed_travel"``, ``"prompt_travel"`` or ``"style_mix"``.
        title: what it is. cells: its places; two with the same request share one picture.
        rows, columns: headings, or none. frames: the cells are the frames of an animation, in their order.
        loop: the last frame leads back to the first. notes: what one should know of the result.
    """

    kind: str
    title: Label
    cells: tuple[Cell, ...]
    rows: tuple[Label, ...] = ()
    columns: tuple[Label, ...] = ()
    frames: bool = False
    loop: bool = False
    notes: tuple[Label, ...] = ()

    @property
    def request(self) -> Series:
        """What to submit: each different picture once."""
        return Series(requests=tuple(self._different))

    @property
    def _different(self) -> list[Generation]:
        found: list[Generation] = []
        for cell in self.cells:
            if cell.request not in found:
                found.append(cell.request)
        return found

    def submit(self, kernel: PipelineKernel, *, keep: bool = True) -> Job:
        """Queue it; one job with progress, estimate, previews and :meth:`~ra_widgets.jobs.Job.cancel`."""
        return kernel.submit(self.request, keep=keep)

    def run(self, kernel: PipelineKernel, *, keep: bool = True) -> ContactSheet:
        """Make it and wait, with a progress bar if it takes long. Ctrl-C or ■ cancels.

        Raises:
            JobCancelled: ``partial`` is the sheet of what was finished. RAError: it failed; what was finished is in the gallery.
        """
        job = self.submit(kernel, keep=keep)
        progress.watch(job)
        try:
            return self.sheet(job.result())
        except JobCancelled as stopped:
            raise JobCancelled(partial=self.sheet(stopped.partial)) from None

    def sheet(self, result: Result | object | None) -> ContactSheet:
        """The sheet of a result; one that was cancelled leaves places empty."""
        from ra_widgets.experiments.contact import ContactSheet

        records = getattr(result, "records", ())
        found = dict(zip(range(len(self._different)), records, strict=False))
        order = self._different
        return ContactSheet(self, tuple(found.get(order.index(cell.request)) for cell in self.cells))


# ------------------------------------------------------------------------------------------------------- what is varied
def base_request(source: Any, **fields: Any) -> Generation:
    """The request of one picture that an experiment varies, with its seed settled.

    Args:
        source: a request, a prompt, a record or a result. fields: changes to it.

    Raises:
        InvalidRequest: none of these, or nothing that a model samples.
    """
    if isinstance(source, Result):
        source = source.records[0] if source.records else None
    if isinstance(source, Record):
        source = source.to_request()
    request: Request
    if isinstance(source, str):
        request = TextToImage(prompt=source, **fields)
    elif isinstance(source, Request):
        request = source.replace(**fields) if fields else source
    else:
        raise InvalidRequest("error.kernel_request", field="request", got=type(source).__name__)
    if not isinstance(request, Generation):
        raise InvalidRequest("experiments.no_sampling", field="request", kind=str(getattr(request, "kind", "")))
    if getattr(request, "loopback", 0) > 1:
        request = request.replace(loopback=0, loopback_final_strength=None)
    changes: dict[str, Any] = {}
    if request.images != 1:
        changes.update(batch_size=1, n_iter=1)
    if request.seed == -1:
        changes["seed"] = secrets.randbelow(MAX_SEED)
    if request.subseed_strength > 0 and request.subseed == -1:
        changes["subseed"] = secrets.randbelow(MAX_SEED)
    return request.replace(**changes) if changes else request


def varied(request: Generation, subseed: int, strength: float) -> Generation:
    """A variation of what a request makes; of a variation, a variation of that. Strength 0 changes nothing."""
    if strength == 0:
        return request
    if request.subseed_strength > 0:
        return request.replace(further_variations=(*getattr(request, "further_variations", ()), (subseed, strength)))
    return request.replace(subseed=subseed, subseed_strength=strength)


def plain_seed(request: Generation, seed: int) -> Generation:
    """The plain picture of a seed: no variation left."""
    return request.replace(seed=seed, subseed=-1, subseed_strength=0.0, further_variations=())


def blended(
    request: Generation, members: Iterable[tuple[str, str | None, float]], mode: Literal["slerp", "lerp"]
) -> Generation:
    """A request for a mixture of (prompt, negative prompt or None, weight); one member alone is an ordinary request."""
    kept = [(prompt, negative, weight) for prompt, negative, weight in members if weight > 1e-9]
    prompt, negative, _ = kept[0]
    own = request.negative_prompt if negative is None else negative
    blend = []
    for text, other, weight in kept[1:]:
        other = request.negative_prompt if other is None else other
        blend.append({"prompt": text, "weight": weight} | ({} if other == own else {"negative_prompt": other}))
    changes: dict[str, Any] = {"prompt": prompt, "negative_prompt": own, "prompt_blend": tuple(blend)}
    return request.replace(**changes, **({"blend_mode": mode} if blend else {}))


def _near_square(count: int) -> int:
    return math.ceil(math.sqrt(count))


def _numbered(shares: Sequence[float], name: str) -> list[float]:
    found = [float(share) for share in shares]
    if not found or not all(0 <= share <= 1 for share in found):
        raise InvalidRequest("experiments.share", field=name, got=", ".join(f"{share:g}" for share in found[:8]) or "-")
    return found


def _seed(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise InvalidRequest("experiments.bad_seed", field=name, got=repr(value)[:40], limit=MAX_SEED)
    return value


def number(value: float) -> str:
    """A share for a label: at most three digits behind the point."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


# ---------------------------------------------------------------------------------------------------------- variations
def variations(
    source: Any, *, strengths: float | Sequence[float] = 0.2, subseeds: int | Sequence[int] = 8, **fields: Any
) -> Plan:
    """Variations of one picture.

    Args:
        source: what to vary, see :func:`base_request`; fields: changes to it.
        strengths: how far they go, 0..1. One number: a near-square sheet of ``subseeds`` variations with the original in the middle
            (or first). Several: a grid, a row a variation seed, a column a strength.
        subseeds: the variation seeds, or how many (1..64) to draw.

    Raises:
        InvalidRequest: a strength outside 0..1, a seed that is none, too many pictures.
    """
    request = base_request(source, **fields)
    if isinstance(subseeds, int) and not isinstance(subseeds, bool):
        if not 1 <= subseeds <= 64:
            raise InvalidRequest("experiments.count", field="subseeds", got=subseeds, low=1, high=64)
        first = secrets.randbelow(MAX_SEED)
        seeds = [(first + index) % (MAX_SEED + 1) for index in range(subseeds)]
    else:
        seeds = [_seed(seed, "subseeds") for seed in subseeds]  # type: ignore[union-attr]
        if not seeds:
            raise InvalidRequest("experiments.count", field="subseeds", got=0, low=1, high=64)
    title = Label("experiments.title.variations", {"seed": request.seed, "prompt": request.prompt})
    if isinstance(strengths, (int, float)):
        (strength,) = _numbered([strengths], "strengths")
        made = [(varied(request, s, strength), Label("experiments.variation", {"seed": s})) for s in seeds]
        made.insert(len(seeds) // 2 if len(seeds) % 2 == 0 else 0, (request, Label("experiments.original")))
        wide = _near_square(len(made))
        cells = tuple(Cell(i // wide, i % wide, one, label) for i, (one, label) in enumerate(made))
        return Plan("variations", title, cells)
    shares = _numbered(strengths, "strengths")
    cells = tuple(
        Cell(row, column, varied(request, seed, share), Label("experiments.share_of", {"share": number(share)}))
        for row, seed in enumerate(seeds)
        for column, share in enumerate(shares)
    )
    rows = tuple(Label("experiments.variation", {"seed": seed}) for seed in seeds)
    columns = tuple(Label("experiments.strength", {"share": number(share)}) for share in shares)
    return Plan("variations", title, cells, rows, columns)


# -------------------------------------------------------------------------------------------------------------- travels
def stations(count: int, frames: int, loop: bool) -> list[tuple[int, int, float]]:
    """The way through ``count`` places in ``frames`` pictures: (from, to, share), each place itself hit exactly (share 0).

    With ``loop`` the way leads back to the first place, whose picture does not come twice.
    """
    legs = count if loop else count - 1
    steps = frames if loop else frames - 1
    whole, rest = divmod(steps, legs)
    way = []
    for leg in range(legs):
        long = whole + (leg < rest)
        way += [(leg, (leg + 1) % count, round(step / long, 6)) for step in range(long)]
    return way if loop else [*way, (count - 1, count - 1, 0.0)]


def _checked(count: int, frames: int, loop: bool, name: str) -> None:
    if count < 2:
        raise InvalidRequest("experiments.two_places", field=name)
    least = count + (1 if loop else 0)
    if isinstance(frames, bool) or not isinstance(frames, int) or not least <= frames <= 400:
        raise InvalidRequest("experiments.count", field="frames", got=frames, low=least, high=400)


def _filmed(
    kind: str, title: Label, made: list[tuple[Generation, Label]], loop: bool, notes: tuple[Label, ...] = ()
) -> Plan:
    wide = min(_near_square(len(made)), 8) if len(made) > 6 else len(made)
    cells = tuple(Cell(i // wide, i % wide, request, label) for i, (request, label) in enumerate(made))
    return Plan(kind, title, cells, frames=True, loop=loop, notes=notes)


def seed_travel(source: Any, seeds: Sequence[int], *, frames: int = 9, loop: bool = False, **fields: Any) -> Plan:
    """From the picture of one seed to that of the next, and on.

    Each frame between two is a variation in the webui's sense (seed, subseed, strength); at the places themselves the frame is the
    plain picture of that seed, exactly.

    Args:
        source: what to draw. seeds: two or more. frames: pictures in all. loop: back to the first.

    Raises:
        InvalidRequest: fewer than two seeds, or fewer frames than they need.
    """
    seeds = [_seed(seed, "seeds") for seed in seeds]
    _checked(len(seeds), frames, loop, "seeds")
    request = base_request(source, **fields)
    made = []
    for start, end, share in stations(len(seeds), frames, loop):
        low, high = seeds[start], seeds[end]
        one = plain_seed(request, low)
        if share == 0 or low == high:
            made.append((one, Label("experiments.seed", {"seed": low})))
        else:
            made.append((varied(one, high, share), Label("experiments.between", {"share": number(share)})))
    title = Label("experiments.title.seed_travel", {"prompt": request.prompt, "count": len(made)})
    sampler = samplers.SAMPLERS_INFO[request.sampler]
    notes = (Label("experiments.note.noisy", {"sampler": request.sampler}),) if draws_noise(sampler, request) else ()
    return _filmed("seed_travel", title, made, loop, notes)


def draws_noise(info: samplers.SamplerInfo, request: Generation) -> bool:
    """Whether a sampler draws noise on its way: then all frames of a leg share that of its first seed, and the last one jumps."""
    return bool(info.brownian or (info.uses_eta and (info.default_eta if request.eta is None else request.eta) > 0))


def prompt_travel(
    prompts: Sequence[str | tuple[str, str]],
    source: Any = None,
    *,
    frames: int = 9,
    loop: bool = False,
    mode: Literal["slerp", "lerp"] = "slerp",
    **fields: Any,
) -> Plan:
    """From one prompt to the next, and on, with the same noise.

    Each frame between two is a request with ``prompt_blend``; at the places themselves it is the plain picture of that prompt, exactly.

    Args:
        prompts: two or more: texts, or pairs of prompt and negative prompt.
        source: the settings; its own prompt is not used. frames: pictures in all. loop: back to the first.
        mode: ``"slerp"`` (along the arc) or ``"lerp"`` (straight).

    Raises:
        InvalidRequest: fewer than two prompts, or fewer frames than they need.
    """
    texts = [(p, None) if isinstance(p, str) else (str(p[0]), str(p[1])) for p in prompts]
    _checked(len(texts), frames, loop, "prompts")
    request = base_request("" if source is None else source, **fields)
    made = []
    for start, end, share in stations(len(texts), frames, loop):
        one = blended(request, [(*texts[start], 1 - share), (*texts[end], share)], mode)
        at = Label("experiments.prompt", {"prompt": texts[start][0]})
        made.append((one, at if share == 0 else Label("experiments.between", {"share": number(share)})))
    title = Label("experiments.title.prompt_travel", {"seed": request.seed, "count": len(made)})
    return _filmed("prompt_travel", title, made, loop)
