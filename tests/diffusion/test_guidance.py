"""Classifier-free guidance: combination, schedules, batching, skipping, rescale, CFG++, refiner."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ra_widgets.diffusion.denoiser import CondBatch, ModelDenoiser
from ra_widgets.diffusion.guidance import CFGDenoiser, Cond, GuidanceOptions, Refiner
from ra_widgets.diffusion.plan import plan
from ra_widgets.diffusion.sampling import SAMPLERS

ALPHAS = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
SHAPE = (4, 8, 8)


class Recorder:
    """A network that predicts the picture outright: everywhere the mean of its context. It keeps what it was asked."""

    def __init__(self, kind: str = "sample") -> None:
        self.asked: list[CondBatch] = []
        self.denoiser = ModelDenoiser(self, ALPHAS, kind)

    def __call__(self, x, t, cond):
        self.asked.append(cond)
        return cond.context.mean((1, 2)).reshape(-1, 1, 1, 1).expand(len(x), *SHAPE).clone()

    def batches(self) -> list[int]:
        return [len(cond.context) for cond in self.asked]


def cond(value: float, tokens: int = 77) -> Cond:
    return Cond.constant(torch.full((tokens, 8), float(value)))


def ask(model: CFGDenoiser, sigma: float = 2.0, images: int | None = None) -> list[float]:
    """One call; the value of each image, which must be the same everywhere."""
    count = len(model.conds) if images is None else images
    made = model(torch.zeros(count, *SHAPE), torch.full((count,), sigma))
    assert made.shape == (count, *SHAPE)
    assert all(torch.allclose(image, image[0, 0, 0].expand(SHAPE)) for image in made)
    return [round(float(image[0, 0, 0]), 5) for image in made]


def test_plain_guidance_is_one_call():
    net = Recorder()
    model = CFGDenoiser(net.denoiser, [[(cond(1), 1.0)], [(cond(2), 1.0)]], [cond(0.5)] * 2, cfg_scale=7)
    assert ask(model) == [0.5 + 7 * 0.5, 0.5 + 7 * 1.5]
    assert net.batches() == [4]
    assert (model.step, model.unet_calls, model.unet_images) == (1, 1, 4)


def test_unequal_lengths_or_low_memory_are_two_calls():
    net = Recorder()
    model = CFGDenoiser(net.denoiser, [[(cond(1, 154), 1.0)]], [cond(0.5)], cfg_scale=3)
    assert ask(model) == [2.0]
    assert net.batches() == [1, 1]
    assert [asked.context.shape[1] for asked in net.asked] == [154, 77]
    model = CFGDenoiser(net.denoiser, [[(cond(1), 1.0)]], [cond(0.5)], cfg_scale=3, batched=False)
    assert ask(model) == [2.0]
    assert net.batches() == [1, 1, 1, 1]


def test_padding():
    """With the empty prompt's encoding, or (v0) with the negative's last vector, or cut."""
    empty = torch.full((77, 8), 9.0)
    for tokens, negative in ((231, 77), (77, 231)):
        net = Recorder()
        model = CFGDenoiser(net.denoiser, [[(cond(1, tokens), 1.0)]], [cond(0.5, negative)], pad_empty=empty)
        model(torch.zeros(1, *SHAPE), torch.ones(1))
        assert net.batches() == [2]
        shorter = net.asked[0].context[1 if negative < tokens else 0]
        assert torch.equal(shorter[77:], torch.full((154, 8), 9.0))
        net = Recorder()
        model = CFGDenoiser(net.denoiser, [[(cond(1, tokens), 1.0)]], [cond(0.5, negative)], pad_v0=True)
        assert ask(model) == [0.5 + 7 * 0.5]
        assert net.asked[0].context.shape == (2, tokens, 8)


def test_scale_one_needs_no_negative():
    net = Recorder()
    assert ask(CFGDenoiser(net.denoiser, [[(cond(1), 1.0)]], [cond(0.5)], cfg_scale=1)) == [1.0]
    assert ask(CFGDenoiser(net.denoiser, [[(cond(1), 1.0)]], None, cfg_scale=7)) == [1.0]
    assert net.batches() == [1, 1]
    # weights count: half of a prompt at scale 1 is half way to the negative
    assert ask(CFGDenoiser(net.denoiser, [[(cond(1), 0.5)]], [cond(0.5)], cfg_scale=1)) == [0.75]


def test_composable_prompts():
    """uncond + sum((cond_i - uncond) * weight_i) * scale, images with different numbers of prompts."""
    net = Recorder()
    prompts = [[(cond(1), 1.0), (cond(3, 154), 0.5), (cond(-1), -0.25)], [(cond(2), 1.0)]]
    model = CFGDenoiser(net.denoiser, prompts, [cond(0), cond(1)], cfg_scale=2)
    assert ask(model) == [2 * (1 + 1.5 + 0.25), 1 + 2]
    # shorter ones are lengthened by their last vector, so that one call serves all prompts; the negatives need another
    assert net.batches() == [4, 2]
    assert net.asked[0].context.shape[1] == 154


def test_schedules_count_calls_with_webuis_extra_one():
    """An entry that ends at 5 serves calls 0 to 5: six of them; after the end, the first comes again."""
    schedule = Cond([(5, torch.full((77, 8), 1.0), {}), (8, torch.full((77, 8), 2.0), {})])
    model = CFGDenoiser(Recorder().denoiser, [[(schedule, 1.0)]], None)
    assert [ask(model)[0] for _ in range(11)] == [1.0] * 6 + [2.0] * 3 + [1.0] * 2
    alternating = Cond([(i, torch.full((77, 8), float(i % 2)), {}) for i in range(1, 6)])
    model = CFGDenoiser(Recorder().denoiser, [[(alternating, 1.0)]], None)
    assert [ask(model)[0] for _ in range(6)] == [1, 1, 0, 1, 0, 1]


def test_stacks_are_kept_while_nothing_changes():
    net = Recorder()
    schedule = Cond([(1, torch.full((77, 8), 1.0), {}), (9, torch.full((77, 8), 2.0), {})])
    model = CFGDenoiser(net.denoiser, [[(schedule, 1.0)]], [cond(0)])
    for _ in range(5):
        ask(model)
    assert len({id(asked.context) for asked in net.asked}) == 2
    long = Cond([(i, torch.full((77, 8), float(i)), {}) for i in range(50)])
    model = CFGDenoiser(net.denoiser, [[(long, 1.0)]], [cond(0)])
    for _ in range(50):
        ask(model)
    assert len(model._prepared) <= 4


def test_extras_follow_their_prompts():
    """SDXL's pooled vectors and time ids, and extra channels, go with prompt and negative alike."""
    net = Recorder()
    sdxl = [
        Cond.constant(torch.ones(77, 8), text_embeds=torch.full((3,), float(i)), time_ids=torch.arange(6.0))
        for i in range(3)
    ]
    model = CFGDenoiser(
        net.denoiser,
        [[(sdxl[0], 1.0), (sdxl[1], 1.0)]],
        [sdxl[2]],
        cfg_scale=2,
        image_cond=torch.full((1, 1, 8, 8), 5.0),
    )
    ask(model)
    (asked,) = net.asked
    assert asked.extras["text_embeds"][:, 0].tolist() == [0, 1, 2]
    assert asked.extras["time_ids"].shape == (3, 6)
    assert asked.extras["image_cond"].shape == (3, 1, 8, 8)


