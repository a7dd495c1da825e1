from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

import ra_widgets as ra
from ra_widgets.errors import InvalidRequest, ModelError
from ra_widgets.kernel import PipelineKernel


def test_the_first_lines_of_the_readme(kernel):
    result = kernel.generate(ra.TextToImage(prompt="一个红苹果", seed=42, steps=20))
    image = result.images[0]
    assert isinstance(image, Image.Image) and image.size == (128, 128)
    record = result.records[0]
    assert record.seed == 42 and record.path.is_file()
    assert record.infotext.startswith(
        "一个红苹果\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 4, Seed: 42"
    )
    assert kernel.gallery.get(record.id).infotext == record.infotext
    assert record.id in [found.id for found in kernel.gallery.search("苹果")]
    again = kernel.generate(record.to_request())
    assert (np.asarray(again.images[0]) == np.asarray(image)).all()


def test_prompt_and_fields(kernel):
    assert kernel.generate("一只猫", seed=3, steps=2).records[0].prompt == "一只猫"
    request = ra.TextToImage(prompt="a", steps=2)
    assert kernel.generate(request, seed=9).records[0].seed == 9


def test_bad_requests_never_reach_the_queue(kernel):
    with pytest.raises(InvalidRequest, match="steps"):
        kernel.generate("x", steps=0)
    with pytest.raises(InvalidRequest):
        kernel.generate(42)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="ra-mini"):
        kernel.generate("x", model="no-such-model")
    assert not kernel.queue and kernel.running is None


def test_saved_file_has_both_texts(kernel):
    record = kernel.generate("夜空下的城堡", seed=8, steps=2, negative_prompt="模糊").records[0]
    with Image.open(record.path) as file:
        assert file.info["parameters"] == record.infotext
        assert '"negative_prompt"' in file.info["ra"]
    assert "Negative prompt: 模糊" in record.infotext
    assert f"Model hash: {kernel.model.hash}, Model: ra-mini" in record.infotext


def test_result_shows_itself(kernel):
    one = kernel.generate("<b>cat</b>", seed=1, steps=1)
    data, _ = one._repr_mimebundle_()
    assert Image.open(io.BytesIO(data["image/png"])).size == (128, 128)
    assert "&lt;b&gt;" in data["text/html"] and "<b>cat" not in data["text/html"]
    assert "种子 1" in data["text/html"]
    four = kernel.generate("cat", seed=1, steps=1, batch_size=4)
    data, _ = four._repr_mimebundle_()
    assert Image.open(io.BytesIO(data["image/png"])).size == (260, 260)
    assert four.grid(columns=4).size == (4 * 132 - 4, 128)
    assert data["text/html"].count("<figure") == 4


def test_history_and_status(kernel):
    before = len(kernel.history)
    record = kernel.generate("cat", seed=1, steps=1).records[0]
    assert kernel.history[-1] is record and len(kernel.history) == before + 1
    status = kernel.status()
    assert status["model"] == "ra-mini" and status["device"] in ("cpu", "cuda", "mps") and status["queue"] == 0
    assert "ra-mini" in repr(kernel)
    assert "ra-mini" in [model.name for model in kernel.models]


def test_listener_hears_every_job(kernel):
    heard: list[str] = []
    stop = kernel.add_listener(lambda event: heard.append(event.name))
    kernel.generate("cat", steps=1)
    stop()
    kernel.generate("cat", steps=1)
    assert heard.count("done") == 1 and heard[0] == "queued"


@pytest.mark.parametrize("bad", ["/no/such/model", "no-such-name"])
def test_missing_model(bad):
    with pytest.raises(ModelError) as caught:
        PipelineKernel(bad, gallery=False)
    assert bad in caught.value.text("zh_CN") and bad in caught.value.text("en")


def test_failed_load_keeps_the_last_model(kernel, tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"<html>404</html>")
    with pytest.raises(ModelError):
        kernel.load(tmp_path / "bad.safetensors").result()
    assert kernel.model.name == "ra-mini"
    kernel.generate("cat", steps=1)


def test_load_by_path_is_an_event(kernel):
    from ra_widgets import paths
    from ra_widgets.events import Loading

    copy = paths.embedded_model()
    job = kernel.load(copy)
    assert job.result(60).name == "ra-mini"
    with PipelineKernel(copy, gallery=False, preload=False) as other:
        stages = [event for event in other.load(copy).events() if isinstance(event, Loading)]
        assert stages[-1].stage == "ready"


def test_many_threads_may_submit(kernel):
    results: list[int] = []

    def work(seed: int) -> None:
        results.append(kernel.generate("cat", seed=seed, steps=1).records[0].seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(results) == list(range(6))


def test_interrupt_while_waiting_cancels_the_job(tmp_path):
    code = (
        "import sys, ra_widgets as ra\n"
        f"kernel = ra.PipelineKernel(gallery={str(tmp_path)!r})\n"
        "kernel.generate('x', steps=1)\n"
        "job = kernel.submit('a cat', steps=150, n_iter=50)\n"
        "job.add_listener(lambda e: (print('go', flush=True) if e.name == 'progress' and e.step == 2 else None))\n"
        "try:\n    job.result()\nexcept KeyboardInterrupt:\n    pass\n"
        "print([e.name for e in job.events()][-1])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout.readline().strip() == "go"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert output.strip().splitlines()[-1] == "cancelled"
    assert process.returncode == 0


def test_program_that_ends_in_the_middle_of_a_job_ends_cleanly(tmp_path):
    code = (
        "import ra_widgets as ra\n"
        f"kernel = ra.PipelineKernel(gallery={str(tmp_path)!r})\n"
        "job = kernel.submit('a cat', steps=150, n_iter=50)\n"
        "next(e for e in job.events() if e.name == 'progress' and e.step > 1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env={**os.environ})
    assert done.returncode == 0, done.stderr
