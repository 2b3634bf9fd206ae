"""Label images from points: a disc around each, where every object keeps at least one pixel."""

import math

import numpy as np
from numpy.typing import NDArray


def draw_label_discs(
    points: NDArray[np.float64],
    labels: NDArray[np.uint16],
    *,
    size: tuple[int, int],
    radius: float,
) -> NDArray[np.uint16]:
    """Return a picture (height, width) with a disc of each label, 0 elsewhere.

    Where discs overlap, a pixel belongs to the nearest point. A point outside the picture is moved to
    its border; an object that would get no pixel takes the nearest one that another can spare.

    Args:
        points: x and y, shape (objects, 2).
        labels: labels above 0, shape (objects,), all different.
        size: width and height.
        radius: radius of the discs in pixels.

    Raises:
        ValueError: if the radius is not positive or there are more objects than pixels.
    """
    width, height = size
    if not radius > 0:
        raise ValueError(f"radius must be positive, got {radius}")
    if len(points) > width * height:
        raise ValueError(f"{len(points)} objects do not fit into {width} x {height} pixels")
    points = np.clip(points, 0, [width - 1, height - 1])
    picture = np.zeros((height, width), dtype=np.uint16)
    nearest = np.full((height, width), radius * radius)
    reach = math.ceil(radius)
    for (x, y), label in zip(points, labels, strict=True):
        rows = slice(max(0, round(y) - reach), round(y) + reach + 1)
        columns = slice(max(0, round(x) - reach), round(x) + reach + 1)
        distance = _squared_distance(x, y, rows, columns, picture.shape)
        closer = distance <= nearest[rows, columns]
        picture[rows, columns][closer] = label
        nearest[rows, columns][closer] = distance[closer]
    _give_everyone_a_pixel(picture, points, labels)
    return picture


def _squared_distance(
    x: float, y: float, rows: slice, columns: slice, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the squared distance of each pixel of a window to (x, y)."""
    down = np.arange(shape[0])[rows, None] - y
    right = np.arange(shape[1])[None, columns] - x
    return down * down + right * right


def _give_everyone_a_pixel(
    picture: NDArray[np.uint16], points: NDArray[np.float64], labels: NDArray[np.uint16]
) -> None:
    """Change `picture` so that every label occurs; rare, so each search may look at all pixels."""
    area = np.bincount(picture.ravel(), minlength=int(labels.max(initial=0)) + 1)
    everything = slice(None)
    for (x, y), label in zip(points, labels.tolist(), strict=True):
        if area[label]:
            continue
        distance = _squared_distance(x, y, everything, everything, picture.shape)
        spare = (picture == 0) | (area[picture] > 1)
        place = np.unravel_index(np.argmin(np.where(spare, distance, np.inf)), picture.shape)
        area[picture[place]] -= 1
        picture[place] = label
        area[label] = 1
