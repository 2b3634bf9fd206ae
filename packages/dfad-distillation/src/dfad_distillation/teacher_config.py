"""Settings of a teacher's training, and the recipes of the teachers in our tables."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dfad_distillation.config import InputSpace, Precision
from dfad_distillation.presets import CIFAR, DIGITS, FASHION_MNIST, MNIST

Augmentation = Literal["none", "shift", "flip", "shift_flip", "strong"]


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """One training with labels."""

    network: str = "lenet5"
    """Name of the network."""
    width: int = 0
    """Channels of its first level, for networks that have a choice; 0: its own."""
    input: InputSpace = field(default_factory=InputSpace)
    """What the teacher is to read."""
    epochs: int = 10
    """Passes over the training pictures; the budget."""
    batch: int = 128
    """Pictures in a batch."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """Adam with decoupled weight decay, or SGD with Nesterov's momentum of 0.9."""
    learning_rate: float = 2e-3
    """Highest rate."""
    weight_decay: float = 1e-4
    """Weight decay."""
    schedule: Literal["one_cycle", "cosine", "steps", "constant"] = "one_cycle"
    """How the rate goes: up over the first fifth and down along a cosine; down along a cosine; a tenth at
    40 and again at 80 % of the epochs; or not at all."""
    augment: Augmentation = "none"
    """`shift`: by up to an eighth of the side; `flip`: mirrored; `strong`: also turned, scaled and in
    other colors, by albumentations."""
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    """`focal` weighs sure pixels less (gamma 2), as the paper's segmentation teachers do."""
    class_weights: bool = False
    """Weigh rare classes more: 1 / log(1.02 + share) (ENet, arXiv 1606.02147)."""
    label_smoothing: float = 0.0
    """Share of the label that is spread over all classes."""
    backbone: Path | None = None
    """Weights of DeepLabV3's backbone, a state dictionary of torchvision's resnet50 or mobilenet_v2."""
    precision: Precision = "fp32"
    """bf16 is for GPUs; losses stay in float32."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("epochs", "batch", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"learning_rate must be positive and finite, got {self.learning_rate}; 0.002 is usual"
            )
        for name in ("width", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), got {self.label_smoothing}")


def _decayed(space: InputSpace) -> TeacherConfig:
    """Return LeNet-5 with SGD and strong weight decay: it teaches better than one by Adam that is as accurate."""
    return TeacherConfig(
        network="lenet5",
        input=space,
        epochs=6,
        optimizer="sgd",
        learning_rate=0.1,
        weight_decay=1e-3,
    )


TEACHERS: dict[str, TeacherConfig] = {
    "digits": TeacherConfig(
        network="lenet5", input=DIGITS, epochs=30, batch=32, learning_rate=3e-3, augment="shift"
    ),
    "mnist": _decayed(MNIST),
    "fashion-mnist": _decayed(FASHION_MNIST),
    "cifar10-subset": TeacherConfig(
        network="small_cnn", width=24, input=CIFAR, epochs=12, augment="shift_flip"
    ),
    "cifar10": TeacherConfig(
        network="resnet34_8x",
        input=CIFAR,
        epochs=200,
        optimizer="sgd",
        learning_rate=0.1,
        weight_decay=5e-4,
        schedule="steps",
        augment="shift_flip",
        precision="bf16",
    ),
    "camvid": TeacherConfig(
        network="unet",
        input=InputSpace(shape=(3, 96, 128), mean=(0.5,), std=(0.5,)),
        epochs=15,
        batch=16,
        learning_rate=5e-3,
        augment="flip",
        class_weights=True,
    ),
}
"""Recipe of the teacher for each data set."""
