"""Numbers of single pictures and sequences that no loss uses: structure, checkerboards, flicker."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from din_style.color import luminance

Images = Float[Tensor, "batch 3 height width"]
PerPicture = Float[Tensor, " batch"]

TILE = 16
"""Pixels on a side of the squares in which a repetition is looked for."""
STILL = 8 / 255
"""A pixel whose channels change less than this between two frames belongs to a still part of the scene."""


def structural_similarity(first: Images, second: Images) -> PerPicture:
    """Return the SSIM of the luminances (Wang et al. 2004: Gaussian window 11, sigma 1.5)."""
    x, y = luminance(first), luminance(second)
    places = torch.arange(11, dtype=x.dtype, device=x.device) - 5
    line = torch.exp(-places.square() / (2 * 1.5**2))
    window = (line[:, None] * line / line.sum() ** 2)[None, None]

    def mean(values: Tensor) -> Tensor:
        return functional.conv2d(values, window)

    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return similarity.mean((1, 2, 3))


def period_two_share(images: Images) -> PerPicture:
    """Return the share of the high-pass energy that repeats with period 2 in tiles, of the worst color.

    High-pass: the picture minus its 3x3 means. In each tile of 16 pixels the part that repeats is the mean
    over all 2x2 cells, without its own mean. An independent noise has about 1 %: subtract the content's share.
    """
    height, width = (size - size % TILE for size in images.shape[2:])
    blurred = functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    high = (images - blurred)[..., :height, :width]
    cells = high.unflatten(3, (-1, TILE // 2, 2)).unflatten(2, (-1, TILE // 2, 2))
    # (batch, color, tile row, cell row, phase, tile column, cell column, phase)
    cells = cells - cells.mean((3, 4, 6, 7), keepdim=True)
    repeated = cells.mean((3, 6)).square().mean((2, 3, 4, 5))
    whole = cells.square().mean((2, 3, 4, 5, 6, 7))
    return (repeated / (whole + 1e-10)).amax(1)


def checkerboard_share(stylized: Images, contents: Images) -> PerPicture:
    """Return by how much the period-2 share of stylized pictures exceeds that of their contents."""
    return period_two_share(stylized) - period_two_share(contents)


class FlickerMeter:
    """Mean absolute change between consecutive frames, where the scene stands still.

    Feed it pairs of frames in order; `value` is the flicker of the output, `reference` that of the input at the
    same pixels, both in gray levels of 255.
    """

    def __init__(self) -> None:
        self._before: tuple[Tensor, Tensor] | None = None
        self._sums = torch.zeros(3, dtype=torch.float64)

    def start(self) -> None:
        """Begin a new scene: the next frame is compared with nothing."""
        self._before = None

    def add(self, frame: Images, stylized: Images) -> None:
        """Take the next frame and what was made of it, of one size."""
        if self._before is not None:
            scene = (frame - self._before[0]).abs()
            still = (scene.amax(1, keepdim=True) < STILL).expand_as(scene)
            change = (stylized - self._before[1]).abs()
            sums = (still.sum(), (change * still).sum(), (scene * still).sum())
            self._sums += torch.stack([value.double().cpu() for value in sums])
        self._before = (frame, stylized)

    @property
    def value(self) -> float:
        """Flicker of the output; NaN while nothing stood still."""
        return float(255 * self._sums[1] / self._sums[0])

    @property
    def reference(self) -> float:
        """Flicker of the input; NaN while nothing stood still."""
        return float(255 * self._sums[2] / self._sums[0])


def measure_flicker(pairs: Iterable[tuple[Images, Images]]) -> FlickerMeter:
    """Return the meter after all pairs of frame and stylized frame."""
    meter = FlickerMeter()
    for frame, stylized in pairs:
        meter.add(frame, stylized)
    return meter
