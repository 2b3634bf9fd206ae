"""Teaching the compact style encoder: it imitates VGG's maps and moments on the training pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from din_style.augmentation import central_square, random_view
from din_style.compact_encoder import CHANNELS, CompactEncoder, save_encoder
from din_style.config import OFFLINE_STYLE_LAYERS
from din_style.data import Pictures, as_tensor, open_pictures
from din_style.losses import stack_moments, stacked_style_loss
from din_style.network_files import PACKAGE
from din_style.vgg import VGG, load_vgg
from tenfold_shared.devices import choose_device
from tenfold_shared.runs import RunFolder
from tenfold_shared.seeds import numpy_stream

ENCODER_FILE = "encoder.safetensors"
"""The finished encoder in a run folder."""
_MOMENT_WEIGHT = 3.0


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Distillation of the compact encoder; its structure is fixed, since its file is shipped."""

    steps: int = 600
    """Updates."""
    batch: int = 4
    """Squares in one update."""
    size: int = 256
    """Short side to which pictures are scaled."""
    crop: int = 128
    """Side of the squares."""
    learning_rate: float = 5e-4
    """Adam's rate at the beginning; it falls to a hundredth along half a cosine."""
    content_share: float = 0.25
    """Share of squares that come from contents, whose codes are needed for strength."""
    validation_share: int = 10
    """As in the training of networks."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of VGG in training."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.crop % 4 or not 32 <= self.crop <= self.size:
            raise ValueError(
                f"crop must be a multiple of 4 from 32 to size, got {self.crop} of {self.size}"
            )
        if min(self.steps, self.batch, self.checkpoint_every) < 1:
            raise ValueError("steps, batch and checkpoint_every must be at least 1")
        if not 0 <= self.content_share <= 1:
            raise ValueError(f"content_share must be in [0, 1], got {self.content_share}")


class DistillationLosses(NamedTuple):
    """Means over the batch."""

    total: Tensor
    """What is minimized."""
    maps: Tensor
    """Mean squared distance of maps, summed over layers."""
    moments: Tensor
    """Style loss between estimated and true moments."""


def train_encoder(
    config: EncoderConfig,
    folder: Path,
    *,
    contents: Path,
    styles: Path,
    seed: int = 0,
    device: str = "auto",
    data: Path | None = None,
) -> CompactEncoder:
    """Distil VGG into the compact encoder, or go on with a training that was interrupted.

    Args:
        config: All settings.
        folder: Run folder; `encoder.safetensors` in it is the result.
        contents: Folder or zip archive of pictures.
        styles: Folder or zip archive of pictures.
        seed: Of everything random.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        data: Where the offline VGG lies, if not in TENFOLD_DATA.

    Raises:
        UserError: Pictures, weights or the run folder are missing, damaged or do not fit.
    """
    place = choose_device(device)
    exact = load_vgg(data=data).to(place)
    teacher = exact.to_bfloat16() if config.precision == "bf16" else exact
    sources = [
        open_pictures(path, size=config.size).split(config.validation_share)[0]
        for path in (styles, contents)
    ]
    with RunFolder(
        folder, config=config, package=PACKAGE, seed=seed, checkpoint_every=config.checkpoint_every
    ) as run:
        encoder = CompactEncoder().to(place)
        if not run.checkpoint.exists():
            probes = [_squares(sources, config, seed, -step).to(place) for step in range(1, 9)]
            encoder.features.factorize(exact, torch.cat(probes))
        trained = [p for p in encoder.features.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=config.learning_rate)
        run.track(models={"encoder": encoder}, optimizers={"adam": optimizer})
        for step in run.steps(config.steps):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _rate(step, config.steps)
            images = _squares(sources, config, seed, step).to(place)
            run.log(
                step, **distillation_step(encoder, optimizer, images, teacher=teacher)._asdict()
            )
        finish_encoder(encoder, teacher, sources)
        save_encoder(run.folder / ENCODER_FILE, encoder.eval())
    return encoder


@torch.no_grad()
def finish_encoder(encoder: CompactEncoder, teacher: VGG, sources: Sequence[Pictures]) -> None:
    """Fit the encoder's correction on the middle squares of all pictures.

    Args:
        encoder: Already taught to imitate maps.
        teacher: Normalized VGG.
        sources: Pictures of training, at the judged scale.
    """
    place = next(encoder.parameters()).device
    found, true = [], []
    for pictures in sources:
        for i in range(len(pictures)):
            image = as_tensor([central_square(pictures.read(i), pictures.size)]).to(place)
            found.append(encoder.find(image))
            true.append(_true_moments(teacher, image))
    encoder.fit_correction(torch.cat(found), torch.cat(true))


def distillation_step(
    encoder: CompactEncoder,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    *,
    teacher: VGG,
) -> DistillationLosses:
    """Move the encoder's features towards the teacher's maps and moments; touches nothing else."""
    with torch.no_grad():
        wanted = teacher(images, OFFLINE_STYLE_LAYERS)
        moments = stack_moments(wanted, OFFLINE_STYLE_LAYERS)
    found = encoder.features(images)
    maps = torch.stack(
        [(found[n] - wanted[n].float()).square().mean() for n in OFFLINE_STYLE_LAYERS[1:]]
    ).sum()
    estimate = stack_moments(found, OFFLINE_STYLE_LAYERS)
    distance = stacked_style_loss(estimate, moments, CHANNELS).mean()
    total = maps + _MOMENT_WEIGHT * distance
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(encoder.parameters(), 10.0)
    optimizer.step()
    return DistillationLosses(total.detach(), maps.detach(), distance.detach())


def _rate(step: int, steps: int) -> float:
    """Return the share of the rate: half a cosine from 1 to a hundredth."""
    return 0.505 + 0.495 * math.cos(math.pi * (step - 1) / steps)


@torch.no_grad()
def _true_moments(teacher: VGG, images: Tensor) -> Tensor:
    """Return the moments that the encoder should find."""
    return stack_moments(teacher(images, OFFLINE_STYLE_LAYERS), OFFLINE_STYLE_LAYERS)


def _squares(sources: list[Pictures], config: EncoderConfig, seed: int, step: int) -> Tensor:
    """Return the pictures of one update, a pure function of seed and step."""
    random = numpy_stream(seed, "distillation", step)
    squares = []
    for _ in range(config.batch):
        pictures = sources[int(random.random() < config.content_share)]
        picture = pictures.read(int(random.integers(len(pictures))))
        squares.append(random_view(picture, config.crop, random=random))
    return as_tensor(squares)
