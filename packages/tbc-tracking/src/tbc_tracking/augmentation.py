"""Strong augmentation with albumentations: noise, blur and gamma. The extra `augmentation` installs it."""

import os
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault(
    "NO_ALBUMENTATIONS_UPDATE", "1"
)  # its import asks a server for news otherwise

import albumentations

NOISE = (0.005, 0.03)
"""Range of the standard deviation of the noise, as a share of the gray range."""
BLUR = (3, 5)
"""Smallest and largest side of the blur in pixels."""
GAMMA = (70, 140)
"""Range of gamma in percent."""


def strong_distortion(
    gray: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float32]:
    """Return a crop with random noise, blur and gamma; objects stay where they are.

    Args:
        gray: normalized gray values, (height, width); what lies beyond [0, 1] is clipped.
        random: the only source of randomness.
    """
    pipeline = _pipeline()
    pipeline.set_random_seed(int(random.integers(2**31)))
    image = np.clip(gray, 0, 1)[..., None].astype(np.float32)
    return pipeline(image=image)["image"].reshape(gray.shape).astype(np.float32)


@lru_cache(maxsize=1)
def _pipeline() -> albumentations.Compose:
    """Return the transforms; each process builds them once."""
    return albumentations.Compose(
        [
            albumentations.RandomGamma(gamma_limit=GAMMA, p=0.5),
            albumentations.Blur(blur_limit=BLUR, p=0.3),
            albumentations.GaussNoise(std_range=NOISE, p=0.5),
        ]
    )
