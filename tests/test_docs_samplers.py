"""docs/samplers.md: its Python runs, its tables say what the code does, and what it says of few steps is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ra_widgets as ra
from ra_widgets.diffusion.plan import plan
from ra_widgets.diffusion.sampling import SAMPLERS, accepted_options, pick_options
from ra_widgets.samplers import AUTOMATIC, SAMPLER_NAMES, SAMPLERS_INFO, SCHEDULER_NAMES

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "samplers.md").read_text("utf-8")
SD15 = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)


def table(after: str, columns: int) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    lines = TEXT.split(f"\n## {after}", 1)[1].split("\n## ", 1)[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]
    assert rows and all(len(row) == columns for row in rows)
    return rows


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RA_HOME", str(tmp_path))
    scope: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        exec(compile(block, "docs/samplers.md", "exec"), scope)
    assert scope["kernel"].verify(scope["result"].records[0].path).same
    assert [made.request.sampler for made in scope["pair"]] == ["Euler a", "DPM++ SDE"]
    assert len(scope["sigmas"]) == 13 and float(scope["sigmas"][0]) == pytest.approx(14.61, abs=0.01)
    said = capsys.readouterr().out
    assert said.startswith("steps steps=1: the sampler DDIM needs at least 2")
    scope["kernel"].close()


class Counted:
    """A denoiser and a noise sampler that count."""

    def __init__(self) -> None:
        self.calls = self.noises = 0

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x / (1 + sigma.reshape(-1, 1, 1, 1) ** 2)

    def noise(self, sigma: torch.Tensor, sigma_next: torch.Tensor) -> torch.Tensor:
        self.noises += 1
        return torch.zeros(1, 4, 8, 8)


def test_the_table_of_samplers():
    rows = table("采样器 · The samplers", 7)
    assert [row[0].strip("`") for row in rows] == list(SAMPLER_NAMES)
    for name, paper, _, calls, random, default, options in ([row[0].strip("`"), *row[1:]] for row in rows):
        info = SAMPLERS_INFO[name]
        assert re.search(r"arxiv\.org/abs/([\d.]+)", paper).group(1) in info.paper, name
        walk, model = plan(name, AUTOMATIC, 20, SD15), Counted()
        wanted = pick_options(name, eta=info.default_eta if info.uses_eta else None, **walk.options)
        SAMPLERS[name](model, torch.ones(1, 4, 8, 8), walk.sigmas, noise_sampler=model.noise, **wanted)
        if info.adaptive:
            assert "not by steps" in calls
        else:
            assert int(calls) == model.calls, name
        drawn = model.noises > 0 and bool(wanted.get("eta", 1.0))
        assert ("yes" in random) == (drawn and name not in ("Euler", "Heun", "DPM2")), name
        own = "own" in default
        assert own == (info.timestep_based or info.own_levels)
        assert own or default == (info.default_scheduler.replace(AUTOMATIC, "Uniform")), name
        taken = accepted_options(name) & {"eta", "s_churn", "s_tmin", "s_tmax", "s_noise"}
        if name == "UniPC":
            taken = {field for field in ra.TextToImage.model_fields if field.startswith("uni_pc_")}
        assert set(re.findall(r"`(\w+)`", options)) == taken - (set() if info.takes_s_noise else {"s_noise"}), name


def test_the_orders_in_the_table_are_those_that_are_measured():
    from tests.diffusion.test_sampling import DETERMINISTIC

    orders = {row[0].strip("`"): int(row[2]) for row in table("采样器 · The samplers", 7)}
    for name, order in DETERMINISTIC.items():
        assert orders[name] == order or name == "PLMS", name  # its weights are fourth order for equal steps only


def test_the_table_of_schedules():
    rows = table("调度 · The schedules", 3)
    assert [row[0].strip("`") for row in rows] == list(SCHEDULER_NAMES)


def test_the_table_of_steps():
    rows = dict(table("步数怎样数 · How steps are counted", 2))

    def calls(sampler: str, strength: float | None) -> int:
        walk, model = plan(sampler, None, 20, SD15, strength=strength), Counted()
        SAMPLERS[sampler](model, torch.ones(1, 4, 8, 8), walk.sigmas, noise_sampler=model.noise)
        return model.calls

    assert calls("Euler", 0.75) == 16 and "16" in rows["图生图 · image to image"]
    assert calls("DDIM", 0.75) == 14 == calls("DDIM CFG++", 0.75) and "14" in rows["… DDIM、DDIM CFG++、PLMS"]
    assert (
        plan("PLMS", None, 20, SD15, strength=0.75).sigmas.shape
        == plan("DDIM", None, 20, SD15, strength=0.75).sigmas.shape
    )
    assert calls("UniPC", 0.75) == 15 and "15" in rows["… UniPC"]
    assert calls("DDIM", None) == 19


def test_what_it_names_exists():
    fields = {*ra.TextToImage.model_fields, *ra.ImageToImage.model_fields}
    said = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)(?:=[^`]*)?`", TEXT))
    assert said and said <= {*fields, "vary_coeff"}, said - fields
    for target in re.findall(r"\]\((images/[^)]+)\)", TEXT):
        assert 1000 < (ROOT / "docs" / target).stat().st_size < 600_000, target
    for path in re.findall(r"`((?:tests|tools)/[\w/]+\.py)`", TEXT):
        assert (ROOT / path).is_file(), path


def test_what_it_says_of_few_steps_is_so(kernel):
    """The samplers and schedules that look poor come close to the exact solution once they have steps enough."""
    base = ra.TextToImage(prompt="草地上的一只狐狸", seed=7, width=64, height=64)

    def picture(**fields: Any) -> np.ndarray:
        return np.asarray(kernel.generate(base, **fields).image, dtype=float)

    exact = picture(sampler="Heun", scheduler="Karras", steps=40)

    def far(**fields: Any) -> float:
        return float(np.abs(picture(**fields) - exact).mean())

    assert far(sampler="PLMS", steps=50) < far(sampler="PLMS", steps=20) / 2
    assert far(sampler="DPM fast", steps=20, eta=0.0) < far(sampler="DPM fast", steps=20) / 2
    assert far(sampler="DPM++ 2M", scheduler="Beta", steps=60) < far(sampler="DPM++ 2M", scheduler="Beta", steps=20) / 2
