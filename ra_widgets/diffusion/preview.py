"""Live previews: a small map from latents to colours, fitted to the model's own VAE.

Decoding at every step would double the time of a picture. Instead each latent cell, its eight neighbours and the products of
its channels (colour is not quite linear in them) are mapped to a block of 4x4 pixels by least squares, fitted once on
pictures that the VAE itself encodes: about a millisecond a preview.
"""

from __future__ import annotations

import io
import math
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from ra_widgets.diffusion.pipeline import LoadedModel

BLOCK = 4
"""Preview pixels per latent cell and side."""
LONG_SIDE = 512
"""Previews are shown at most this large."""


def sample_pictures(count: int, size: int) -> torch.Tensor:
    """Simple pictures of many colours (gradients, discs, boxes, stripes): float32 [count, 3, size, size] in 0..1."""
    rows = []
    for index in range(count):
        hue = index / count
        picture = _gradient(size, hue, angle=index * 2.4)
        draw = ImageDraw.Draw(picture)
        for k in range(5):
            # golden-ratio steps spread colours and places without a random generator
            a, b, c = ((index * 5 + k) * ratio % 1 for ratio in (0.618034, 0.754878, 0.569840))
            x, y, r = a * size, b * size, (0.08 + 0.22 * c) * size
            fill = _colour(a + c, 0.15 + 0.85 * b, 1 - 0.9 * (k % 3 == 2) * c)
            shape = draw.ellipse if k % 2 else draw.rectangle
            shape([x - r, y - r, x + r, y + r * (0.5 + a)], fill=fill)
        rows.append(torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).reshape(size, size, 3))
    return torch.stack(rows).permute(0, 3, 1, 2).float() / 255


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return int(red * 255), int(green * 255), int(blue * 255)


def _gradient(size: int, hue: float, angle: float) -> Image.Image:
    ramp = torch.linspace(0, 1, size)
    x, y = ramp[None, :].expand(size, size), ramp[:, None].expand(size, size)
    way = ((x * math.cos(angle) + y * math.sin(angle)) / 2 + 0.5).clamp(0, 1)[..., None]
    ends = [
        torch.tensor(_colour(hue + shift, level, value)) for shift, level, value in ((0, 0.5, 1.0), (0.4, 0.7, 0.6))
    ]
    pixels = (ends[0] * (1 - way) + ends[1] * way).to(torch.uint8).contiguous()
    return Image.frombytes("RGB", (size, size), bytes(pixels.numpy().tobytes()))


class Previewer:
    """Turns latents of one model into small pictures. The map is fitted when first used."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self._weight: torch.Tensor | None = None
        self._range: tuple[torch.Tensor, torch.Tensor] | None = None

    def fit(self) -> torch.Tensor:
        """Fit the map: float32 [3 * BLOCK**2, K] (see :func:`_features`), on the CPU."""
        if self._weight is None:
            small = self.model.info.size_bytes < 100_000_000
            self._weight = self._fit(24 if small else 12, 128 if small else 64)
        return self._weight

    @torch.inference_mode()
    def _fit(self, count: int, size: int) -> torch.Tensor:
        pictures = sample_pictures(count, size)
        latents = self.model.encode(pictures).cpu()
        # guidance drives the first steps' guesses far out, where products would make colours glare
        flat = latents.transpose(0, 1).flatten(1)
        self._range = flat.amin(1)[None, :, None, None], flat.amax(1)[None, :, None, None]
        factor = size // latents.shape[-1] // BLOCK
        target = F.pixel_unshuffle(F.avg_pool2d(pictures, factor) if factor > 1 else pictures, BLOCK)
        x = _features(latents).permute(0, 2, 3, 1).flatten(0, 2).double()
        y = target.permute(0, 2, 3, 1).flatten(0, 2).double()
        # ridge: neighbours are strongly correlated
        gram = x.T @ x + 1e-3 * len(x) * torch.eye(x.shape[1], dtype=torch.float64)
        return torch.linalg.solve(gram, x.T @ y).T.float().contiguous()

    @torch.inference_mode()
    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [B, C, h, w] to colours: uint8 [B, h * BLOCK, w * BLOCK, 3] on the CPU."""
        weight = self.fit()
        assert self._range is not None
        features = _features(latents.detach().float().cpu().clamp(*self._range))
        colours = torch.einsum("ok,bkhw->bohw", weight, features)
        picture = F.pixel_shuffle(colours, BLOCK).clamp_(0, 1).mul_(255).round_().to(torch.uint8)
        return picture.permute(0, 2, 3, 1).contiguous()

    def jpeg(self, latents: torch.Tensor, index: int = 0) -> tuple[bytes, int, int]:
        """One latent of a batch as JPEG: (bytes, width, height), at most :data:`LONG_SIDE` pixels long, never upscaled past it."""
        array: Any = self.pixels(latents[index : index + 1])[0].numpy()
        image = Image.fromarray(array)
        scale = min(LONG_SIDE / max(image.size), self.model.latent_scale / BLOCK)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        return buffer.getvalue(), image.width, image.height


def _features(latents: torch.Tensor) -> torch.Tensor:
    """Each cell with its eight neighbours, products of its channels, and a constant: [B, C, h, w] -> [B, K, h, w].

    K = 9 C + C (C + 1) / 2 + 1; borders are repeated.
    """
    b, c, h, w = latents.shape
    around = F.unfold(F.pad(latents, (1, 1, 1, 1), mode="replicate"), 3).reshape(b, c * 9, h, w)
    first, second = torch.triu_indices(c, c)
    products = (latents[:, first] * latents[:, second]).clamp(-16, 16)
    return torch.cat([around, products, torch.ones(b, 1, h, w)], 1)
