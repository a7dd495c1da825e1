"""Where things lie and how large they are. One preset for CPUs, one for a GPU, one miniature for the tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

PLACES = ("free", "coarse")
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class VaeShape:
    """``AutoencoderKL`` with f = 8 and 4 latent channels. 2 norm groups: flat areas must keep their mean."""

    channels: tuple[int, ...] = (16, 32, 64, 128)
    layers: int = 1
    groups: int = 2


@dataclass(frozen=True)
class TextShape:
    """``CLIPTextModel``; 77 positions, so that long prompts are chunked as in Stable Diffusion 1.x."""

    width: int = 192
    layers: int = 4
    heads: int = 4
    positions: int = 77


@dataclass(frozen=True)
class UnetShape:
    """``UNet2DConditionModel``: no attention at full latent resolution, cross-attention below."""

    channels: tuple[int, ...] = (64, 128, 192)
    layers: int = 1
    heads: int = 4
    groups: int = 16


@dataclass(frozen=True)
class DepthShape:
    """``GLPNForDepthEstimation`` (a hierarchical transformer without positions): 0.45 M parameters."""

    channels: tuple[int, ...] = (16, 32, 64, 128)
    mlp: int = 2
    decoder: int = 32


@dataclass(frozen=True)
class Config:
    """All settings of a run. Speeds and sizes of the presets are measured ones, see README.md."""

    root: Path = REPOSITORY / ".training"
    size: int = 128
    workers: int = 2
    seed: int = 20261123
    save_seconds: float = 120.0
    grid_steps: int = 500
    # data
    shard: int = 2048
    shards: int = 40
    # VAE
    vae: VaeShape = field(default_factory=VaeShape)
    vae_batch: int = 1
    vae_lr: float = 4e-4
    vae_steps: int = 4000
    sharpen_batch: int = 4
    sharpen_match: float = 0.5
    sharpen_fool: float = 0.03
    # text
    text: TextShape = field(default_factory=TextShape)
    text_batch: int = 128
    text_lr: float = 8e-4
    text_steps: int = 1500
    # diffusion
    unet: UnetShape = field(default_factory=UnetShape)
    batch: int = 16
    lr: float = 5e-4
    steps: int = 1_000_000
    warmup: int = 100
    cooldown: int = 0
    ema: float = 0.999
    drop_caption: float = 0.1
    chatter: float = 0.0
    unet_share: float = 1.0
    median: float = 1.0
    tiers: str = "all"
    places: str = "free"
    compile: bool = False
    # judge
    judge_pictures: int = 40_000
    # the upscaler
    x2_features: int = 48
    x2_convs: int = 12
    x2_batch: int = 8
    x2_crop: int = 48
    x2_pool: int = 256
    x2_lr: float = 8e-4
    x2_steps: int = 6000
    # control: pictures with maps, the depth estimator, the ControlNets
    depth: DepthShape = field(default_factory=DepthShape)
    depth_batch: int = 16
    depth_lr: float = 2e-3
    depth_steps: int = 2500
    hint: tuple[int, ...] = (16, 32, 64, 96)
    control_batch: int = 16
    control_lr: float = 6e-4
    control_steps: int = 3000

    @property
    def data(self) -> Path:
        """Sprites and the pool of encoded pictures."""
        return self.root / "data"

    @property
    def state(self) -> Path:
        """Checkpoints to resume from."""
        return self.root / "state"

    @property
    def logs(self) -> Path:
        """Log files and sample grids."""
        return self.root / "logs"

    @property
    def node_modules(self) -> Path:
        """The npm packages with the art."""
        return self.root / "npm" / "node_modules"


CPU = Config()
GPU = replace(
    CPU,
    workers=1,
    shards=240,
    vae=VaeShape((32, 64, 128, 128)),
    vae_batch=64,
    vae_lr=6e-4,
    vae_steps=15_000,
    sharpen_batch=32,
    unet=UnetShape((96, 160, 224)),
    batch=512,
    lr=2e-3,
    steps=40_000,
    warmup=500,
    cooldown=8_000,
    ema=0.9995,
    chatter=0.15,
    text_batch=512,
    grid_steps=1000,
)
TINY = replace(
    CPU,
    size=32,
    workers=1,
    shard=16,
    shards=2,
    save_seconds=1e9,
    grid_steps=10_000,
    vae=VaeShape((4, 4, 8, 8)),
    vae_steps=4,
    sharpen_batch=2,
    text=TextShape(16, 1, 2, 77),
    text_batch=4,
    text_steps=3,
    unet=UnetShape((8, 16, 16), 1, 2, 4),
    batch=2,
    steps=4,
    warmup=1,
    ema=0.9,
    judge_pictures=24,
    x2_features=8,
    x2_convs=2,
    x2_batch=2,
    x2_crop=12,
    x2_pool=4,
    x2_steps=4,
    depth=DepthShape((8, 8, 16, 16), 1, 8),
    depth_batch=2,
    depth_steps=4,
    hint=(4, 4, 8, 8),
    control_batch=2,
    control_steps=4,
)
PRESETS = {"cpu": CPU, "gpu": GPU, "tiny": TINY}
