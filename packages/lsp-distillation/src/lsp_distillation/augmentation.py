"""Changes of point clouds that keep their class: rotation, scale and shift, as DGCNN's training has them."""

import torch
from jaxtyping import Float
from torch import Tensor

from lsp_distillation.cloud_config import CloudAugmentation


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
