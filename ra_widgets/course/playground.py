"""A small live panel for lessons: move a slider, see the picture that this setting makes, read the line of Python for it."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets

from ra_widgets import image_requests, samplers
from ra_widgets.errors import RAError, describe
from ra_widgets.events import Cancelled, Done, Event, Failed, Loading, Preview, Progress
from ra_widgets.i18n import t
from ra_widgets.request_fields import LATENT_UPSCALERS, PIXEL_UPSCALERS
from ra_widgets.requests import Generation, TextToImage

NUMBERS: dict[str, tuple[float, float, float]] = {
    # field: (lowest, highest, step) of its slider
    "seed": (0, 99, 1),
    "subseed": (0, 99, 1),
    "subseed_strength": (0.0, 1.0, 0.05),
    "steps": (1, 40, 1),
    "cfg_scale": (1.0, 14.0, 0.5),
    "width": (64, 256, 8),
    "height": (64, 256, 8),
    "clip_skip": (1, 4, 1),
    "denoising_strength": (0.0, 1.0, 0.05),
    "mask_blur": (0, 32, 1),
    "inpaint_full_res_padding": (0, 64, 4),
    "hr_scale": (1.0, 3.0, 0.25),
    "left": (0, 128, 8),
    "right": (0, 128, 8),
    "top": (0, 128, 8),
    "bottom": (0, 128, 8),
    # of the first control unit
    "control.weight": (0.0, 2.0, 0.05),
    "control.guidance_start": (0.0, 1.0, 0.05),
    "control.guidance_end": (0.0, 1.0, 0.05),
    "control.threshold_a": (0, 255, 5),
    "control.threshold_b": (0, 255, 5),
}
UNIT = "control."
TEXTS = ("prompt", "negative_prompt")
CHOICES: dict[str, tuple[str, ...]] = {
    "sampler": samplers.SAMPLER_NAMES,
    "scheduler": samplers.SCHEDULER_NAMES,
    "fill_mode": ("edge", "mirror", "noise", "latent noise"),
    "inpainting_fill": image_requests.FILLS,
    "resize_mode": image_requests.RESIZE_MODES,
    "hr_upscaler": (*LATENT_UPSCALERS, *PIXEL_UPSCALERS),
}
SWITCHES = ("enable_hr", "color_correction", "inpaint_full_res", "soft_inpainting")
PICTURES = re.compile(r"\b(image|mask|depth_map)=(?:ra\.Picture\.\w+\([^()]*\)|'[^']*'|\"[^\"]*\")")
"""Fields with a picture in the Python of a request."""


class Playground(widgets.VBox):
    """Controls for some fields of a request, and the picture they make, remade at each change.

    A change cancels the picture in the making and asks for the new one; nothing blocks. Every picture also goes to the gallery.

    Args:
        kernel: the :class:`PipelineKernel`; request: what to begin with.
        controls: names of the fields to show, in this order.
        start: make the first picture at once.
    """

    def __init__(
        self,
        kernel: Any,
        request: Generation,
        controls: Sequence[str] = ("prompt", "seed", "cfg_scale"),
        *,
        start: bool = True,
    ) -> None:
        self.kernel = kernel
        self.request = request
        self.job: Any = None
        self._lock = threading.RLock()
        self.controls = {name: self._control(name) for name in controls}
        for control in self.controls.values():
            control.observe(self._changed, "value")
        self.picture = widgets.Image(format="png", layout=widgets.Layout(width="256px", height="auto"))
        self.status = widgets.HTML()
        self.code = widgets.HTML()
        frame = widgets.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="18px")
        panel = widgets.VBox(list(self.controls.values()), layout=widgets.Layout(width="min(460px, 100%)"))
        super().__init__([widgets.Box([panel, widgets.VBox([self.picture, self.status])], layout=frame), self.code])
        self.add_class("ra-playground")
        self._show_code()
        if start:
            self.make()

    # -- controls ----------------------------------------------------------------------------------------------------
    def _control(self, name: str) -> Any:
        known = [field for field in (*TEXTS, *CHOICES, *SWITCHES, *NUMBERS) if self._has(field)]
        if name not in known:
            raise ValueError(f"{name!r} has no control; there are {', '.join(known)}")
        unit, field = name.startswith(UNIT), name.removeprefix(UNIT)
        value = getattr(self.request.control[0] if unit else self.request, field)  # type: ignore[attr-defined]
        wide = widgets.Layout(width="min(440px, 100%)")
        style = {"description_width": "110px"}
        label = t(f"course.field.{field}")
        if name in TEXTS:
            return widgets.Text(value=value, description=label, continuous_update=False, layout=wide, style=style)
        if name in CHOICES:
            return widgets.Dropdown(
                options=list(CHOICES[name]), value=value, description=label, layout=wide, style=style
            )
        if name in SWITCHES:
            return widgets.Checkbox(value=value, description=label, layout=wide, style=style)
        low, high, step = NUMBERS[name]
        if value is None or (name in ("seed", "subseed") and value < 0):
            value = self._default(name)
        kind = widgets.FloatSlider if isinstance(low, float) else widgets.IntSlider
        return kind(
            value=value,
            min=min(low, value),
            max=max(high, value),
            step=step,
            description=label,
            continuous_update=False,
            layout=wide,
            style=style,
        )

    def _has(self, name: str) -> bool:
        if name.startswith(UNIT):
            return bool(getattr(self.request, "control", ()))
        return name in type(self.request).model_fields

    def _settings(self) -> dict[str, Any]:
        """Fields of the request as the controls say, those of its control unit put into the unit."""
        values = {name: control.value for name, control in self.controls.items()}
        parts = {name.removeprefix(UNIT): values.pop(name) for name in [*values] if name.startswith(UNIT)}
        if parts:
            first, *rest = self.request.control  # type: ignore[attr-defined]
            values["control"] = (first.replace(**parts), *rest)
        return values

    def _default(self, name: str) -> float:
        model = self.kernel.model
        return {"cfg_scale": model.default_cfg, "width": model.default_size[0], "height": model.default_size[1]}.get(
            name, 0
        )

    def _changed(self, _: Any) -> None:
        self.make()

    # -- work --------------------------------------------------------------------------------------------------------
    def make(self) -> Any:
        """Ask for the picture of the present settings; returns the job, or None when the settings are refused."""
        with self._lock:
            try:
                self.request = self.request.replace(**self._settings())
                self._show_code()
                if self.job is not None and not self.job.done:
                    self.job.cancel()
                self.job = job = self.kernel.submit(self.request)
            except RAError as error:
                self.status.value = _small(error.text(), "#c2402d")
                return None
        # outside the lock: the listener hears the job's past at once, in this thread, and its future in the worker's
        job.add_listener(lambda event: self._heard(job, event))
        return job

    def _heard(self, job: Any, event: Event) -> None:
        if job is not self.job:
            return
        if isinstance(event, Loading):
            self.status.value = _small(t("course.play.loading"))
        elif isinstance(event, Preview):
            self.picture.format, self.picture.value = "jpeg", event.data
        elif isinstance(event, Progress):
            self.status.value = _small(t("course.play.step", step=event.step, steps=event.steps))
        elif isinstance(event, Done):
            from ra_widgets.course.stepper import to_png

            self.picture.format, self.picture.value = "png", to_png(event.result.image, 256)
            self.status.value = _small(t("course.play.done", seconds=f"{event.result.seconds:.2f}"))
        elif isinstance(event, Failed):
            self.status.value = _small(describe(event.error), "#c2402d")
        elif isinstance(event, Cancelled):
            self.status.value = _small(t("course.play.cancelled"))

    def _show_code(self) -> None:
        # a picture's own line may be thousands of letters long; in the notebook it has a name
        code = html.escape(PICTURES.sub(r"\1=\1", self.request.to_code()))
        self.code.value = f'<code style="font:12.5px/1.6 ui-monospace,monospace;white-space:pre-wrap">{code}</code>'


def _small(text: str, colour: str = "inherit") -> str:
    return f'<span role="status" style="font:13px/1.5 system-ui,sans-serif;color:{colour}">{html.escape(text)}</span>'


def playground(
    kernel: Any,
    request: Generation | str = "",
    controls: Sequence[str] = ("prompt", "seed", "cfg_scale"),
    **fields: Any,
) -> Playground:
    """A live panel for some fields of a request.

    Args:
        kernel: the :class:`PipelineKernel`.
        request: what to begin with; a text is its prompt, ``fields`` are its other fields.
        controls: the fields to show, those of :data:`NUMBERS`, :data:`TEXTS`, :data:`CHOICES` and :data:`SWITCHES`.
    """
    start = fields.pop("start", True)
    if isinstance(request, str):
        request = TextToImage(prompt=request, **{"seed": 1, **fields})
    elif fields:
        request = request.replace(**fields)
    return Playground(kernel, request, controls, start=start)
