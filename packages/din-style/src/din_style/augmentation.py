"""Random squares of contents and styles with albumentations; each a pure function of seed and index."""

import os
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault(
    "NO_ALBUMENTATIONS_UPDATE", "1"
)  # its import asks a server for news otherwise

import albumentations

Pixels = NDArray[np.uint8]
"""A picture (height, width, 3)."""

JITTER = 0.15
"""Range of brightness, contrast and saturation in views of styles, and a third of it for hue."""


def random_square(pixels: Pixels, side: int, *, random: np.random.Generator) -> Pixels:
    """Return a random square of a content, mirrored half of the time.

    Args:
        pixels: The picture, at least `side` in both directions.
        side: Of the square, in pixels.
        random: The only source of randomness.
    """
    return _apply(_squares(side), pixels, random)


def random_view(pixels: Pixels, side: int, *, random: np.random.Generator) -> Pixels:
    """Return a random square of a style in slightly other colors: one more style, as it were."""
    return _apply(_views(side), pixels, random)


def central_square(pixels: Pixels, side: int) -> Pixels:
    """Return the square in the middle."""
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top : top + side, left : left + side]


def _apply(pipeline: albumentations.Compose, pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Run a pipeline whose random state is set from `random`."""
    pipeline.set_random_seed(int(random.integers(2**31)))
    return np.ascontiguousarray(pipeline(image=pixels)["image"])


@lru_cache(maxsize=4)
def _squares(side: int) -> albumentations.Compose:
    """Return the transforms of contents; each process builds them once."""
    return albumentations.Compose(
        [albumentations.RandomCrop(side, side), albumentations.HorizontalFlip(p=0.5)]
    )


@lru_cache(maxsize=4)
def _views(side: int) -> albumentations.Compose:
    """Return the transforms of styles; each process builds them once."""
    jitter = albumentations.ColorJitter(
        brightness=JITTER, contrast=JITTER, saturation=JITTER, hue=JITTER / 3, p=0.8
    )
    return albumentations.Compose([albumentations.RandomCrop(side, side), jitter])
