"""Sets of point clouds with a class each: what dynamic graphs are built from."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from lsp_distillation.splits import Split
from lsp_distillation.task_checks import check_devices, check_masks, check_targets
from tenfold_shared.seeds import numpy_stream


class CloudPart(NamedTuple):
    """Some of the clouds."""

    points: Float[Tensor, "clouds points axes"]
    y: Int[Tensor, " clouds"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CloudTask:
    """Clouds of equally many points, their classes and parts; checked when it is built.

    Raises:
        ValueError: Something is damaged or does not fit.
    """

    name: str
    """For tables."""
    points: Tensor
    """(clouds, points, axes) float32."""
    y: Tensor
    """(clouds,) int64 classes."""
    classes: int
    train_mask: Tensor | None = None
    """(clouds,) True for what is trained on; None where there is no such part."""
    val_mask: Tensor | None = None
    test_mask: Tensor | None = None
    class_names: tuple[str, ...] = ()
    """Empty, or one for each class."""

    def __post_init__(self) -> None:
        shape = tuple(self.points.shape)
        if len(shape) != 3 or 0 in shape or self.points.dtype != torch.float32:
            raise ValueError(
                f"points must be (clouds, points, axes) of float32; got {shape} of {self.points.dtype}"
            )
        masks = (self.train_mask, self.val_mask, self.test_mask)
        check_devices(
            points=self.points, y=self.y, train_mask=masks[0], val_mask=masks[1], test_mask=masks[2]
        )
        wrong = int((~torch.isfinite(self.points)).sum())
        if wrong:
            raise ValueError(f"points hold {wrong} numbers that are NaN or infinite; repair them")
        check_masks(masks, items=shape[0])
        check_targets(self.y, items=shape[0], task="multiclass", classes=self.classes, known=None)
        if self.class_names and len(self.class_names) != self.classes:
            raise ValueError(
                f"class_names must name {self.classes} classes, got {len(self.class_names)}"
            )

    def __len__(self) -> int:
        """Return the number of clouds."""
        return len(self.points)

    def mask(self, part: str) -> Tensor:
        """Return the mask of `train`, `val` or `test`.

        Raises:
            ValueError: There is no such part.
        """
        mask = {"train": self.train_mask, "val": self.val_mask, "test": self.test_mask}.get(part)
        if mask is None:
            raise ValueError(f"{self.name} has no part {part!r}; add a split")
        return mask

    def part(self, part: str, *, limit: int | None = None) -> CloudPart:
        """Return the clouds of a part, or its first ones.

        Raises:
            ValueError: There is no such part.
        """
        chosen = self.mask(part).nonzero().flatten()[:limit]
        return CloudPart(self.points[chosen], self.y[chosen])

    def with_split(self, split: Split) -> "CloudTask":
        """Return the clouds with other parts."""
        return replace(self, train_mask=split.train, val_mask=split.val, test_mask=split.test)


def pictures_to_clouds(images: NDArray[np.uint8], *, points: int, seed: int) -> NDArray[np.float32]:
    """Return a cloud (count, points, 2) for each gray picture, x to the right and y down.

    Pixels are drawn by their brightness, with replacement since many digits have fewer bright pixels than points;
    each point lies anywhere in its pixel. Clouds are centered and scaled by `center_and_scale`. Each is a pure function
    of its picture, the seed and its index.

    Args:
        images: (count, height, width), bright on black.
        points: Of each cloud.
        seed: Chooses pixels and places in them.

    Raises:
        ValueError: A picture is black, or `points` is no number of points.
    """
    if points < 1:
        raise ValueError(f"points must be at least 1, got {points}")
    clouds = np.empty((len(images), points, 2), dtype=np.float32)
    width = images.shape[2]
    for index, image in enumerate(images):
        cumulative = np.cumsum(image, dtype=np.int64)
        if not cumulative[-1]:
            raise ValueError(f"picture {index} is black and has no points; leave it out")
        drawn = numpy_stream(seed, "cloud", index).random((points, 3))
        # Of brightness units counted from 1, the first pixel that reaches the drawn one; black ones never do.
        units = np.floor(drawn[:, 0] * cumulative[-1]) + 1
        pixels = np.searchsorted(cumulative, units)
        clouds[index, :, 0] = pixels % width + drawn[:, 1]
        clouds[index, :, 1] = pixels // width + drawn[:, 2]
    return center_and_scale(clouds)


def center_and_scale(clouds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return clouds (count, points, axes) with mean 0 and the farthest point at distance 1."""
    centered = clouds - clouds.mean(axis=1, keepdims=True, dtype=np.float64)
    farthest = np.sqrt((centered**2).sum(axis=2)).max(axis=1)[:, None, None]
    return (centered / np.maximum(farthest, np.finfo(np.float32).tiny)).astype(np.float32)


def thin_out(clouds: NDArray[np.float32], *, points: int, seed: int) -> NDArray[np.float32]:
    """Return so many points of each cloud (count, points, axes), drawn without replacement.

    Raises:
        ValueError: The clouds have fewer.
    """
    if not 1 <= points <= clouds.shape[1]:
        raise ValueError(
            f"points must lie within 1 and {clouds.shape[1]}, what the clouds have; got {points}"
        )
    thinned = np.empty((len(clouds), points, clouds.shape[2]), dtype=clouds.dtype)
    for index, cloud in enumerate(clouds):
        keys = numpy_stream(seed, "cloud", index).random(len(cloud))
        thinned[index] = cloud[np.argsort(keys, kind="stable")[:points]]
    return thinned
