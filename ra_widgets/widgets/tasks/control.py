"""控制: control maps steer what the prompt says."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import traitlets as tr

from ra_widgets.control_requests import ControlUnit
from ra_widgets.errors import RAError
from ra_widgets.i18n import t
from ra_widgets.image_requests import ImageToImage
from ra_widgets.paths import home
from ra_widgets.requests import Request, TextToImage
from ra_widgets.widgets._base import RAWidget, shared
from ra_widgets.widgets._fields import Decimal, FieldsPanel, Whole, choice, number, slider, switch
from ra_widgets.widgets.control_preview import ControlPreview
from ra_widgets.widgets.tasks._task import PictureTask
from ra_widgets.widgets.tasks.img2img import AREA, STRENGTH, fit_size
from ra_widgets.widgets.unit_list import UnitList

if TYPE_CHECKING:
    from PIL.Image import Image

    from ra_widgets.results import Record

KINDS = ("controlnet", "t2i-adapter")
MAP_FIELDS = ("module", "resize_mode", "processor_res", "threshold_a", "threshold_b")
"""What the control map depends on, beside the picture and the size."""


class ControlUnitPanel(FieldsPanel):
    """One control unit.

    Attributes:
        model: a ControlNet of the library. module: what makes the map from the picture; ``"none"``: it is a map already.
        weight: 0..2. guidance_start, guidance_end: the share of the steps in which it acts. Others: as in ``ControlUnit``.

    Example:
        >>> unit = ControlUnitPanel(model="ra-mini-control-canny", module="canny")
        >>> unit
        >>> ra.ControlUnit(image=photo, **unit.values())
    """

    FIELDS = (
        choice("model", wide=True),
        choice("module", wide=True),
        slider("weight", 0, 2, 0.05),
        switch("unit_on"),
        slider("guidance_start", 0, 1, 0.05),
        slider("guidance_end", 0, 1, 0.05),
        choice("control_mode", ("balanced", "prompt", "control"), kind="segments"),
        choice("resize_mode", ("Crop and resize", "Just resize", "Resize and fill"), more=True),
        number("processor_res", 64, 4096, 8, nullable=True, more=True),
        number("threshold_a", -10000, 10000, 1, nullable=True, more=True),
        number("threshold_b", -10000, 10000, 1, nullable=True, more=True),
    )

    model_values = shared(tr.List(tr.Unicode()))
    module_values = shared(tr.List(tr.Unicode(), default_value=["none"]))
    model = shared(tr.Unicode(""))
    module = shared(tr.Unicode("none"))
    unit_on = shared(tr.Bool(True))
    weight = shared(Decimal(1.0))
    guidance_start = shared(Decimal(0.0))
    guidance_end = shared(Decimal(1.0))
    control_mode = shared(tr.Unicode("balanced"))
    resize_mode = shared(tr.Unicode("Crop and resize"))
    processor_res = shared(Whole(None, allow_none=True))
    threshold_a = shared(Decimal(None, allow_none=True))
    threshold_b = shared(Decimal(None, allow_none=True))

    def __init__(self, **kwargs: Any) -> None:
        self._modules: dict[str, Any] = {}
        super().__init__(**kwargs)
        self.observe(lambda _: self._name_thresholds(), "module")

    def describe(self, modules: Iterable[Any]) -> None:
        """Offer these preprocessors (``kernel.preprocessors``), and call their thresholds by their own names."""
        self._modules = {module.name: module for module in modules}
        self.module_values = list(self._modules)
        self._name_thresholds()

    def _name_thresholds(self) -> None:
        module = self._modules.get(self.module)
        self.unused = [] if module is None else [n for n in ("threshold_a", "threshold_b") if not _meaning(module, n)]
        self.texts = self._make_texts()

    def _make_texts(self) -> dict[str, str]:
        texts = super()._make_texts()
        module = self._modules.get(self.module)
        for name in ("threshold_a", "threshold_b"):
            meant = _meaning(module, name)
            if meant is not None:
                label = t(f"control.slider.{meant.label}", self.lang)
                texts[name] = self.word("threshold.named", name=label, default=f"{meant.default:g}")
        for name in self._modules:
            if name != "none":
                texts[f"module:{name}"] = f"{name} · {t(f'control.module.{name}', self.lang)}"
        return texts

    def values(self) -> dict[str, Any]:
        values = super().values()
        values.pop("unit_on")
        return values


def _meaning(module: Any, name: str) -> Any:
    """What a threshold of a preprocessor is, None if it has none."""
    return None if module is None else module.a if name == "threshold_a" else module.b


class ControlBasePanel(FieldsPanel):
    """What is steered: a picture from text, or the picture itself painted anew."""

    FIELDS = (
        choice("control_base", ("text", "picture"), kind="segments"),
        {**STRENGTH, "when": ["control_base", "picture"]},
    )

    control_base = shared(tr.Unicode("text"))
    denoising_strength = shared(Decimal(0.8))


@dataclass(frozen=True)
class Unit:
    """A unit that is not edited at present."""

    values: dict[str, Any] = field(default_factory=dict)
    on: bool = True
    picture: tuple[Image | None, str, Record | None] = (None, "", None)


class ControlTask(PictureTask):
    """The tab 控制."""

    HINT = "hint.control"
    TOOLS = ("sketch", "crop")

    def build(self) -> None:
        self.base = ControlBasePanel(**self.look)
        self.list = UnitList(**self.look)
        self.panel = ControlUnitPanel(**self.look)
        self.panels = (self.base, self.panel)
        self.preview = self.main = ControlPreview(steered=False, **self.look)
        self._units = [Unit()]
        self._at = 0
        self._moving = False
        self._wanted = 0
        self._making = threading.Lock()
        self.panel.describe(self.studio.kernel.preprocessors)
        self._offer()
        self._start = self.panel.values()
        self.list.on_add(self.add_unit)
        self.list.on_remove(self.remove_unit)
        self.list.observe(lambda change: self._select(change["new"]), "selected")
        self.panel.observe(lambda _: self._module_changed(), "module")
        self.panel.observe(lambda _: self._refresh_map(), list(MAP_FIELDS))
        self.panel.observe(lambda change: setattr(self.preview, "weight", change["new"]), "weight")
        self.panel.observe(lambda change: self._suggest(change["new"]), "model")
        self.panel.observe(lambda _: self._show_units(), ["model", "unit_on"])
        self._show_units()

    @property
    def parts(self) -> list[RAWidget]:
        return [*super().parts, self.list]

    @property
    def left(self) -> tuple[RAWidget, ...]:
        return (self.base, self.list, self.panel)

    def _offer(self) -> None:
        """The models that fit and the preprocessors that there are."""
        kernel = self.studio.kernel
        self._infos = {info.name: info for info in kernel.controls if info.kind in KINDS and info.fits(kernel.model)}
        self.panel.model_values = list(self._infos)
        self._tell_of_models()
        if self.panel.model not in self._infos and self._infos:
            self.panel.model = next(iter(self._infos))
            self._suggest(self.panel.model)

    def _tell_of_models(self) -> None:
        """Say at once, not only after 生成, that nothing fits, and what to do."""
        kernel = self.studio.kernel
        seen = any(info.kind == "depth" for info in kernel.controls)
        alone = [
            m.name for m in kernel.preprocessors if (m.run is not None and not m.needs) or (m.needs == "depth" and seen)
        ]
        self.base.note = "" if self._infos else self.studio.word(
            "control.none", model=kernel.model.name, folder=str(home() / "models" / "ControlNet"), modules=", ".join(alone)
        )  # fmt: skip

    def opened(self) -> None:
        self._offer()

    def language_changed(self) -> None:
        super().language_changed()
        self._tell_of_models()

    def _suggest(self, name: str) -> None:
        hint = self._infos[name].hint if name in self._infos else ""
        if hint in self.panel.module_values and not self._moving:
            self.panel.module = hint

    def model_changed(self) -> None:
        self._offer()

    # -- the map ---------------------------------------------------------------------------------------------------
    def picture_changed(self) -> None:
        image = self.source.image
        if image is not None and self._at == 0 and not self._moving:
            width, height = self.studio.size.base_size
            wide, high = fit_size(*image.size, area=AREA * width * height)
            self.studio.size.fill(width=wide, height=high)
        self.preview.source = image
        self._refresh_map()
        self._show_units()

    def _module_changed(self) -> None:
        """Thresholds of one preprocessor mean nothing to another."""
        if not self._moving:
            self.panel.threshold_a = self.panel.threshold_b = None

    def _refresh_map(self) -> None:
        """Make the map in a thread of its own: some preprocessors are networks. Only the newest wish counts."""
        if self._moving:
            return
        image, wish = self.source.image, {name: getattr(self.panel, name) for name in MAP_FIELDS}
        self._wanted += 1
        if image is None:
            self.preview.map = None
            return
        self.preview.busy = True
        threading.Thread(target=self._make_map, args=(image, wish, self._wanted), name="ra-map", daemon=True).start()

    def _make_map(self, image: Image, wish: dict[str, Any], number_: int) -> None:
        with self._making:
            if number_ != self._wanted:
                return
            made, failure = None, None
            try:
                size = {"width": self.studio.size.width, "height": self.studio.size.height}
                made = self.studio.kernel.control_map(image, **size, **wish)
            except Exception as error:  # a thread's exceptions are seen by nobody
                failure = error
            if number_ == self._wanted:
                self.preview.map = made
                self.preview.busy = False
                if failure is not None:
                    self.studio.show_error(failure)

    # -- several units ---------------------------------------------------------------------------------------------
    def _held(self) -> Unit:
        return Unit(self.panel.values(), self.panel.unit_on, self.source.held)

    def units(self) -> list[Unit]:
        """All units as they stand."""
        return [self._held() if at == self._at else unit for at, unit in enumerate(self._units)]

    def _load(self, units: list[Unit], at: int) -> None:
        self._moving = True
        try:
            self._units, self._at = list(units), at
            unit = self._units[at]
            self.panel.fill(**{**self._start, **unit.values}, unit_on=unit.on)
            self.source.hold(*unit.picture)
            self._show_units()
            self.list.selected = at
        finally:
            self._moving = False
        self.preview.source = self.source.image
        self.preview.weight = self.panel.weight
        self._refresh_map()

    def _select(self, at: int) -> None:
        if at != self._at and not self._moving:
            self._load(self.units(), at)

    def add_unit(self) -> None:
        """Another unit, with the same picture."""
        units = self.units()
        self._load([*units, replace(units[self._at], on=True)], len(units))

    def remove_unit(self) -> None:
        """The unit that is edited goes."""
        units = self.units()
        if len(units) > 1:
            del units[self._at]
            self._load(units, min(self._at, len(units) - 1))

    def _show_units(self) -> None:
        self.list.units = [
            {"title": unit.values.get("model", ""), "ready": bool(unit.on and unit.picture[0] is not None and unit.values.get("model"))}
            for unit in self.units()
        ]  # fmt: skip

    # -- the request -----------------------------------------------------------------------------------------------
    def request(self) -> Request:
        used = [unit for unit in self.units() if unit.on]
        if not used:
            raise RAError("studio.error.no_unit")
        if any(unit.picture[0] is None for unit in used):
            self.picture() if self.source.image is None else None
            raise RAError("studio.error.unit_picture")
        if not all(unit.values.get("model") for unit in used):
            raise RAError("studio.error.no_control")
        control = tuple(ControlUnit(image=unit.picture[0], **unit.values) for unit in used)
        values = self.studio.values()
        if self.base.control_base == "picture":
            strength = self.base.denoising_strength
            return ImageToImage(image=used[0].picture[0], denoising_strength=strength, control=control, **values)
        return TextToImage(control=control, **values)

    def recall(self, request: Request) -> None:
        units = []
        for unit in getattr(request, "control", ()):
            picture = unit.image if unit.image is not None else getattr(request, "image", None)
            image = picture.image if picture is not None and picture.available else None
            known = {name: getattr(unit, name) for name in self._start}
            units.append(Unit(known, True, (image, "", None)))
        picture_too = isinstance(request, ImageToImage)
        self.base.control_base = "picture" if picture_too else "text"
        if picture_too:
            self.base.fill(denoising_strength=request.denoising_strength)
        if units:
            self._load(units, 0)

    def more_state(self) -> dict[str, Any]:
        return {"units": self.units(), "at": self._at, "base": self.base.values()}

    def restore_more(self, more: dict[str, Any]) -> None:
        self.base.fill(**more["base"])
        self._load(more["units"], more["at"])