def test_negative_guidance_minimum_sigma():
    """Below the limit every second call goes without the negative; with "all steps" every one."""
    net = Recorder()
    prompts = [[(cond(1), 1.0), (cond(3), 0.5)]]
    model = CFGDenoiser(net.denoiser, prompts, [cond(0)], cfg_scale=2, s_min_uncond=1.0)
    assert [ask(model, 0.5)[0] for _ in range(4)] == [5.0, 2.0, 5.0, 2.0]  # skipped: 1 + (3 - 1) * .5 at scale 1
    assert net.batches() == [3, 2, 3, 2]
    assert ask(model, 2.0) == [5.0]
    model = CFGDenoiser(net.denoiser, prompts, [cond(0)], cfg_scale=2, s_min_uncond=1.0, s_min_uncond_all=True)
    assert [ask(model, 0.5)[0] for _ in range(2)] == [2.0, 2.0]


def test_negative_guidance_minimum_counts_timesteps_for_ddim_and_its_kin():
    """webui hands these samplers timesteps where the others have sigmas, and compares the limit with them."""
    net = Recorder()
    options = {"cfg_scale": 2, "s_min_uncond": 1.0, "s_min_uncond_all": True, "counts_timesteps": True}
    model = CFGDenoiser(net.denoiser, [[(cond(1), 1.0)]], [cond(0)], **options)
    smallest = float(net.denoiser.sigmas[0])
    assert ask(model, 0.5) == [2.0], "timestep 100 or so: not below 1"
    assert ask(model, smallest) == [1.0], "timestep 0"


