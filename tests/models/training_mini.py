"""A miniature of the training recipe's root folder, for the tests of its stages."""

from __future__ import annotations

import json
import random
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from models.training.config import Config  # noqa: E402
from models.training.vocabulary import read_subjects  # noqa: E402


def fake_sprites(folder: Path) -> None:
    """Coloured discs in place of the packed art: same files, same shapes."""
    subjects = [s.key for s in read_subjects()]
    y, x = np.mgrid[0:24, 0:24]
    disc = ((x - 12) ** 2 + (y - 12) ** 2 < 120).astype(np.uint8) * 255
    sprites = np.zeros((len(subjects), 3, 24, 24, 4), np.uint8)
    for i in range(len(subjects)):
        sprites[i, :, :, :, :3] = random.Random(i).choices(range(40, 230), k=3)
        sprites[i, :, :, :, 3] = disc
    folder.mkdir(parents=True)
    np.save(folder / "sprites.npy", sprites)
    (folder / "sprites.json").write_text(
        json.dumps({"size": 24, "art": ["3d", "flat", "cartoon"], "subjects": subjects})
    )


def copy_of(config: Config, folder: Path, **changes: object) -> Config:
    """The same finished stages under another root."""
    shutil.copytree(config.root, folder / "t")
    return replace(config, root=folder / "t", **changes)
