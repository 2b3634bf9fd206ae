"""Changes of point clouds that keep their class: rotation, scale and shift, as DGCNN's training has them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class CloudAugmentation:
    """How far clouds are changed in training; 0 everywhere leaves them alone."""

    scale: float = 0.0
    """Each cloud is scaled by a factor between 1 - scale and 1 + scale."""
    shift: float = 0.0
    """Each cloud is moved by at most this along each axis; its radius is 1."""
    rotation: float = 0.0
    """Degrees; each cloud is turned by at most this, in the plane of its first two axes."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, most in (("scale", 1.0), ("shift", float("inf")), ("rotation", 180.1)):
            value = getattr(self, name)
            if not 0 <= value < most:
                raise ValueError(f"{name} must be at least 0 and below {most:g}, got {value}")


def augment(
    clouds: Float[Tensor, "clouds points axes"],
    config: CloudAugmentation,
    *,
    random: torch.Generator,
) -> Float[Tensor, "clouds points axes"]:
    """Return changed clouds; what happens depends on the generator only.

    Args:
        clouds: Centered.
        config: How far.
        random: On the CPU.
    """
    count, _, axes = clouds.shape
    drawn = (2 * torch.rand(count, 2 + axes, generator=random) - 1).to(clouds)
    angle = torch.deg2rad(config.rotation * drawn[:, 0])
    turn = torch.eye(axes, device=clouds.device, dtype=clouds.dtype).repeat(count, 1, 1)
    if axes > 1:
        turn[:, 0, 0] = turn[:, 1, 1] = angle.cos()
        turn[:, 0, 1], turn[:, 1, 0] = angle.sin(), -angle.sin()
    scale = 1 + config.scale * drawn[:, 1, None, None]
    return scale * (clouds @ turn) + config.shift * drawn[:, None, 2:]
