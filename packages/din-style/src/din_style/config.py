"""Settings of networks, losses and training: frozen, documented, checked; nothing heavy is imported here."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Preset = Literal["literal", "mobile", "fast", "vgg"]
Operator = Literal["pointwise", "depthwise", "full", "deformable", "spherical"]

OFFLINE_STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu3_3")
"""Layers of the style loss where VGG-16 ends at relu3_3; the paper's reading has relu4_1 last."""


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The network that stylizes, and the small networks that turn a style into its kernels."""

    preset: Preset = "fast"
    """`literal`: MobileNetV1 as the paper is read; `mobile`: the same reordered for speed; `fast`: nothing
    but pixels at full size; `vgg`: VGG-19 in front and AdaIN's decoder, the heavy reference."""
    width: int = 64
    """Channels of the residual blocks, at a quarter of the size."""
    stem: int = 32
    """Channels at half the size (`fast`) or the full size (`literal`, `mobile`)."""
    blocks: int = 4
    """Residual blocks."""
    conv_op: Operator = "pointwise"
    """Dynamic convolution of the residual blocks; elsewhere it is pointwise (1911.06953 wants both)."""
    kernel_size: int = 1
    """Side of the dynamic kernels of the residual blocks, odd; 3 for deformable and spherical."""
    groups: int = 1
    """Groups of the `full` operator; the others have as many groups as channels."""
    style_input: Literal["statistics", "map"] = "statistics"
    """What the weight- and bias-nets read: the moments of all layers of the style loss, or a pooled map of
    relu3_1 (closer to the paper)."""
    style_numbers: int = 1408
    """Length of the vector of moments, or channels of the map."""
    code_hidden: int = 192
    """Hidden channels of the weight- and bias-nets."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("width", "stem", "blocks", "groups", "style_numbers", "code_hidden"):
            _require(
                getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}"
            )
        _require(
            self.kernel_size % 2 == 1 and self.kernel_size > 0,
            f"kernel_size must be odd, got {self.kernel_size}; use 1 or 3",
        )
        _require(
            self.conv_op != "pointwise" or self.kernel_size == 1,
            f"the pointwise operator has kernel_size 1, got {self.kernel_size}; use depthwise",
        )
        _require(
            self.conv_op not in ("deformable", "spherical") or self.kernel_size == 3,
            f"the {self.conv_op} operator has kernel_size 3, got {self.kernel_size}",
        )
        _require(
            self.width % self.groups == 0,
            f"width must be a multiple of groups, got {self.width} and {self.groups}",
        )


def preset_network(preset: Preset) -> NetworkConfig:
    """Return the network that a preset's name stands for; those of `fast` and `mobile` are shipped."""
    settings: dict[Preset, NetworkConfig] = {
        "fast": NetworkConfig(preset="fast"),
        "mobile": NetworkConfig(preset="mobile", width=128, stem=16, blocks=3),
        "literal": NetworkConfig(preset="literal", width=128, stem=32, blocks=2),
        "vgg": NetworkConfig(preset="vgg", width=512, stem=64, blocks=1),
    }
    return settings[preset]


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """L = content + style_weight style + ..., on normalized VGG features."""

    content_layer: str = "relu3_3"
    """Layer of the content loss; relu4_1 with VGG-19."""
    style_layers: tuple[str, ...] = OFFLINE_STYLE_LAYERS
    """Layers of the style loss, and of the moments that describe a style."""
    style_loss: Literal["moments", "gram"] = "moments"
    """Distance of means and deviations (AdaIN), or of Gram matrices (Gatys)."""
    content_weight: float = 1.0
    """Weight of the content loss."""
    style_weight: float = 3.0
    """Weight of the style loss."""
    variation_weight: float = 0.0
    """Weight of the total variation."""
    identity_weight: float = 0.0
    """Weight of the loss that wants the content back where the style is the content itself."""
    pair_weight: float = 0.0
    """Weight of the energy of patterns with period 2, which upsampling paints."""
    color_weight: float = 0.0
    """Weight of the distance of the colors of areas, whose specks VGG's layers take for areas."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in (
            "content_weight",
            "style_weight",
            "variation_weight",
            "identity_weight",
            "pair_weight",
            "color_weight",
        ):
            _require(
                0 <= getattr(self, name) < math.inf,
                f"{name} must be finite and not negative, got {getattr(self, name)}",
            )
        _require(
            self.content_weight + self.style_weight > 0,
            "content_weight and style_weight must not both be 0: nothing would be learned",
        )
        _require(len(self.style_layers) > 0, "style_layers must name at least one layer, got none")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Training from a folder or zip of contents and one of styles."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    """The network."""
    loss: LossConfig = field(default_factory=LossConfig)
    """The losses."""
    size: int = 256
    """Short side to which contents and styles are scaled: the scale at which results are judged."""
    crop: int = 128
    """Side of the content's squares, in pixels."""
    style_crop: int = 256
    """Side of the style's squares whose statistics are cached."""
    style_views: int = 1
    """Squares that are cached for each style."""
    content_crops: int = 4000
    """Squares of contents, drawn once; their features are kept in memory. 0: new ones at each step."""
    batch: int = 4
    """Pairs of content and style in one step."""
    pixel_batch: int = 8
    """Pairs in one step of pixel pre-training."""
    pixel_steps: int = 200
    """Steps of pre-training without VGG: the target is the content with the style's colors."""
    steps: int = 1000
    """Steps with VGG losses."""
    learning_rate: float = 2e-3
    """Adam's rate at the beginning."""
    last_rate: float = 1e-4
    """Adam's rate at the end; it falls linearly."""
    clip: float = 10.0
    """Longest gradient; longer ones are scaled down."""
    average: float = 0.99
    """Share of the averaged weights, which are kept in the end, that a step keeps; 0 takes the latest."""
    mix_styles: float = 0.0
    """Share of pairs whose style is a random blend of two."""
    validation_share: int = 10
    """One picture in so many is left out of training and used for choices, by a hash of its name."""
    validate_every: int = 0
    """Steps between measurements on pictures left out; 0 measures at the end only."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of VGG in training; bf16 is twice as fast on processors with AVX-512 BF16."""
    workers: int = 0
    """Processes that read contents where `content_crops` is 0."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""
    init: Path | None = None
    """Network file to start from instead of random weights; pre-training is then left out."""
    vgg: Path | None = None
    """VGG file; None takes the offline VGG-16."""
    encoder: Path | None = None
    """File of a compact encoder whose estimates the network learns to read; None: VGG's own moments."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("batch", "pixel_batch", "style_views", "checkpoint_every"):
            _require(
                getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}"
            )
        for name in ("pixel_steps", "steps", "content_crops", "validate_every", "workers"):
            _require(
                getattr(self, name) >= 0, f"{name} must not be negative, got {getattr(self, name)}"
            )
        _require(
            self.crop >= 32 and self.crop % 4 == 0,
            f"crop must be a multiple of 4 from 32 on, got {self.crop}",
        )
        _require(self.style_crop >= 32, f"style_crop must be at least 32, got {self.style_crop}")
        _require(
            self.size >= max(self.crop, self.style_crop),
            f"size must be at least crop and style_crop, got {self.size}",
        )
        _require(
            0 < self.last_rate <= self.learning_rate,
            f"last_rate must be positive and at most learning_rate, got {self.last_rate}",
        )
        _require(
            self.learning_rate < math.inf,
            f"learning_rate must be finite, got {self.learning_rate}",
        )
        _require(
            0 < self.clip < math.inf,
            f"clip must be positive and finite, got {self.clip}; 1e9 hardly limits",
        )
        _require(0 <= self.average < 1, f"average must be in [0, 1), got {self.average}")
        _require(0 <= self.mix_styles <= 1, f"mix_styles must be in [0, 1], got {self.mix_styles}")
        _require(
            self.validation_share == 0 or self.validation_share >= 2,
            f"validation_share must be 0 (none) or at least 2, got {self.validation_share}",
        )
