from __future__ import annotations

from PIL import Image

from ra_widgets.widgets import VerifyView
from ra_widgets.widgets.tabs import TABS


def test_good_and_bad_files(kernel, tmp_path):
    record = kernel.generate("一只猫", seed=4, steps=3).records[0]
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    files = [("我的<b>猫.png", record.path.read_bytes()), ("plain.png", (tmp_path / "plain.png").read_bytes())]
    view = VerifyView(kernel, lang="zh")
    view.start([*files, ("x.png", b"no picture")]).join(120)
    assert [report.state for report in view.reports] == ["same", "failed", "failed"]
    assert view._bar.value == 3 and view._bar.layout.display == "none"
    assert "✓ 一致" in view._shown.value and "&lt;b&gt;" in view._shown.value and "<b>猫" not in view._shown.value
    view.lang = "en"
    assert "✓ same" in view._shown.value and view._upload.description == "Choose pictures"


def test_a_new_choice_replaces_an_unfinished_one(kernel):
    record = kernel.generate("一只猫", seed=4, steps=3).records[0]
    view = VerifyView(kernel)
    first = view.start([("a.png", record.path.read_bytes())] * 20)
    second = view.start([("b.png", record.path.read_bytes())])
    first.join(120)
    second.join(120)
    assert [report.name for report in view.reports] == ["b.png"]


def test_the_studio_has_the_tab():
    assert TABS[0].id == "txt2img" and TABS[-1].id == "verify"
