"""Point clouds by name or from a file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lsp_distillation.array_files import read_arrays
from lsp_distillation.cloud_data import CloudTask, center_and_scale, pictures_to_clouds, thin_out
from lsp_distillation.idx_files import read_idx_pair
from lsp_distillation.mesh_clouds import read_modelnet
from lsp_distillation.named_sets import find_folder
from lsp_distillation.splits import PARTS, Split, random_split
from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path

DIGITS = tuple(map(str, range(10)))
_Opener = Callable[[int, int, Path | None], CloudTask]


def open_clouds(
    where: str | Path, *, points: int = 128, seed: int = 0, data: Path | None = None
) -> CloudTask:
    """Return clouds ready to train on, with their parts.

    Args:
        where: One of `CLOUD_NAMES`, or an npz with `points` (or `pos`) (clouds, points, axes), `y` (or `label`),
            perhaps `classes` and `train_idx`, `val_idx`, `test_idx` or masks; without those, parts are random,
            60/20/20.
        points: Of each cloud; of those in a file so many are drawn.
        seed: Chooses the points.
        data: Where named sets lie, if not in TENFOLD_DATA or the user's cache.

    Raises:
        UserError: It is missing or damaged, or has fewer points.
        ValueError: `points` is no number of points.
    """
    if points < 1:
        raise ValueError(f"points must be at least 1, got {points}")
    opener = _NAMED.get(str(where))
    if opener is not None:
        return opener(points, seed, data)
    if not Path(where).is_file():
        known = ", ".join(CLOUD_NAMES)
        raise UserError(f"{where} is no file and none of the clouds by name: {known}.")
    return read_clouds(Path(where), points=points, seed=seed)


def read_clouds(path: Path, *, points: int | None = None, seed: int = 0) -> CloudTask:
    """Return the clouds in an npz file; see `open_clouds`.

    Raises:
        UserError: It is missing or damaged, or has fewer points.
    """
    arrays = read_arrays(path)
    try:
        clouds = _numbers(arrays, "points", "pos").astype(np.float32)
        if clouds.ndim != 3 or 0 in clouds.shape:
            raise ValueError(f"points must be (clouds, points, axes), got {clouds.shape}")
        if not np.isfinite(clouds).all():
            raise ValueError("points hold NaN or infinity; repair or remove them")
        labels = _numbers(arrays, "y", "label")
        if labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise ValueError(f"y must be (clouds,) integers, got {labels.shape} of {labels.dtype}")
        names = tuple(str(name) for name in arrays.get("classes", np.empty(0)).ravel())
        if points is not None:
            clouds = thin_out(clouds, points=points, seed=seed)
        task = CloudTask(
            name=path.stem,
            points=torch.from_numpy(center_and_scale(clouds)),
            y=torch.from_numpy(labels.astype(np.int64)),
            classes=len(names) or int(labels.max()) + 1,
            class_names=names,
        )
        return task.with_split(_split(arrays, len(task)))
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())[:300]}.") from error


def write_clouds(task: CloudTask, path: Path) -> None:
    """Write clouds as npz, from which `read_clouds` returns them: meshes need to be sampled only once.

    Raises:
        UserError: The file cannot be written.
    """
    names = task.class_names or tuple(map(str, range(task.classes)))
    fields: dict[str, Any] = {"points": task.points.numpy(), "y": task.y.numpy(), "classes": names}
    fields |= {f"{part}_mask": task.mask(part).numpy() for part in PARTS}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **fields)


def _split(arrays: dict[str, NDArray[Any]], count: int) -> Split:
    """Return the parts of a file, or random ones if it has none."""
    masks: list[torch.Tensor] = []
    for part in PARTS:
        mask = np.zeros(count, dtype=bool)
        if f"{part}_mask" in arrays:
            mask = arrays[f"{part}_mask"]
        elif f"{part}_idx" in arrays:
            mask[arrays[f"{part}_idx"]] = True
        else:
            continue
        masks.append(torch.from_numpy(np.array(mask)))
    if not masks:
        return random_split(count, seed=0)
    if len(masks) < len(PARTS):
        raise ValueError("there are parts for some of train, val and test; give all or none")
    return Split(*masks)


def _numbers(arrays: dict[str, NDArray[Any]], *names: str) -> NDArray[Any]:
    """Return the first array that is there."""
    for name in names:
        if name in arrays:
            if arrays[name].dtype.kind not in "biuf":
                raise ValueError(f"{name} holds no numbers")
            return arrays[name]
    raise ValueError(f"{' or '.join(names)} is missing")


def _from_pictures(
    name: str,
    images: NDArray[np.uint8],
    labels: NDArray[Any],
    *,
    ends: tuple[int, int],
    points: int,
    seed: int,
) -> CloudTask:
    """Return clouds of pictures: the first to train, then those to validate, the rest to test."""
    index = torch.arange(len(images))
    try:
        return CloudTask(
            name=name,
            points=torch.from_numpy(pictures_to_clouds(images, points=points, seed=seed)),
            y=torch.from_numpy(labels.astype(np.int64)),
            classes=10,
            train_mask=index < ends[0],
            val_mask=(index >= ends[0]) & (index < ends[1]),
            test_mask=index >= ends[1],
            class_names=DIGITS,
        )
    except ValueError as error:
        raise UserError(f"{name}: {error}.") from error


def _digits(points: int, seed: int, _data: Path | None) -> CloudTask:
    """Return the 1,797 digits of scikit-learn, 8 x 8: 997, 300 and 500."""
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    return _from_pictures(
        "digits",
        digits.images.astype(np.uint8),
        digits.target,
        ends=(997, 1297),
        points=points,
        seed=seed,
    )


def _mnist(points: int, seed: int, data: Path | None) -> CloudTask:
    """Return the 10,000 test digits of MNIST: 7,000, 1,000 and 2,000."""
    hint = "get it with torchvision.datasets.MNIST(root, download=True)"
    images, labels = read_idx_pair(find_folder("MNIST/raw", data=data, hint=hint), "t10k")
    return _from_pictures("mnist", images, labels, ends=(7000, 8000), points=points, seed=seed)


def _two_classes(points: int, seed: int, data: Path | None) -> CloudTask:
    """Return chairs and monitors of ModelNet10 on a grid: for pictures, too easy for accuracy."""
    path = find_folder(
        "modelnet10_chair_monitor/points.npz",
        data=data,
        hint="write pos (shapes, points, 3) and label of shapes of ModelNet10 as npz",
    )
    return replace(read_clouds(path, points=points, seed=seed), name="chairs-and-monitors")


def _modelnet(number: int) -> _Opener:
    """Return how ModelNet10 or ModelNet40 is opened."""
    folder = f"ModelNet{number}"
    hint = f"get it with torch_geometric.datasets.ModelNet(root + '/{folder}', '{number}')"

    def opened(points: int, seed: int, data: Path | None) -> CloudTask:
        raw = find_folder(f"{folder}/raw", data=data, hint=hint)
        return read_modelnet(raw, name=folder.lower(), points=points, seed=seed)

    return opened


_NAMED: dict[str, _Opener] = {
    "digits": _digits,
    "mnist": _mnist,
    "chairs-and-monitors": _two_classes,
    "modelnet10": _modelnet(10),
    "modelnet40": _modelnet(40),
}
CLOUD_NAMES = tuple(_NAMED)
"""Clouds that have a name; the first needs no files."""
