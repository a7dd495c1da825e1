"""How many CPU threads a job takes: by the size of the work, and never more than whoever shares the machine allows."""

from __future__ import annotations

import os

import pytest
import torch

from ra_widgets.diffusion.memory import LARGE, choose_threads

CPU = torch.device("cpu")
SMALL, BIG = 128 * 128, 1024 * 1024


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_small_work_takes_half_of_the_cores_and_large_work_all() -> None:
    assert choose_threads(CPU, 30_000_000, SMALL) == 4
    assert choose_threads(CPU, 30_000_000, BIG) == 8
    assert choose_threads(CPU, LARGE, SMALL) == 8


@pytest.mark.parametrize(("wished", "large", "small"), [("1", 1, 1), ("4", 4, 4), ("2", 2, 2), ("64", 8, 4)])
def test_no_more_than_the_environment_allows(
    monkeypatch: pytest.MonkeyPatch, wished: str, large: int, small: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wished)
    assert choose_threads(CPU, 30_000_000, BIG) == large
    assert choose_threads(CPU, 30_000_000, SMALL) == small


@pytest.mark.parametrize("nonsense", ["", "0", "-1", "many", "4,2"])
def test_nonsense_in_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch, nonsense: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", nonsense)
    assert choose_threads(CPU, 30_000_000, BIG) == 8
