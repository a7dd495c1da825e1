"""The finished first stages of a miniature run, once for all tests of the recipe."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from training_mini import fake_sprites  # noqa: E402

from models.training import pool, stage_text, stage_vae  # noqa: E402
from models.training.config import TINY, Config  # noqa: E402


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A root folder on which the stages up to the pool have run."""
    torch.set_num_threads(1)
    config = replace(TINY, root=tmp_path_factory.mktemp("training"))
    fake_sprites(config.data)
    stage_vae.train(config, quiet=True)
    stage_text.train(config, quiet=True)
    pool.fill(config, config.shards, quiet=True)
    return config
