"""Pictures of other programs, read by us and, as a second opinion, by sd-parsers."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sd_parsers import ParserManager

from ra_widgets.gallery import Gallery, carriers, foreign
from ra_widgets.gallery.foreign_comfy import from_graph

from .helpers import picture, save

COMFY: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 156680208700286, "steps": 25, "cfg": 6.5, "sampler_name": "dpmpp_2m", "scheduler": "karras",
            "denoise": 1, "model": ["10", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "SD1/仙侠_v15.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "仙鹤, masterpiece", "clip": ["11", 0]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["11", 0]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    "10": {
        "class_type": "LoraLoader",
        "inputs": {"lora_name": "水墨.safetensors", "strength_model": 0.8, "strength_clip": 1, "model": ["4", 0], "clip": ["4", 1]},
    },
    "11": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["10", 1]}},
}  # fmt: skip
LINKS = [[i, int(w[0]), w[1], int(n), 0, "X"] for i, (n, w) in enumerate(
    (n, w) for n, node in COMFY.items() for w in node["inputs"].values() if isinstance(w, list))]  # fmt: skip
INVOKE = {
    "generation_mode": "txt2img", "positive_prompt": "a crane (white)1.2", "negative_prompt": "blurry", "width": 512,
    "height": 640, "seed": 2382432, "rand_device": "cpu", "cfg_scale": 7.5, "steps": 30, "scheduler": "dpmpp_2m_k",
    "clip_skip": 1, "model": {"model_name": "dreamshaper", "hash": "abc", "base_model": "sd-1"},
    "loras": [{"model": {"name": "ink"}, "weight": 0.75}], "app_version": "3.4.0", "vae": {"model_name": "vae-x"},
}  # fmt: skip
INVOKE_2 = {
    "model": "stable diffusion", "model_weights": "stable-diffusion-1.5", "model_hash": "cc6cb27103417325ff94f52b7a5d2dde45a7515b",
    "app_id": "invoke-ai/InvokeAI", "app_version": "2.3.1",
    "image": {"prompt": [{"prompt": "a crane [blurry]", "weight": 1.0}], "steps": 50, "cfg_scale": 7.5, "threshold": 0,
              "perlin": 0, "height": 512, "width": 512, "seed": 1234, "type": "txt2img", "sampler": "k_euler_a"},
}  # fmt: skip
FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL_v8", "base_model_hash": "aeb7e9e689", "clip_skip": 2,
    "full_negative_prompt": ["bad"], "full_prompt": ["一只鹤"], "guidance_scale": 4, "loras": [["offset", 0.1, "4852686128"]],
    "metadata_scheme": "fooocus", "negative_prompt": "bad", "performance": "Speed", "prompt": "一只鹤",
    "prompt_expansion": "", "refiner_model": "None", "refiner_switch": 0.5, "resolution": "(1152, 896)",
    "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "5068518436", "sharpness": 2, "steps": 30,
    "styles": "['Fooocus V2']", "vae": "Default (model)", "version": "Fooocus v2.5.0",
}  # fmt: skip
NOVELAI_COMMENT = {
    "prompt": "1girl, {{best quality}}", "steps": 28, "height": 1216, "width": 832, "scale": 5.0, "uncond_scale": 0.0,
    "cfg_rescale": 0.3, "seed": 2660303431, "n_samples": 1, "noise_schedule": "karras", "sampler": "k_euler_ancestral",
    "uc": "lowres", "sm": False, "strength": 0.7,
}  # fmt: skip
NOVELAI = {
    "Title": "NovelAI generated image", "Description": "1girl, {{best quality}}", "Software": "NovelAI",
    "Source": "Stable Diffusion XL C1E1DE52", "Comment": json.dumps(NOVELAI_COMMENT),
}  # fmt: skip
WEBUI = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 9, Size: 512x512"


def png_with(texts: dict[str, str]) -> bytes:
    return carriers.encode(picture(1), "PNG", texts)


def comfy_with(**nodes: Any) -> dict[str, Any]:
    return json.loads(json.dumps({**COMFY, **nodes}))


CASES: dict[str, tuple[dict[str, str], str, dict[str, Any]]] = {
    "comfyui": (
        {"prompt": json.dumps(COMFY), "workflow": json.dumps({"links": LINKS})},
        "comfyui",
        dict(prompt="仙鹤, masterpiece <lora:水墨:0.8>", negative_prompt="text, watermark", steps=25, cfg_scale=6.5,
             sampler="DPM++ 2M", scheduler="Automatic", width=512, height=768, clip_skip=2, model="仙侠_v15"),
    ),
    "invokeai 3": (
        {"invokeai_metadata": json.dumps(INVOKE)},
        "invokeai",
        dict(prompt="a crane (white)1.2 <lora:ink:0.75>", negative_prompt="blurry", steps=30, cfg_scale=7.5, seed=2382432,
             sampler="DPM++ 2M", scheduler="Automatic", width=512, height=640, clip_skip=2, model="dreamshaper"),
    ),
    "invokeai 2": (
        {"sd-metadata": json.dumps(INVOKE_2), "Dream": '"a crane [blurry]" -s 50 -S 1234 -W 512 -H 512 -C 7.5 -A k_euler_a'},
        "invokeai",
        dict(prompt="a crane", negative_prompt="blurry", steps=50, cfg_scale=7.5, seed=1234, sampler="Euler a",
             scheduler="Uniform", width=512, height=512, model="stable-diffusion-1.5"),
    ),
    "invokeai dream": (
        {"Dream": '"a crane [blurry]" -s 50 -S 1234 -W 512 -H 640 -C 7.5 -A k_lms'},
        "invokeai",
        dict(prompt="a crane", negative_prompt="blurry", steps=50, cfg_scale=7.5, seed=1234, sampler="LMS",
             scheduler="Uniform", width=512, height=640),
    ),
    "fooocus": (
        {"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"},
        "fooocus",
        dict(prompt="一只鹤 <lora:offset:0.1>", negative_prompt="bad", steps=30, cfg_scale=4.0, sampler="DPM++ 2M SDE",
             scheduler="Karras", width=1152, height=896, clip_skip=2, model="juggernautXL_v8", seed=2**32 - 1),
    ),
    "novelai": (
        NOVELAI,
        "novelai",
        dict(prompt="1girl, {{best quality}}", negative_prompt="lowres", steps=28, cfg_scale=5.0, seed=2660303431,
             sampler="Euler a", scheduler="Karras", width=832, height=1216, model="Stable Diffusion XL C1E1DE52"),
    ),
    "swarmui": (
        {"parameters": json.dumps({"sui_image_params": {"prompt": "a", "negativeprompt": "b", "model": "x/y.safetensors",
                                   "seed": 5, "steps": 20, "cfgscale": 7.0, "width": 512, "height": 512,
                                   "sampler": "euler", "scheduler": "simple"}})},
        "swarmui",
        dict(prompt="a", negative_prompt="b", steps=20, cfg_scale=7.0, seed=5, sampler="Euler", scheduler="Simple",
             width=512, height=512, model="y"),
    ),
    "webui": (
        {"parameters": WEBUI},
        "webui",
        dict(prompt="a cat", negative_prompt="dog", steps=20, cfg_scale=7.0, seed=9, sampler="Euler a", width=512, height=512),
    ),
    "forge": (
        {"parameters": WEBUI + ", Version: f2.0.1v1.10.1-previous-224-g900196889, Module 1: ae"},
        "forge",
        dict(prompt="a cat", negative_prompt="dog", steps=20, cfg_scale=7.0, seed=9, sampler="Euler a", width=512, height=512),
    ),
    "sdnext": (
        {"parameters": "a cat\nNegative prompt: dog\nSteps: 20, Size: 512x512, Sampler: Euler a, Sampler sigma: karras, "
                       "Seed: 9, CFG scale: 6, App: SD.Next, Version: 6a1b2c3, Operations: txt2img, Model: dream"},
        "sdnext",
        dict(prompt="a cat", negative_prompt="dog", steps=20, cfg_scale=6.0, seed=9, sampler="Euler a", scheduler="Karras",
             width=512, height=512, model="dream"),
    ),
    "comfyui saved in webui form": (
        {"parameters": "a cat\nSteps: 20, Sampler: dpmpp_sde, Schedule type: exponential, CFG scale: 7, Seed: 9, Version: ComfyUI"},
        "comfyui",
        dict(prompt="a cat", steps=20, cfg_scale=7.0, seed=9, sampler="DPM++ SDE", scheduler="Exponential"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_settings_are_understood(name: str) -> None:
    texts, source, fields = CASES[name]
    found = foreign.read(png_with(texts))
    request, notes = found.convert()
    assert found.source == source
    assert {key: getattr(request, key) for key in fields} == fields
    assert all(isinstance(note, str) and note for note in notes)
    if source not in ("webui", "forge"):
        assert notes, "what is not the same must be said"
    # the text we make of it says the same
    again = foreign.understand({"parameters": found.infotext})
    assert again.to_request() == request


@pytest.mark.parametrize("name", ["comfyui", "invokeai 3", "invokeai 2", "fooocus", "novelai", "webui"])
def test_sd_parsers_agrees(name: str) -> None:
    texts, _, fields = CASES[name]
    with Image.open(io.BytesIO(png_with(texts))) as image:
        other = ParserManager().parse(image)
    assert other is not None
    data = foreign.understand(texts).data
    sampler = other.samplers[0].parameters
    steps = sampler.get("steps", sampler.get("Steps"))
    assert steps is None or float(data["Steps"]) == float(steps)  # NovelAI's it leaves in the raw data
    assert float(data["CFG scale"]) == float(
        next(sampler[key] for key in ("cfg_scale", "scale", "CFG scale") if key in sampler)
    )
    seed = next(sampler[key] for key in ("seed", "noise_seed", "Seed") if key in sampler)
    assert int(float(data["Seed"])) == int(seed)
    assert fields["prompt"].split(" <lora")[0] in other.full_prompt or other.full_prompt in fields["prompt"]
    if other.full_negative_prompt:
        assert fields["negative_prompt"] in other.full_negative_prompt


def test_seeds_beyond_ours_are_said() -> None:
    request, notes = foreign.read(png_with(CASES["comfyui"][0])).convert()
    assert request.seed == 2**32 - 1
    assert any("156680208700286" in note for note in notes)


def test_comfy_second_pass_and_strange_nodes() -> None:
    graph = comfy_with(
        **{
            "20": {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0], "width": 1024, "height": 1536}},
            "21": {"class_type": "KSampler", "inputs": {**COMFY["3"]["inputs"], "latent_image": ["20", 0], "denoise": 0.5, "steps": 9}},
            "8": {"class_type": "VAEDecode", "inputs": {"samples": ["21", 0], "vae": ["4", 2]}},
            "10": {"class_type": "FancyModelPatcher", "inputs": {"model": ["4", 0]}},
            "11": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -1, "clip": ["4", 1]}},
        }
    )  # fmt: skip
    data, notes = from_graph(graph)
    assert (data["Steps"], data["Size-1"], data["Size-2"]) == (25, 512, 768)
    assert any("2" in note for note in notes) and any("FancyModelPatcher" in note for note in notes)


def test_comfy_custom_sampler_and_wired_values() -> None:
    graph = {
        "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors"}},
        "2": {"class_type": "PrimitiveNode", "inputs": {"value": "一只鹤"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": ["2", 0], "clip": ["9", 0]}},
        "4": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["3", 0]}},
        "5": {"class_type": "BasicGuider", "inputs": {"model": ["1", 0], "conditioning": ["4", 0]}},
        "6": {"class_type": "RandomNoise", "inputs": {"noise_seed": 77}},
        "7": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "8": {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 8, "denoise": 1, "model": ["1", 0]}},
        "10": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1024, "height": 512, "batch_size": 1}},
        "11": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {"noise": ["6", 0], "guider": ["5", 0], "sampler": ["7", 0], "sigmas": ["8", 0], "latent_image": ["10", 0]},
        },
        "12": {"class_type": "SaveImage", "inputs": {"images": ["11", 0]}},
    }  # fmt: skip
    data, _ = from_graph(graph)
    expected = {"Prompt": "一只鹤", "Steps": 8, "Sampler": "Euler", "Schedule type": "Simple", "Seed": 77, "Size-1": 1024,
                "Size-2": 512, "Model": "flux"}  # fmt: skip
    assert {key: data[key] for key in expected} == expected


def test_comfy_control_net_passes_both_prompts_through() -> None:
    control = {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": {"positive": ["6", 0], "negative": ["7", 0], "strength": 1},
    }
    sampler = {
        "class_type": "KSampler",
        "inputs": {**COMFY["3"]["inputs"], "positive": ["30", 0], "negative": ["30", 1]},
    }
    data, notes = from_graph(comfy_with(**{"30": control, "3": sampler}))
    assert data["Prompt"].startswith("仙鹤") and data["Negative prompt"] == "text, watermark"
    assert any("ControlNetApplyAdvanced" in note for note in notes)


def test_comfy_circles_end() -> None:
    graph = comfy_with()
    graph["6"]["inputs"] = {"text": ["6", 0], "clip": ["6", 0], "conditioning": ["7", 0]}
    graph["7"]["inputs"] = {"conditioning": ["6", 0]}
    graph["5"] = {"class_type": "Loop", "inputs": {"samples": ["3", 0], "width": ["5", 0]}}
    data, _ = from_graph(graph)
    assert data["Steps"] == 25


def test_comfy_in_webp(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "workflow:" + json.dumps({"links": LINKS})
    exif[0x0110] = "prompt:" + json.dumps(COMFY)
    picture(1).save(tmp_path / "x.webp", exif=exif)
    found = foreign.read(tmp_path / "x.webp")
    assert found.source == "comfyui" and found.data["Steps"] == "25"


def test_hidden_in_the_alpha_channel(tmp_path: Path) -> None:
    for signature, pack in ((b"stealth_pngcomp", gzip.compress), (b"stealth_pnginfo", bytes)):
        body = pack(json.dumps(NOVELAI).encode())
        bits = np.unpackbits(np.frombuffer(signature + (len(body) * 8).to_bytes(4, "big") + body, np.uint8))
        alpha = np.full(128 * 128, 255, np.uint8)
        alpha[: bits.size] = 254 | bits
        image = picture(1, 128).convert("RGBA")
        image.putalpha(Image.fromarray(alpha.reshape(128, 128).T.copy()))
        image.save(tmp_path / "x.png")
        assert foreign.read(tmp_path / "x.png").source == ""  # only on request: it costs a decode
        found = foreign.read(tmp_path / "x.png", deep=True)
        assert found.source == "novelai" and found.data["Steps"] == "28"
    assert foreign.read(png_with({}), deep=True).source == ""


def test_our_own(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        record = save(gallery, "红苹果", 7)
        found = foreign.read(record.path)  # type: ignore[arg-type]
        assert found.source == "ra"
        assert found.convert(keep_model=False) == (record.request, [])


def test_the_gallery_takes_them_in(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "老图"
    folder.mkdir(parents=True)
    for name, (texts, _, _) in CASES.items():
        (folder / f"{name}.png").write_bytes(png_with(texts))
    (folder / "bare.png").write_bytes(png_with({}))
    with Gallery(tmp_path) as gallery:
        assert len(gallery) == len(CASES) + 1
        crane = gallery.search("仙鹤 水墨")
        assert len(crane) == 1 and crane[0].info["source"] == "comfyui" and crane[0].info["notes"]
        assert crane[0].model == "仙侠_v15" and crane[0].request.steps == 25  # type: ignore[attr-defined]
        before = [record.id for record in gallery.list()]
        gallery.rebuild()
        assert [record.id for record in gallery.list()] == before  # ids of foreign files are stable


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(
            ["parameters", "prompt", "workflow", "Comment", "Software", "invokeai_metadata", "sd-metadata", "Dream"]
        ),
        st.text(max_size=50)
        | st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["image", "prompt", "inputs", "class_type", "1", "steps", "uc", "loras", "model", "base_model"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ).map(json.dumps),
        max_size=4,
    )
)
def test_nothing_in_a_picture_makes_it_fail(texts: dict[str, str]) -> None:
    found = foreign.understand(texts, exif=b"Exif\x00\x00broken")
    found.convert()


def test_deep_json_is_refused_quietly() -> None:
    deep = "[" * 200_000
    for key in ("prompt", "Comment", "invokeai_metadata", "sd-metadata"):
        assert foreign.understand({key: deep, "Software": "NovelAI"}).source == ""
    assert foreign.understand({"parameters": "{" + deep}).source == ""
