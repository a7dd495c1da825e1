"""Every schedule against its formula, written once more in float64 numpy and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ra_widgets.diffusion import schedules
from ra_widgets.samplers import SCHEDULER_NAMES

# float32, as checkpoints store it, moves the smallest sigma by 2e-5: hence the tolerances
BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2
ALPHAS = np.cumprod(1 - BETAS)
TABLE = np.sqrt((1 - ALPHAS) / ALPHAS)
LOW, HIGH = TABLE[0], TABLE[-1]
AYS_SD = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029]
AYS_XL = [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029]


def at(t):
    """Sigma at fractional timesteps."""
    return np.exp(np.interp(t, np.arange(1000), np.log(TABLE)))


def ays(table, n):
    if n == 1:
        return np.array([0.029])  # the table is read from its small end: one step is the last one
    places = np.linspace(0, 1, 11)
    return np.exp(np.interp(np.linspace(0, 1, n), places, np.log(table)))


def formula(name: str, n: int) -> np.ndarray:
    """Sigmas before the final 0."""
    i = np.arange(n)
    ramp = i / (n - 1) if n > 1 else np.zeros(1)
    match name:
        case "Automatic" | "Uniform" | "Normal":
            return at(999 * (1 - ramp))
        case "Karras":
            return (HIGH ** (1 / 7) + ramp * (LOW ** (1 / 7) - HIGH ** (1 / 7))) ** 7
        case "Exponential" | "Polyexponential":
            return np.exp(math.log(HIGH) + ramp * (math.log(LOW) - math.log(HIGH)))
        case "SGM Uniform":
            return at(999 * (1 - i / n))
        case "Align Your Steps":
            return ays(AYS_SD, n)
        case "Simple":
            return np.array([TABLE[-(1 + int(k * 1000 / n))] for k in range(n)])
        case "DDIM":
            return TABLE[1 :: 1000 // n][::-1]
        case "Beta":
            return LOW + stats.beta.ppf(1 - ramp, 0.6, 0.6) * (HIGH - LOW)
    raise AssertionError(name)


@pytest.mark.parametrize("n", [1, 2, 5, 10, 11, 20, 30, 50, 150])
@pytest.mark.parametrize("name", [name for name in SCHEDULER_NAMES if name != "KL Optimal"])
def test_formula(name, n):
    made = schedules.sigmas(name, n, ALPHAS).double().numpy()
    expected = np.append(formula(name, n), 0.0)
    assert made.shape == expected.shape
    assert made[-1] == 0
    assert np.allclose(made, expected, rtol=2e-5, atol=0)
    assert (np.diff(made) < 0).all()


@pytest.mark.parametrize("n", [1, 2, 10, 20, 33])
def test_kl_optimal_ends_at_the_smallest_sigma(n):
    part = np.arange(n + 1) / n
    expected = np.tan(part * np.arctan(LOW) + (1 - part) * np.arctan(HIGH))
    made = schedules.sigmas("KL Optimal", n, ALPHAS).double().numpy()
    assert np.allclose(made, expected, rtol=2e-5, atol=0)
    assert made[-1] == pytest.approx(0.0291675, rel=1e-4)


def test_the_models_own_range():
    """The published range of Stable Diffusion 1: .0292 to 14.6146."""
    table = schedules.model_sigmas(ALPHAS)
    assert float(table[0]) == pytest.approx(0.0291675, abs=1e-7)
    assert float(table[-1]) == pytest.approx(14.614647, abs=2e-5)


def test_options():
    def made(name, **options):
        return schedules.sigmas(name, 10, ALPHAS, **options).double().numpy()[:-1]

    ramp = np.linspace(0, 1, 10)
    limited = (10 ** (1 / 5) + ramp * (0.1 ** (1 / 5) - 10 ** (1 / 5))) ** 5
    assert np.allclose(made("Karras", sigma_min=0.1, sigma_max=10, rho=5), limited, rtol=1e-5)
    steep = np.exp((1 - ramp) ** 2.5 * (np.log(HIGH) - np.log(LOW)) + np.log(LOW))
    assert np.allclose(made("Polyexponential", rho=2.5), steep, rtol=5e-5)
    tilted = LOW + stats.beta.ppf(1 - ramp, 0.4, 0.9) * (HIGH - LOW)
    assert np.allclose(made("Beta", alpha=0.4, beta=0.9), tilted, rtol=5e-5)
    assert np.allclose(made("Align Your Steps", sdxl=True), ays(AYS_XL, 10), rtol=1e-5)
    start, end = (float(np.interp(np.log(sigma), np.log(TABLE), np.arange(1000))) for sigma in (10, 0.1))
    assert np.allclose(made("Normal", sigma_min=0.1, sigma_max=10), at(np.linspace(start, end, 10)), rtol=1e-4)
    assert np.allclose(
        made("SGM Uniform", sigma_min=0.1, sigma_max=10), at(np.linspace(start, end, 11)[:-1]), rtol=1e-4
    )
    assert np.allclose(made("Normal", sgm=True), made("SGM Uniform"))


@pytest.mark.parametrize("name", SCHEDULER_NAMES)
def test_discarding_the_penultimate(name):
    """One more step is made and the last sigma before the end is dropped."""
    more = schedules.sigmas(name, 11, ALPHAS)
    made = schedules.sigmas(name, 10, ALPHAS, discard_penultimate=True)
    assert made.tolist() == [*more[:-2].tolist(), more[-1].item()]


def test_zero_terminal_snr():
    """Lin et al. 2023: the last timestep holds no signal; the first is as before. webui's stand-in for 0 gives
    sigma 4518.8.
    """
    scaled = schedules.rescale_zero_terminal_snr(ALPHAS).double().numpy()
    roots = np.sqrt(ALPHAS)
    expected = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    assert np.allclose(scaled[:-1], expected[:-1], rtol=1e-4, atol=1e-9)
    assert scaled[0] == pytest.approx(ALPHAS[0], rel=1e-6)
    assert float(schedules.sigmas("Uniform", 20, scaled)[0]) == pytest.approx(4518.76, rel=1e-4)


def test_half_precision_gives_the_range_that_old_programs_copied():
    """Every webui before 1.7 on a GPU: these two numbers are written into many programs of that time."""
    alphas = np.cumprod(1 - BETAS)
    table = schedules.model_sigmas(schedules.halved(alphas))
    assert (float(table[0]), float(table[-1])) == (0.0312652550637722, 14.611639022827148)
    assert (table.diff() > 0).all()
    made = schedules.sigmas("Karras", 20, schedules.halved(alphas)).double().numpy()
    ramp = np.arange(20) / 19
    expected = (
        14.611639022827148 ** (1 / 7) + ramp * (0.0312652550637722 ** (1 / 7) - 14.611639022827148 ** (1 / 7))
    ) ** 7
    assert np.allclose(made[:-1], expected, rtol=1e-5)
    rounded = schedules.halved(alphas, whole_sigmas=False)
    assert rounded.dtype.is_floating_point and np.abs(rounded.numpy() - alphas).max() < 3e-4
