"""Squares of contents with their VGG features, kept in memory: a third of a training step saved."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from din_style.config import TrainingConfig
from din_style.data import ContentSquares, Pictures, load_squares
from din_style.losses import stack_moments
from din_style.vgg import VGG


class ContentBatch(NamedTuple):
    """Contents of one step."""

    images: Tensor
    """(batch, 3, crop, crop) in [0, 1]."""
    features: Tensor
    """Of the layer of the content loss; empty in pre-training."""
    moments: Tensor | None
    """Moments of the contents, where the identity loss needs them."""


class _Square(NamedTuple):
    """One content on the CPU."""

    pixels: Tensor
    """uint8 (crop, crop, 3)."""
    features: Tensor | None
    """Without batch, in the precision of VGG."""
    moments: Tensor | None
    """Without batch."""


class CachedContents:
    """A fixed list of squares; each passes VGG once, when it is first needed.

    Squares pass one by one, so that their bits do not depend on which batch, or which part of an
    interrupted training, needed them first.
    """

    def __init__(
        self,
        pictures: Pictures,
        *,
        vgg: VGG,
        config: TrainingConfig,
        seed: int,
        device: torch.device,
    ) -> None:
        self._squares = ContentSquares(pictures, side=config.crop, seed=seed)
        self._vgg, self._config, self._device = vgg, config, device
        self._kept: dict[int, _Square] = {}

    def batch(self, numbers: Sequence[int], *, with_features: bool) -> ContentBatch:
        """Return the squares with these numbers."""
        squares = [self._square(number, with_features) for number in numbers]
        images = _as_images(torch.stack([s.pixels for s in squares]), self._device)
        features = [s.features for s in squares if s.features is not None]
        found = [s.moments for s in squares if s.moments is not None]
        return ContentBatch(
            images,
            torch.stack(features).to(self._device) if with_features else images.new_empty(0),
            torch.stack(found).to(self._device) if with_features and found else None,
        )

    def _square(self, number: int, with_features: bool) -> _Square:
        """Return one square from memory, or make it."""
        square = self._kept.get(number)
        if square is None:
            square = _Square(self._squares[number], None, None)
        if with_features and square.features is None:
            images = _as_images(square.pixels[None], self._device)
            features, found = _describe(images, self._vgg, self._config)
            square = _Square(
                square.pixels, features[0].cpu(), None if found is None else found[0].cpu()
            )
        self._kept[number] = square
        return square


def fresh_contents(
    pictures: Pictures,
    plan: Sequence[Sequence[int]],
    *,
    vgg: VGG,
    config: TrainingConfig,
    seed: int,
    device: torch.device,
) -> Iterator[ContentBatch]:
    """Yield batches of new squares; nothing is kept.

    Args:
        pictures: The contents.
        plan: Numbers of the squares of each batch.
        vgg: The network of the losses.
        config: Settings of the training.
        seed: Of the choice of squares.
        device: Where to put them.
    """
    squares = ContentSquares(pictures, side=config.crop, seed=seed)
    for pixels in load_squares(squares, plan, workers=config.workers):
        images = _as_images(pixels, device)
        yield ContentBatch(images, *_describe(images, vgg, config))


@torch.no_grad()
def _describe(images: Tensor, vgg: VGG, config: TrainingConfig) -> tuple[Tensor, Tensor | None]:
    """Return content features, and moments where they are needed."""
    losses = config.loss
    layers = losses.style_layers if losses.identity_weight else ()
    features = vgg(images, {losses.content_layer, *layers})
    found = stack_moments(features, layers) if layers else None
    return features[losses.content_layer], found


def _as_images(pixels: Tensor, device: torch.device) -> Tensor:
    """Return uint8 (batch, height, width, 3) as pictures in [0, 1] on a device."""
    return pixels.to(device).permute(0, 3, 1, 2).contiguous().to(torch.get_default_dtype()) / 255
