"""Sigma tables, their inverse, step counts of image-to-image, and refusals. The formulas:
tests/conformance/test_schedules.py.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ra_widgets.diffusion import schedules
from ra_widgets.samplers import SCHEDULER_NAMES

ALPHAS = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
TABLE = schedules.model_sigmas(ALPHAS)


def test_timesteps_there_and_back():
    t = torch.tensor([0.0, 0.25, 17.5, 500.125, 998.75, 999.0])
    assert torch.allclose(schedules.sigma_to_t(schedules.t_to_sigma(t, TABLE), TABLE), t, atol=2e-2)
    whole = torch.arange(1000.0)
    assert torch.equal(schedules.t_to_sigma(whole, TABLE), TABLE.log().exp())
    assert torch.allclose(schedules.sigma_to_t(TABLE, TABLE), whole, atol=1e-3)


def test_timesteps_are_clamped():
    assert schedules.sigma_to_t(torch.tensor([1e-4, 100.0]), TABLE).tolist() == [0.0, 999.0]
    assert float(schedules.t_to_sigma(5000.0, TABLE)) == pytest.approx(float(TABLE[-1]))
    assert schedules.sigma_to_t(torch.tensor([[1.0], [2.0]]), TABLE).shape == (2, 1)


@pytest.mark.parametrize("name", SCHEDULER_NAMES)
@pytest.mark.parametrize("alphas", [ALPHAS.tolist(), torch.from_numpy(ALPHAS), ALPHAS.astype(np.float32)])
def test_any_array(name, alphas):
    made = schedules.sigmas(name, 12, alphas)
    assert made.dtype == torch.float32
    assert made.device.type == "cpu"
    assert torch.allclose(made, schedules.sigmas(name, 12, ALPHAS))
    assert torch.isfinite(made).all()


@pytest.mark.parametrize("name", SCHEDULER_NAMES)
def test_lengths(name):
    for n in (1, 2, 3, 10, 25, 999):
        made = schedules.sigmas(name, n, ALPHAS)
        assert len(made) == (len(range(1, 1000, 1000 // n)) + 1 if name == "DDIM" else n + 1)


def test_other_spellings():
    assert torch.equal(schedules.sigmas("sgm_uniform", 5, ALPHAS), schedules.sigmas("SGM Uniform", 5, ALPHAS))
    assert torch.equal(schedules.sigmas("kARRAS", 5, ALPHAS), schedules.sigmas("Karras", 5, ALPHAS))


@pytest.mark.parametrize("n", [0, -1, 2.5, float("nan")])
def test_steps_must_be_whole_and_positive(n):
    with pytest.raises(ValueError, match="steps"):
        schedules.sigmas("Karras", n, ALPHAS)


@pytest.mark.parametrize(
    "options",
    [{"sigma_min": 20.0}, {"sigma_min": -1.0}, {"sigma_max": float("inf")}, {"sigma_max": float("nan")}, {"rho": -7.0}],
)
def test_bad_options(options):
    with pytest.raises(ValueError):
        schedules.sigmas("Karras", 5, ALPHAS, **options)


def test_unknown_schedule():
    with pytest.raises(KeyError, match="Align Your Steps"):
        schedules.sigmas("Karass", 5, ALPHAS)


@pytest.mark.parametrize(
    ("steps", "strength", "fixed", "expected"),
    [
        (20, 0.75, False, (20, 15)),
        (20, 1.0, False, (20, 19)),
        (20, 0.0, False, (20, 0)),
        (50, 0.33, False, (50, 16)),
        (20, 0.5, True, (40, 19)),
        (10, 0.7, True, (14, 9)),
        (15, 1.0, True, (15, 14)),
        (1, 0.3, False, (1, 0)),
    ],
)
def test_img2img_steps(steps, strength, fixed, expected):
    """int(min(strength, .999) * steps); the fixed count stretches the schedule instead."""
    assert schedules.img2img_steps(steps, strength, fixed) == expected


@pytest.mark.parametrize(("steps", "strength"), [(0, 0.5), (20, 1.5), (20, -0.1), (20, float("nan"))])
def test_img2img_steps_refuses(steps, strength):
    with pytest.raises(ValueError):
        schedules.img2img_steps(steps, strength)


def test_lcm_alphas():
    """Fifty of the thousand: timesteps 19, 39, ..., 999."""
    assert torch.equal(schedules.lcm_alphas(ALPHAS), torch.from_numpy(ALPHAS)[19::20].float())
