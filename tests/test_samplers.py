"""Names, aliases and defaults of samplers and schedules."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ra_widgets.samplers import SAMPLER_NAMES, SAMPLERS_INFO, SCHEDULER_NAMES, find_scheduler, resolve, split_name


def test_the_names_are_webuis():
    assert SAMPLER_NAMES == (
        "DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 2S a", "DPM++ 3M SDE", "Euler a", "Euler",
        "LMS", "Heun", "DPM2", "DPM2 a", "DPM fast", "DPM adaptive", "Restart", "DDIM", "DDIM CFG++", "PLMS", "UniPC",
        "LCM",
    )  # fmt: skip
    assert SCHEDULER_NAMES == (
        "Automatic", "Uniform", "Karras", "Exponential", "Polyexponential", "SGM Uniform", "KL Optimal",
        "Align Your Steps", "Simple", "Normal", "DDIM", "Beta",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "scheduler", "expected"),
    [
        ("DPM++ 2M", "Automatic", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M", None, ("DPM++ 2M", "Karras")),
        ("DPM++ 2M", "", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M", "uniform", ("DPM++ 2M", "Uniform")),
        ("DPM++ 2M Karras", "Automatic", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M Karras", "Beta", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SDE Heun Exponential", "Automatic", ("DPM++ 2M SDE Heun", "Exponential")),
        ("DPM++ 2M SDE", "Automatic", ("DPM++ 2M SDE", "Exponential")),
        ("dpm++ 2s a karras", None, ("DPM++ 2S a", "Karras")),
        ("LMS Karras", None, ("LMS", "Karras")),
        ("Euler a SGMUniform", None, ("Euler a", "SGM Uniform")),
        ("k_euler_a", "align_your_steps", ("Euler a", "Align Your Steps")),
        ("k_dpmpp_2m_ka", None, ("DPM++ 2M", "Karras")),
        ("k_dpmpp_3m_sde_exp", None, ("DPM++ 3M SDE", "Exponential")),
        ("Euler", "Automatic", ("Euler", "Automatic")),
        ("ddim", "ddim", ("DDIM", "DDIM")),
        ("DDIM CFG++", None, ("DDIM CFG++", "Automatic")),
        ("  DPM  fast ", None, ("DPM fast", "Automatic")),
    ],
)
def test_resolve(name, scheduler, expected):
    assert resolve(name, scheduler) == expected


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_every_spelling_leads_home(name):
    for alias in (name, name.lower(), name.upper(), *SAMPLERS_INFO[name].aliases):
        assert split_name(alias) == (name, None)
        for scheduler in SCHEDULER_NAMES:
            assert split_name(f"{alias} {scheduler}") == (name, scheduler)


@pytest.mark.parametrize("name", ["", "Eular", "Karras", "DPM++ 4M", "DPM++ 2M Karass"])
def test_unknown_samplers_are_refused_with_the_known_ones(name):
    with pytest.raises(KeyError, match="DPM\\+\\+ 2M SDE Heun"):
        resolve(name)


def test_unknown_schedules_are_refused_with_the_known_ones():
    with pytest.raises(KeyError, match="KL Optimal"):
        find_scheduler("linear")
    with pytest.raises(KeyError, match="KL Optimal"):
        resolve("Euler", "linear")


def test_facts():
    second = {name for name, info in SAMPLERS_INFO.items() if info.second_order}
    assert second == {"DPM++ SDE", "DPM++ 2S a", "Heun", "DPM2", "DPM2 a", "Restart"}
    assert {name for name, info in SAMPLERS_INFO.items() if info.discard_penultimate} == {
        "DPM++ 3M SDE",
        "DPM2",
        "DPM2 a",
    }
    assert {name for name, info in SAMPLERS_INFO.items() if info.timestep_based} == {
        "DDIM",
        "DDIM CFG++",
        "PLMS",
        "UniPC",
    }
    assert SAMPLERS_INFO["Heun"].total_steps(20) == 40
    assert SAMPLERS_INFO["Euler"].total_steps(20) == 20


def test_needs_no_torch():
    code = "import sys, ra_widgets.samplers, ra_widgets.diffusion; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
