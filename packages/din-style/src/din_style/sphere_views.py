"""Flat views of equirectangular pictures: what a viewer shows, for instance at a pole."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def flat_view(
    picture: Float[Tensor, "3 height width"],
    *,
    latitude: float = 90.0,
    longitude: float = 0.0,
    field_of_view: float = 100.0,
    size: int = 256,
) -> Float[Tensor, "3 size size"]:
    """Return the gnomonic projection of a 360-degree picture around a point.

    Args:
        picture: equirectangular, 360 x 180 degrees.
        latitude: degrees from -90 (below) to 90 (above).
        longitude: degrees, 0 is the middle of the picture.
        field_of_view: degrees across, below 180.
        size: of the view, in pixels.

    Raises:
        ValueError: if the field of view or the latitude is out of range.
    """
    if not (0 < field_of_view < 180 and -90 <= latitude <= 90):
        raise ValueError(
            f"field_of_view must be in (0, 180) and latitude in [-90, 90], got {field_of_view} and "
            f"{latitude}"
        )
    reach = math.tan(math.radians(field_of_view / 2))
    steps = (torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1
    x, y = torch.meshgrid(steps * reach, -steps * reach, indexing="xy")
    phi, turn = math.radians(latitude), math.radians(longitude)
    # The tangent plane's point as a direction in space; x to the right, y up, 1 ahead.
    ahead = math.cos(phi) - y * math.sin(phi)
    up = math.sin(phi) + y * math.cos(phi)
    lam = torch.atan2(x, ahead) + turn
    lat = torch.atan2(up, torch.hypot(x, ahead))
    _, height, width = picture.shape
    columns = (lam / (2 * math.pi) + 0.5) * width - 0.5
    rows = (0.5 - lat / math.pi) * height - 0.5
    return _sample_around(picture, rows, columns)


def _sample_around(picture: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return bilinear samples; columns go on around the picture, rows end at the poles."""
    _, height, width = picture.shape
    rows = rows.clamp(0, height - 1)
    top, left = rows.floor().long(), columns.floor().long()
    down, right = (rows - top).to(picture), (columns - left).to(picture)
    below = (top + 1).clamp(max=height - 1)
    here, there = left % width, (left + 1) % width
    above = torch.lerp(picture[:, top, here], picture[:, top, there], right)
    under = torch.lerp(picture[:, below, here], picture[:, below, there], right)
    return torch.lerp(above, under, down)
