"""Broken and hostile model files: one sentence each, at once, and nothing in them ever runs."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path

import pytest

from library.files import SD1, bilingual, checkpoint, pack, poisoned, table
from ra_widgets.errors import ModelError
from ra_widgets.library import identify
from ra_widgets.library.headers import read_header


def refused(path: Path, key: str | None = None) -> ModelError:
    with pytest.raises(ModelError) as caught:
        identify(path)
    bilingual(caught.value)
    assert key is None or caught.value.key == key
    return caught.value


def test_sound_file(tmp_path: Path) -> None:
    header = read_header(checkpoint(tmp_path / "a.safetensors", metadata={"modelspec.title": "苹果"}))
    assert header.metadata == {"modelspec.title": "苹果"}
    assert header.shape("first_stage_model.decoder.conv_in.bias") == (1,)
    assert header.shape("nothing") is None
    assert header.elements == 4 + 768 + 1 + 1


def test_cut_at_every_offset(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path / "whole.safetensors").read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        refused(cut, "model.truncated")


def test_flipped_bits_in_the_header(tmp_path: Path) -> None:
    # any answer is right but a crash: the flip may hit a name or the data
    whole = bytearray(checkpoint(tmp_path / "whole.safetensors").read_bytes())
    path = tmp_path / "flipped.safetensors"
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    found = 0
    for position in range(header):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << random.Random(position).randrange(8)
        path.write_bytes(flipped)
        try:
            identify(path)
        except ModelError as error:
            bilingual(error)
            found += 1
    assert found > header // 2


@pytest.mark.parametrize("length", [0, 1, 2, 7, 2**31, 2**63, 2**64 - 1])
def test_wrong_header_length(tmp_path: Path, length: int) -> None:
    whole = checkpoint(tmp_path / "whole.safetensors").read_bytes()
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(struct.pack("<Q", length) + whole[8:])
    refused(path)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "model.truncated"),
        (b"\n<!DOCTYPE html>\n<html><body>404 Not Found</body></html>", "model.web_page"),
        (b"<html lang='zh'><script>alert(1)</script>" * 40, "model.web_page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "model.web_page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 4\n", "model.pointer"),
        (b"MZ\x90\x00\x03\x00\x01\x00" + bytes(2000), "model.not_safetensors"),
        (b"\x89PNG\r\n\x1a\n" + bytes(2000), "model.not_safetensors"),
        (bytes(4096), "model.not_safetensors"),
        (pack(b"{" * 50_000, b""), "model.not_safetensors"),
        (pack(b'{"a":' * 40_000 + b"1" + b"}" * 40_000, b""), "model.not_safetensors"),
        (pack(b"[1, 2]", b""), "model.not_safetensors"),
        (pack({"a": 1}, b""), "model.not_safetensors"),
        (pack({"a": {"dtype": "F16", "shape": "x", "data_offsets": [0, 2]}}, b"00"), "model.damaged"),
        (pack({"a": {"dtype": "F16", "shape": [1]}}, b"00"), "model.not_safetensors"),
        (pack({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2, 4]}}, b"0000"), "model.not_safetensors"),
        (pack({"a": {"dtype": "F16", "shape": [-1], "data_offsets": [0, 2]}}, b"00"), "model.damaged"),
        (pack({"a": {"dtype": "F16", "shape": [1.0], "data_offsets": [0, 2]}}, b"00"), "model.damaged"),
        (pack({"a": {"dtype": "F16", "shape": [True], "data_offsets": [0, 2]}}, b"00"), "model.damaged"),
        (pack({"a": {"dtype": "F16", "shape": [10**30], "data_offsets": [0, 2]}}, b"00"), "model.damaged"),
        (pack({"a": {"dtype": "F16", "shape": [1], "data_offsets": [4, 2]}}, b"0000"), "model.damaged"),
        (pack(b'{"a": {"dtype":"F16","shape":[1],"data_offsets":[0,2]}, "a": {}}', b"00"), "model.not_safetensors"),
    ],
)
def test_no_safetensors_at_all(tmp_path: Path, content: bytes, key: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    refused(path, key)


def test_layout_of_the_data(tmp_path: Path) -> None:
    entries, length = table(SD1)
    first, second = list(entries)[:2]
    path = tmp_path / "model.safetensors"

    overlapping = {k: dict(v) for k, v in entries.items()}
    overlapping[second]["data_offsets"] = [0, 1536]
    path.write_bytes(pack(overlapping, bytes(length)))
    assert refused(path, "model.damaged").values["tensor"]

    gap = {k: dict(v) for k, v in entries.items()}
    gap[list(entries)[-1]]["data_offsets"] = [length + 8, length + 10]
    path.write_bytes(pack(gap, bytes(length + 10)))
    refused(path, "model.damaged")

    lie = {k: dict(v) for k, v in entries.items()}
    lie[first]["shape"] = [400, 400, 3, 3]
    path.write_bytes(pack(lie, bytes(length)))
    assert first in refused(path, "model.damaged").text("en")

    path.write_bytes(pack(entries, bytes(length) + b"more"))
    refused(path, "model.damaged")


@pytest.mark.parametrize("suffix", [".safetensors", ".SAFETENSORS", ".Safetensors", ".ckpt", ".safetensors "])
def test_pickles_never_run(tmp_path: Path, suffix: str) -> None:
    canary = tmp_path / "canary"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", poisoned(canary, 2))
    for content in (*(poisoned(canary, protocol) for protocol in range(2, 6)), archive.getvalue()):
        path = tmp_path / f"model{suffix}"
        path.write_bytes(content)
        refused(path, "model.pickle")
    for protocol in (0, 1):  # these begin like text
        path.write_bytes(poisoned(canary, protocol))
        refused(path)
    assert not canary.exists()


def test_capital_suffix_is_no_obstacle(tmp_path: Path) -> None:
    assert identify(checkpoint(tmp_path / "Model.SafeTensors")).family == "sd1"
    assert identify(checkpoint(tmp_path / "model.ckpt")).family == "sd1"


def test_missing_and_unreadable(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.safetensors", "model.missing")
    refused(tmp_path / ("n" * 300), "model.unreadable")
    with pytest.raises(ModelError, match="找不到模型"):
        read_header(tmp_path / "nothing.safetensors")
