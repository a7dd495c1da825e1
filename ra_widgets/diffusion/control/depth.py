"""Depth by a transformers model of the library (DPT, Depth-Anything, GLPN, ZoeDepth ...), prepared without torchvision."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ra_widgets.diffusion.pipeline import import_libraries, quiet
from ra_widgets.errors import ModelError, RAError
from ra_widgets.library.cards import read_json
from ra_widgets.library.control import ControlInfo, controls, find_control

FAR_IS_LARGE = ("glpn", "zoedepth", "prompt_depth_anything")
"""Model types that answer with distances; all others answer with nearness (inverse depth)."""

_kept: dict[tuple[str, str], DepthModel] = {}
_lock = threading.Lock()


class DepthModel:
    """A depth estimator in memory: a transformers model and what its preprocessor says of sizes and means."""

    def __init__(self, net: Any, settings: dict[str, Any], device: torch.device) -> None:
        self.device, self.settings = device, settings
        self.net = net.to(device).eval().requires_grad_(False)
        config = net.config
        self.far_is_large = (
            config.model_type in FAR_IS_LARGE or getattr(config, "depth_estimation_type", "") == "metric"
        )

    @classmethod
    def load(cls, info: ControlInfo, device: torch.device) -> DepthModel:
        """Read one from the library.

        Raises:
            ModelError: its files are damaged.
        """
        try:
            import_libraries()
            from transformers import AutoModelForDepthEstimation

            with quiet():
                net = AutoModelForDepthEstimation.from_pretrained(
                    str(info.path), local_files_only=True, use_safetensors=True, dtype=torch.float32
                )
        except RAError:
            raise
        except Exception as error:
            detail = " ".join(str(error).split())[:240] or type(error).__name__
            raise ModelError("model.load_failed", name=info.name, detail=detail) from error
        return cls.of(net, info.path, device)

    @classmethod
    def of(cls, net: Any, folder: Path, device: torch.device) -> DepthModel:
        """One that is in memory, with the ``preprocessor_config.json`` of a folder."""
        file = folder / "preprocessor_config.json"
        return cls(net, read_json(file) if file.is_file() else {}, device)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) at which the network sees a picture: its own size, sides in proportion where it allows that."""
        wanted = self.settings.get("size") or {}
        high, wide = int(wanted.get("height", 384)), int(wanted.get("width", 384))
        multiple = int(self.settings.get("ensure_multiple_of") or self.settings.get("size_divisor") or 1)
        if self.settings.get("keep_aspect_ratio"):
            scale = max(high / height, wide / width)
            high, wide = round(height * scale), round(width * scale)
        return max(multiple, round(wide / multiple) * multiple), max(multiple, round(high / multiple) * multiple)

    @torch.inference_mode()
    def raw(self, image: Image.Image, size: tuple[int, int] | None = None) -> torch.Tensor:
        """The network's answer as nearness (large is near), float32 [h, w], of its own scale."""
        width, height = size or self.size(*image.size)
        pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None].float() / 255
        pixels = F.interpolate(pixels, (height, width), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
        mean = torch.tensor(self.settings.get("image_mean") or [0.5] * 3).view(1, 3, 1, 1)
        std = torch.tensor(self.settings.get("image_std") or [0.5] * 3).view(1, 3, 1, 1)
        weight = next(self.net.parameters())
        found = self.net(pixel_values=((pixels - mean) / std).to(weight)).predicted_depth[0].float().cpu()
        found = found.squeeze(0) if found.ndim == 3 else found
        return -found if self.far_is_large else found

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Nearness uint8 [H, W] of the picture's size, stretched over 0..255."""
        page = F.interpolate(
            self.raw(image)[None, None], (image.height, image.width), mode="bicubic", align_corners=False
        )
        page = page[0, 0] - page.min()
        return (page / page.max().clamp_min(1e-6) * 255).round().to(torch.uint8).numpy()


def depth_model(name: str = "", device: torch.device | None = None) -> DepthModel:
    """The depth model of this name, or the library's first ("" asks for any), loaded once for a device.

    Raises:
        ModelError: there is none; the sentence says what to install.
    """
    found = [find_control(name, "depth")] if name else sorted(controls("depth"), key=_rank)
    if not found:
        raise ModelError("control.no_depth_model")
    info, device = found[0], device or torch.device("cpu")
    key = (str(info.path), str(device))
    with _lock:
        if key not in _kept:
            fresh = DepthModel.load(info, device)
            _kept.clear()
            _kept[key] = fresh
        return _kept[key]


def _rank(info: ControlInfo) -> tuple[int, str]:
    """The user's own models before the small one that ships."""
    return int(_shipped(info.path)), info.name


def _shipped(path: Path) -> bool:
    return path.name.startswith("ra-mini")
