"""``VerifyView``: drop pictures, see whether their settings make them again, and why not."""

from __future__ import annotations

import html
import threading
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets as tr

from ra_widgets.errors import RAError
from ra_widgets.experiments.reports import Reason, Report, Table
from ra_widgets.experiments.verify import verify
from ra_widgets.i18n import get_language, normalise, t
from ra_widgets.widgets._base import SKINS, stylesheet

if TYPE_CHECKING:
    from ra_widgets.kernel import PipelineKernel
    from ra_widgets.widgets.studio import Studio


class VerifyView(ipywidgets.VBox):
    """Choose picture files; each is made again from its own metadata and compared.

    Args:
        kernel: makes them; the gallery is not touched. lang, skin: as in the studio.

    Attributes:
        reports: a :class:`Table` of what was found so far, in the order of the files.

    Example:
        >>> VerifyView(kernel)
    """

    lang = tr.Unicode()
    skin = tr.Enum(SKINS, "light")

    def __init__(self, kernel: PipelineKernel, *, lang: str | None = None, skin: str = "light") -> None:
        self.kernel = kernel
        self.reports = Table()
        self._round = 0
        self._upload = ipywidgets.FileUpload(
            accept=".png,.jpg,.jpeg,.webp,.avif", multiple=True, layout={"width": "auto"}
        )
        self._bar = ipywidgets.IntProgress(layout={"width": "260px", "display": "none"})
        self._hint = ipywidgets.HTML()
        self._shown = ipywidgets.HTML()
        style = ipywidgets.HTML(f"<style>{stylesheet()}</style>", layout={"display": "none"})
        row = ipywidgets.HBox(
            [self._upload, self._bar, self._hint], layout={"align_items": "center", "flex_flow": "wrap"}
        )
        super().__init__([style, row, self._shown], lang=normalise(lang) if lang else get_language(), skin=skin)
        for name in ("ra-panel", "ra-verify-view", "card", "pad"):
            self.add_class(name)
        self.observe(lambda _: self._draw(), ["lang", "skin"])
        self._upload.observe(self._chosen, "value")
        self._draw()

    def _chosen(self, _: Any) -> None:
        files = [(str(item["name"]), bytes(item["content"])) for item in self._upload.value]
        if files:
            self.start(files)

    def start(self, files: list[tuple[str, bytes]]) -> threading.Thread:
        """Verify (name, bytes) pairs in a thread of their own; a new start replaces an unfinished one."""
        self._round += 1
        self.reports = Table()
        self._bar.max, self._bar.value, self._bar.layout.display = len(files), 0, ""
        thread = threading.Thread(target=self._work, args=(files, self._round), name="ra-verify", daemon=True)
        thread.start()
        return thread

    def _work(self, files: list[tuple[str, bytes]], this_round: int) -> None:
        for name, data in files:
            try:
                report = verify(self.kernel, data)
                report.name = name
            except RAError as error:
                report = Report(name, reasons=[Reason("refused", fatal=True, values={"sentence": error})])
            except Exception as error:  # a thread's exceptions are seen by nobody
                report = Report(name, reasons=[Reason("refused", fatal=True, values={"sentence": repr(error)})])
            if this_round != self._round:
                return
            self.reports.append(report)
            self._bar.value += 1
            self._draw()
        self._bar.layout.display = "none"

    def _draw(self) -> None:
        """Texts and findings in the present language."""
        for skin in SKINS:
            self.remove_class(f"ra-skin-{skin}")
        self.add_class(f"ra-skin-{self.skin}")
        self._upload.description = t("verify.choose", self.lang)
        self._hint.value = html.escape(t("verify.hint", self.lang))
        shown = self.reports.to_html(self.lang) if len(self.reports) > 1 else ""
        self._shown.value = shown + "".join(report.to_html(self.lang) for report in self.reports)


def verify_page(studio: Studio) -> VerifyView:
    """The studio's page: follows its language and skin."""
    view = VerifyView(studio.kernel, lang=studio.lang, skin=studio.skin)
    for name in ("lang", "skin"):
        studio.observe(lambda change, name=name: setattr(view, name, change["new"]), name)
    return view
