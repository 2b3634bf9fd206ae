"""What a user may steer, checked in one place."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from din_style.pictures import SMALLEST_SIDE

ColorKeeping = Literal["none", "luminance", "histogram", "covariance"]

STYLE_SIZE = 256
"""Short side of style pictures in training; smaller ones give larger strokes."""


@dataclass(frozen=True, kw_only=True)
class Controls:
    """What a user may steer; the defaults are the plain transfer."""

    strength: float = 1.0
    """0 returns the content untouched, 1 is the full style."""
    keep_color: ColorKeeping = "none"
    """`luminance`: the result's brightness in the content's colors. `histogram`, `covariance`: the style is
    given the content's colors before it is encoded."""
    stroke: float | Tensor = 1.0
    """Factor of the size of strokes, a number or a map (height, width) from 0.25 to 4."""
    sphere: bool = False
    """The picture is equirectangular (360 x 180 degrees): no seam, no pinched poles."""
    style_size: int = STYLE_SIZE
    """Short side to which style pictures are scaled before they are encoded."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must be in [0, 1], got {self.strength}")
        if self.keep_color not in ("none", "luminance", "histogram", "covariance"):
            raise ValueError(
                "keep_color must be none, luminance, histogram or covariance, "
                f"got {self.keep_color!r}"
            )
        smallest, largest = (
            (float(self.stroke.min()), float(self.stroke.max()))
            if isinstance(self.stroke, Tensor)
            else (self.stroke, self.stroke)
        )
        if not (smallest >= 0.25 and largest <= 4):
            raise ValueError(f"stroke must be in [0.25, 4], got {smallest} to {largest}")
        if self.style_size < SMALLEST_SIDE:
            raise ValueError(
                f"style_size must be at least {SMALLEST_SIDE} pixels, got {self.style_size}"
            )
