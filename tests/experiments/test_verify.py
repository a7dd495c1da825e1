from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ra_widgets.errors import GalleryError
from ra_widgets.experiments.metrics import difference, heat_map
from ra_widgets.experiments.verify import pictures_in, verify_all
from ra_widgets.gallery import carriers


@pytest.fixture(scope="module")
def record(kernel):
    return kernel.generate("星空下的一只猫头鹰", negative_prompt="模糊", seed=77, steps=8).records[0]


def codes(report):
    return [reason.code for reason in report.reasons]


def test_a_picture_of_ours_is_made_again_exactly(kernel, record):
    count = len(kernel.gallery)
    report = kernel.verify(record.path)
    assert report.same and report.max_difference == 0 and report.difference.ssim == 1.0 and not report.reasons
    assert len(kernel.gallery) == count and kernel.history[-1].id == record.id
    for other in (record, record.path.read_bytes(), Image.open(record.path)):
        assert kernel.verify(other).same


def test_options_hires_and_prompt_language_verify(kernel):
    fields = [
        {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Lanczos", "denoising_strength": 0.4},
        {"eta": 0.7, "sampler": "Euler a", "eta_noise_seed_delta": 31337},
        {"subseed": 4, "subseed_strength": 0.3, "clip_skip": 2, "rng": "CPU"},
        {"scheduler": "Beta", "cfg_rescale": 0.5, "s_min_uncond": 1.0},
    ]
    for extra in fields:
        prompt = "a [cat:dog:0.5] AND (grass:1.3) :0.7 BREAK sky"
        assert kernel.verify(kernel.generate(prompt, seed=5, steps=5, **extra).records[0].path).same, extra


def test_the_webui_text_alone_is_enough(kernel, record, tmp_path):
    plain = tmp_path / "webui.png"
    carriers.save(record.image, plain, record.infotext)
    report = kernel.verify(plain)
    assert report.same and report.source in ("webui", "ra")


def test_members_of_a_batch(kernel):
    for made in kernel.generate("a fox", seed=3, steps=6, batch_size=3).records:
        report = kernel.verify(made.path)
        assert report.same and report.max_difference <= 2


def test_an_edited_picture_is_found_out(kernel, record, tmp_path):
    edited = record.image.copy()
    ImageDraw.Draw(edited).rectangle([10, 10, 40, 40], fill=(255, 0, 0))
    path = tmp_path / "edited.png"
    carriers.save(edited, path, carriers.read(record.path))
    report = kernel.verify(path)
    assert not report.same and report.max_difference > 100 and codes(report) == ["unknown"]
    heat = np.asarray(report.heat_map()).astype(int)
    assert (heat[25, 25, 0] - heat[25, 25, 2]) > 80 and abs(heat[100, 100, 0] - heat[100, 100, 2]) < 5
    assert 0 < report.difference.changed < 0.1


def test_reasons(kernel, record, tmp_path):
    def changed(text: str) -> list[str]:
        path = tmp_path / "x.png"
        carriers.save(record.image, path, text)
        return codes(kernel.verify(path))

    assert "no_metadata" in changed("")
    missing = record.infotext.replace("Model: ra-mini", "Model: other").replace(record.model_hash, "0123456789")
    assert "model_missing" in changed(missing)
    assert "model_changed" in changed(record.infotext.replace(record.model_hash, "0123456789"))
    assert "rng_gpu" in changed(record.infotext.replace("RNG: NV", "RNG: GPU").replace("Seed: 77", "Seed: 78"))
    assert "networks" in changed(
        record.infotext.replace("星空下", "<lora:ink:1>星空下").replace("Seed: 77", "Seed: 78")
    )
    assert "not_carried" in changed(record.infotext.replace("Seed: 77", "Seed: 78, ADetailer model: face.pt"))
    script = changed(record.infotext.replace("Seed: 77", "Seed: 78, Script: X/Y/Z plot"))
    assert "script" in script and "not_carried" not in script
    version = record.infotext.partition("Version: ")[2].split(",")[0]
    old = record.infotext.replace("Seed: 77", "Seed: 78").replace(f"Version: {version}", "Version: v1.5.2")
    assert not {"old_rules", "not_carried"} & set(changed(old)), "the old rules are followed"
    assert "old_rules" in changed(old.replace("Sampler: DPM++ 2M", "Sampler: DDIM")), "closely, not to the bit"
    assert "not_carried" in changed(record.infotext.replace("Karras", "Sinusoidal")), "a schedule of another program"


def test_old_prompt_timelines_verify(kernel, tmp_path):
    """A webui before 1.6 read "1.5" as a step, and said so with its version only."""
    # such a webui had its noise table in half precision, too
    fields = {"steps": 4, "seed": 5, "sampler": "Euler", "width": 64, "height": 64, "use_downcasted_alpha_bar": True}
    old, new = (
        kernel.generate("a [cat:dog:1.5]", old_prompt_timelines=value, **fields).records[0] for value in (True, False)
    )
    assert not np.array_equal(np.asarray(old.image), np.asarray(new.image))
    assert kernel.verify(old.path).same and kernel.verify(new.path).same
    path = tmp_path / "old.png"
    assert "Old prompt editing timelines: True" in old.infotext
    text = old.infotext.replace(", Old prompt editing timelines: True", "")
    carriers.save(old.image, path, text[: text.index("Version: ")] + "Version: v1.5.2")
    report = kernel.verify(path)
    assert report.request.old_prompt_timelines and report.same


def test_old_noise_tables_verify(kernel, tmp_path):
    """A webui before 1.7 kept its noise table in half precision, and said so with its version only."""
    fields = {"steps": 4, "seed": 5, "sampler": "Euler", "width": 64, "height": 64}
    old, new = (
        kernel.generate("a cat", use_downcasted_alpha_bar=value, **fields).records[0] for value in (True, False)
    )
    assert not np.array_equal(np.asarray(old.image), np.asarray(new.image))
    path = tmp_path / "old.png"
    text = old.infotext.replace(", Downcast alphas_cumprod: True", "")
    assert text != old.infotext
    carriers.save(old.image, path, text[: text.index("Version: ")] + "Version: v1.5.2")
    report = kernel.verify(path)
    assert report.request.use_downcasted_alpha_bar and report.same


def test_jpeg_is_close_and_says_why(kernel, record, tmp_path):
    path = tmp_path / "a.jpg"
    carriers.save(record.image, path, carriers.read(record.path), quality=95)
    report = kernel.verify(path)
    assert report.state in ("close", "different") and "lossy" in codes(report) and report.difference.ssim > 0.8


def test_a_folder_is_a_table(kernel, record, tmp_path):
    shutil.copy(record.path, tmp_path / "good.png")
    (tmp_path / "damaged.png").write_bytes(record.path.read_bytes()[:500])
    Image.new("RGB", (64, 64)).save(tmp_path / "<b>plain.png")
    seen: list[int] = []
    table = verify_all(kernel, pictures_in(tmp_path), lambda done, count, report: seen.append(done))
    assert seen == [1, 2, 3]
    assert {report.name: report.state for report in table} == {
        "good.png": "same",
        "damaged.png": "failed",
        "<b>plain.png": "failed",
    }
    markup = table._repr_html_()
    assert "<b>plain" not in markup and "&lt;b&gt;plain" in markup and "✓ 一致" in markup
    json.dumps([report.to_dict() for report in table])
    assert "热图" in table[1]._repr_html_() or "热图" in table[2]._repr_html_()


def test_not_a_picture(kernel, tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(GalleryError):
        kernel.verify(tmp_path / "a.png")


def test_metrics():
    rng = np.random.default_rng(0)
    a = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    same = difference(a, a)
    assert (same.maximum, same.mean, same.changed, same.ssim) == (0, 0.0, 0.0, 1.0)
    b = Image.fromarray((np.asarray(a).astype(int) ^ 1).astype(np.uint8))
    near = difference(a, b)
    assert (
        near.maximum == 1 and near.changed == 1.0 and near.ssim > 0.999 and near.psnr == pytest.approx(48.13, abs=0.01)
    )
    c = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    assert difference(a, c).ssim < 0.1
    assert heat_map(a, c).size == (64, 64)
    with pytest.raises(ValueError, match="sizes"):
        difference(a, a.crop((0, 0, 8, 8)))
