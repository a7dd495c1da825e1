"""Check a diffusers folder without loading it: are all parts there, whole, and only data?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ra_widgets.errors import ModelError
from ra_widgets.library.cards import read_json
from ra_widgets.library.headers import read_header

OPTIONAL = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts that text to image does without."""

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def check_folder(path: Path, index: dict[str, Any]) -> None:
    """Check every declared part of the folder: its files are there, its JSON is JSON, its weights are whole.

    Args:
        path: the folder. index: its ``model_index.json``.

    Raises:
        ModelError: what is missing, damaged, a pickle, or a program.
    """
    if not isinstance(index.get("_class_name"), str):
        raise ModelError("model.custom_code", path=str(path))
    for part, declared in index.items():
        if part.startswith("_") or not isinstance(declared, list) or part in OPTIONAL:
            continue
        if len(declared) != 2 or any(item is not None and not isinstance(item, str) for item in declared):
            raise ModelError("model.damaged_config", path=str(path / "model_index.json"))
        library, kind = declared
        if library is None or kind is None:
            continue
        folder = path / part
        if not folder.is_dir():
            raise ModelError("model.part_missing", path=str(path), part=part)
        if (folder / f"{library}.py").exists():
            raise ModelError("model.custom_code", path=str(path))
        _check_part(path, folder)


def _check_part(path: Path, folder: Path) -> None:
    for file in sorted(folder.glob("*.json")):
        read_json(file)
    weights = sorted(folder.glob("*.safetensors"))
    for file in weights:
        read_header(file)
    for listing in folder.glob("*.safetensors.index.json"):
        shards = read_json(listing).get("weight_map")
        if not isinstance(shards, dict):
            raise ModelError("model.damaged_config", path=str(listing))
        for shard in sorted({str(name) for name in shards.values()}):
            if not (folder / Path(shard).name).is_file():
                raise ModelError("model.part_missing", path=str(path), part=f"{folder.name}/{Path(shard).name}")
    if not any(folder.iterdir()):
        raise ModelError("model.part_missing", path=str(path), part=folder.name)
    if folder.name == "scheduler" and not (folder / "scheduler_config.json").is_file():
        raise ModelError("model.part_missing", path=str(path), part="scheduler/scheduler_config.json")
    if weights or folder.name.startswith("tokenizer") or not (folder / "config.json").is_file():
        return  # tokenizers, schedulers and processors have no weights
    pickle = next((file for pattern in PICKLES for file in folder.glob(pattern)), None)
    if pickle is not None:
        raise ModelError("model.pickle", path=str(pickle))
    raise ModelError("model.part_missing", path=str(path), part=f"{folder.name}/*.safetensors")


def elements_of(folder: Path) -> int:
    """Numbers in all weight files of a part, without position tables that are not weights."""
    total = 0
    for file in folder.glob("*.safetensors"):
        header = read_header(file)
        total += header.elements
        for name in header.tensors:
            if name.endswith("position_ids"):
                shape = header.shape(name) or ()
                count = 1
                for n in shape:
                    count *= n
                total -= count
    return total
