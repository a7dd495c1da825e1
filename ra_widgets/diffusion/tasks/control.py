"""From a request's control units to what steers a pass: maps of the right size, networks, adapters."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from ra_widgets.control_requests import ControlUnit
from ra_widgets.diffusion.control import nets
from ra_widgets.diffusion.control.depth import DepthModel, depth_model
from ra_widgets.diffusion.control.ip_adapter import adapters
from ra_widgets.diffusion.control.maps import Recipe, fit, make_map
from ra_widgets.diffusion.control.modules import Module, find_module
from ra_widgets.diffusion.control.steering import HARD_EDGES, Steering, Unit
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.errors import InvalidRequest, ModelError
from ra_widgets.library.control import controls
from ra_widgets.paths import home
from ra_widgets.pictures import Picture
from ra_widgets.requests import DepthToImage

if TYPE_CHECKING:
    from ra_widgets.diffusion.tasks.passes import Pass

DEPTH_CHANNELS = 1
"""Input channels of a depth model beyond the latents."""


def steering(model: LoadedModel, request: Any, this: Pass) -> Steering | None:
    """What steers a pass of a request, or None.

    Raises:
        InvalidRequest: a unit without a picture, an unknown module. ModelError: an unknown or unfitting network.
    """
    wanted = [unit for unit in units_of(model, request) if unit.weight > 0]
    spoken = [
        (unit.model, unit.image.sha256, unit.image.rgb, unit.weight, unit.guidance_start, unit.guidance_end)
        for unit in getattr(request, "ip_adapter", ())
    ]
    if not wanted and not spoken:
        return None
    made = [_unit(model, unit, number, this) for number, unit in enumerate(wanted)]
    return Steering(made, this.walk.run_steps, adapters=adapters(model, spoken)) or None


def installed(found: Steering | None) -> AbstractContextManager[None]:
    """While this runs, the UNet has the adapters of a pass."""
    return nullcontext() if found is None or found.adapters is None else found.adapters.installed()


def units_of(model: LoadedModel, request: Any) -> tuple[ControlUnit, ...]:
    """The request's ControlNet units; a depth request on a model that is no depth model gets one that follows the depth.

    Raises:
        ModelError: there is no depth ControlNet for the model.
    """
    units: tuple[ControlUnit, ...] = getattr(request, "control", ())
    if not isinstance(request, DepthToImage) or follows_depth(model):
        return units
    found = [info for info in controls("controlnet", model.info) if info.hint == "depth"]
    if not found:
        raise ModelError("control.no_depth_net", model=model.info.name, folder=str(home() / "models" / "ControlNet"))
    module = "depth" if request.depth_map is None else "none"
    mode = request.resize_mode if request.resize_mode in ("Crop and resize", "Resize and fill") else "Just resize"
    return (*units, ControlUnit(model=found[0].name, image=request.depth_map, module=module, resize_mode=mode))


def follows_depth(model: LoadedModel) -> bool:
    """Whether the UNet itself reads a depth map (Stable Diffusion 2 depth)."""
    return int(model.unet.config.in_channels) - int(model.vae.config.latent_channels) == DEPTH_CHANNELS


def _unit(model: LoadedModel, unit: ControlUnit, number: int, this: Pass) -> Unit:
    module = find_module(unit.module, f"control.{number}.module")
    net = nets.net(model, unit.model)
    pages = hint(model, unit, module, number, this)
    return Unit(
        net,
        nets.cached(model, "hints", _key(unit, this), lambda: net.embed(pages), 8),
        unit.weight,
        unit.guidance_start,
        unit.guidance_end,
        unit.control_mode,
        soft=this.hires and module.name in HARD_EDGES,
    )


def _key(unit: ControlUnit, this: Pass) -> str:
    source = unit.image or this.picture
    mask = "" if this.mask is None else Picture(this.mask).sha256
    return "|".join(
        str(part)
        for part in (
            unit.model, source.sha256 if source else "", unit.module, unit.resize_mode, unit.processor_res, unit.threshold_a,
            unit.threshold_b, this.width, this.height, mask, this.place,
        )
    )  # fmt: skip


def hint(model: LoadedModel, unit: ControlUnit, module: Module, number: int, this: Pass) -> torch.Tensor:
    """The hint [1, 3, H, W] of a unit for a pass: 0..1, and -1 where an inpainting module hides the picture."""
    picture = unit.image or this.picture
    if picture is None:
        raise InvalidRequest("control.no_image", field=f"control.{number}.image", unit=number + 1)
    if unit.image is not None and this.place is not None:  # "only masked": the same part of the unit's picture
        picture = Picture(picture.rgb().resize(this.whole, Image.Resampling.LANCZOS).crop(this.place))
    recipe = Recipe(
        module.name, this.width, this.height, unit.resize_mode, unit.processor_res, unit.threshold_a, unit.threshold_b
    )
    page = make_map(picture.sha256, picture.rgb, recipe, estimator(model) if module.needs == "depth" else None)
    pixels = torch.from_numpy(np.array(page)).permute(2, 0, 1)[None].float() / 255
    if module.needs == "mask":
        if this.mask is None:
            raise InvalidRequest("control.no_mask", field=f"control.{number}.module", module=module.name)
        mask = fit(np.asarray(this.mask.convert("L"))[..., None], (this.width, this.height), unit.resize_mode)
        hidden = torch.from_numpy(np.array(mask)).permute(2, 0, 1)[None].float().gt(127).float()
        pixels = pixels * (1 - hidden) - hidden
    return pixels


def estimator(model: LoadedModel) -> DepthModel:
    """What estimates depth for a model: its own estimator if it has one (depth models), else the library's."""
    own = getattr(model.pipe, "depth_estimator", None)
    if own is None:
        return depth_model(device=model.device)
    if "depth_estimator" not in model.cache:
        model.cache["depth_estimator"] = DepthModel.of(own, model.info.path / "feature_extractor", model.device)
    found: DepthModel = model.cache["depth_estimator"]
    return found


def depth_channel(
    model: LoadedModel, image: Image.Image, given: Picture | None, cells: tuple[int, int]
) -> torch.Tensor:
    """The fifth input channel of a depth model, [1, 1, h, w] in -1..1: nearness, brought to latent cells, then stretched.

    Args:
        image: the picture, RGB. given: its depth map if the user has one. cells: (h, w).
    """
    import torch.nn.functional as F

    if given is not None:
        near = torch.from_numpy(np.array(given.gray(threshold=False), np.float32))
    else:
        near = estimator(model).raw(image)
    near = F.interpolate(near[None, None], size=cells, mode="bicubic", align_corners=False)
    low, high = near.amin(), near.amax()
    return 2 * (near - low) / (high - low).clamp_min(1e-6) - 1


def labels(model: LoadedModel, request: Any) -> dict[str, str]:
    """Model names with their hashes, for the record's text."""
    found = {}
    for unit in getattr(request, "control", ()):
        info = nets.find_control(unit.model, ("controlnet", "t2i-adapter"), model.info)
        found[unit.model] = info.label
    for unit in getattr(request, "ip_adapter", ()):
        found[unit.model] = nets.find_control(unit.model, "ip-adapter", model.info).label
    return found