def test_skipping_early_guidance():
    model = CFGDenoiser(
        Recorder().denoiser, [[(cond(1), 1.0)]], [cond(0)], cfg_scale=2, skip_early_cond=0.2, total_steps=10
    )
    assert [ask(model)[0] for _ in range(5)] == [1.0, 1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_rescale_equals_diffusers(kind):
    """Lin et al.: in the network's own terms, against diffusers' rescale_noise_cfg."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    generator = torch.Generator().manual_seed(2)
    outputs = torch.randn(2, *SHAPE, generator=generator)
    denoiser = ModelDenoiser(lambda x, t, cond: outputs, ALPHAS, kind)
    model = CFGDenoiser(denoiser, [[(cond(1), 1.0)]], [cond(0)], cfg_scale=8, rescale=0.7)
    x, sigma = torch.randn(1, *SHAPE, generator=generator) * 3, torch.tensor([3.0])
    guided = outputs[1:] + 8 * (outputs[:1] - outputs[1:])
    expected = denoiser.from_output(x, sigma.reshape(1, 1, 1, 1), rescale_noise_cfg(guided, outputs[:1], 0.7))
    assert torch.allclose(model(x, sigma), expected, atol=1e-4)


def test_cfgpp():
    """DDIM CFG++ divides the scale by 12.5, goes on with the negative's noise, and leaves the model as it was."""
    net = Recorder()
    model = CFGDenoiser(net.denoiser, [[(cond(1), 1.0)]], [cond(0.5)], cfg_scale=5)
    planned = plan("DDIM CFG++", None, 10, ALPHAS)
    seen = []
    x = planned.start(torch.randn(1, *SHAPE))
    SAMPLERS["DDIM CFG++"](model, x, planned.sigmas, callback=seen.append)
    assert torch.allclose(seen[0].denoised, torch.full((1, *SHAPE), 0.5 + 0.4 * 0.5))
    sigma, sigma_next = planned.sigmas[:2]
    expected = seen[0].denoised + (x - 0.5) / sigma * sigma_next
    assert torch.allclose(seen[1].x, expected, atol=1e-4)
    assert model.last_uncond is None
    assert model.scale == 5
    # the scale that would need no negative in plain guidance needs it here
    model = CFGDenoiser(net.denoiser, [[(cond(1), 1.0)]], [cond(0.5)], cfg_scale=12.5)
    net.asked.clear()
    SAMPLERS["DDIM CFG++"](model, x, planned.sigmas)
    assert set(net.batches()) == {2}


def test_cfgpp_lets_go_when_a_run_fails():
    def broken(x, t, cond):
        raise RuntimeError("out of memory")

    model = CFGDenoiser(ModelDenoiser(broken, ALPHAS), [[(cond(1), 1.0)]], [cond(0.5)], cfg_scale=5)
    with pytest.raises(RuntimeError):
        SAMPLERS["DDIM CFG++"](model, torch.ones(1, *SHAPE), plan("DDIM", None, 10, ALPHAS).sigmas)
    assert model.scale == 5


def test_refiner_takes_over():
    """At 60 % of the timesteps the second model and its prompts are in force, once."""
    second, made = Recorder(), []

    def make():
        made.append(1)
        return second.denoiser, [[(cond(9), 1.0)]], [cond(9)]

    model = CFGDenoiser(Recorder().denoiser, [[(cond(1), 1.0)]], [cond(1)], refiner=Refiner(0.6, make))
    table = model.denoiser.sigmas
    values = [ask(model, float(table[t]))[0] for t in (999, 700, 410, 390, 100)]
    assert values == [1, 1, 1, 9, 9]
    assert made == [1]
    # webui before 1.8: at 60 % of the calls, wherever these are
    model = CFGDenoiser(
        Recorder().denoiser, [[(cond(1), 1.0)]], [cond(1)], refiner=Refiner(0.6, make, by_calls=True), total_steps=5
    )
    assert [ask(model, float(table[t]))[0] for t in (999, 300, 200, 100, 50)] == [1, 1, 1, 9, 9]


def test_seen_and_denoised():
    steps = []
    model = CFGDenoiser(Recorder().denoiser, [[(cond(1), 1.0)]], None, seen=lambda model: steps.append(model.step))
    ask(model)
    ask(model)
    assert steps == [1, 2]
    assert float(model.denoised[0, 0, 0, 0]) == 1.0


def test_wrong_numbers_are_refused():
    denoiser = Recorder().denoiser
    with pytest.raises(ValueError, match="negative"):
        CFGDenoiser(denoiser, [[(cond(1), 1.0)]], [cond(0)] * 2)
    with pytest.raises(ValueError, match="prompt"):
        CFGDenoiser(denoiser, [[]])
    with pytest.raises(ValueError, match="latents"):
        ask(CFGDenoiser(denoiser, [[(cond(1), 1.0)]]), images=2)
    with pytest.raises(TypeError):
        CFGDenoiser(denoiser, [[(cond(1), 1.0)]], None, GuidanceOptions(), cfg_scale=3)
