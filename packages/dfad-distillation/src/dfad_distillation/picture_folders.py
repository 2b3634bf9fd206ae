"""Labeled pictures in folders: one folder per class, or pictures beside masks.

Parts are the folders `train`, `val` and `test`. A part that is missing is cut from `train` (or from
everything, if there are no parts) by a hash of the name: one picture in ten each.
"""

import hashlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dfad_distillation.picture_files import PictureFiles
from tenfold_shared.errors import UserError

CLASS_LIST = "classes.txt"
"""Names of the classes of masks, one a line; one called Void is left out of training and scores."""
VOID = 255
"""Label of pixels that belong to no class."""

_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_SHARE = 10
_CUT = {"test": 0, "validation": 1}
"""Which of ten shares a part is when it has no folder."""


class FolderContent(NamedTuple):
    """One part of a folder."""

    images: NDArray[np.uint8]
    """Pictures, (count, channels, height, width)."""
    labels: NDArray[np.uint16]
    """Class numbers, (count,) or (count, height, width); `VOID` where there is none."""
    classes: tuple[str, ...]
    names: tuple[str, ...]
    """Paths of the pictures."""


def read_picture_folder(
    source: Path,
    part: str,
    *,
    size: tuple[int, int] | None,
    channels: int,
    classes: tuple[str, ...] = (),
) -> FolderContent:
    """Return one part of a folder or a zip archive.

    Args:
        source: Folder or archive.
        part: `train`, `validation` or `test`.
        size: Height and width to resize to.
        channels: 1 or 3.
        classes: Names for the numbers in masks, in place of the list in the folder.

    Raises:
        UserError: Nothing is there, a file is damaged, or a label is no class.
    """
    files = PictureFiles(source)
    if not files.pictures:
        raise UserError(f"{source} holds no pictures (.png, .jpg and the like).")
    root = _root(files.pictures)
    if any(f"{root}{folder}annot/" in name for name in files.names for folder in _FOLDERS["train"]):
        return _read_masked(files, root, part, size=size, channels=channels, classes=classes)
    return _read_classes(files, root, part, size=size, channels=channels)


def names_of_part(names: tuple[str, ...], root: str, part: str) -> tuple[str, ...]:
    """Return which pictures belong to a part.

    Args:
        names: Of all pictures.
        root: Folder around the parts, with a slash, or nothing.
        part: `train`, `validation` or `test`.
    """
    folders = {kind: _in_folders(names, root, kind) for kind in _FOLDERS}
    if folders[part] and part != "train":
        return folders[part]
    missing = {kind for kind in _CUT if not folders[kind]}
    rest = folders["train"] or tuple(
        name for name in names if not any(name in folders[kind] for kind in _CUT)
    )
    if part == "train":
        return tuple(n for n in rest if all(_share(n, root) != _CUT[kind] for kind in missing))
    return tuple(name for name in rest if _share(name, root) == _CUT[part])


def _read_classes(
    files: PictureFiles, root: str, part: str, *, size: tuple[int, int] | None, channels: int
) -> FolderContent:
    """Read pictures whose folder is their class."""
    classes = tuple(sorted({PurePosixPath(name).parent.name for name in files.pictures}))
    loose = [name for name in files.pictures if "/" not in name.removeprefix(root)]
    if loose or len(classes) < 2:
        raise UserError(
            f"{files.source} holds no labels; put the pictures of each class into a folder of its "
            "own, at least two, or masks into folders trainannot, valannot and testannot."
        )
    names = names_of_part(files.pictures, root, part)
    if not names:
        raise UserError(f"{files.source} holds no pictures for {part}; add a folder {part}.")
    number = {name: index for index, name in enumerate(classes)}
    labels = [number[PurePosixPath(name).parent.name] for name in names]
    trained = {PurePosixPath(n).parent.name for n in names_of_part(files.pictures, root, "train")}
    unknown = [name for name in classes if name not in trained]
    if unknown:
        raise UserError(
            f"{files.source} has no training pictures of class {unknown[0]}; add some or remove it."
        )
    images = files.read_pictures(names, size=size, channels=channels)
    return FolderContent(images, np.array(labels, dtype=np.uint16), classes, names)


def _read_masked(
    files: PictureFiles,
    root: str,
    part: str,
    *,
    size: tuple[int, int] | None,
    channels: int,
    classes: tuple[str, ...],
) -> FolderContent:
    """Read pictures that have masks beside them: `train/a.jpg` and `trainannot/a.png`."""
    masks = {
        str(PurePosixPath(name).with_suffix("")): name
        for name in files.pictures
        if "annot/" in name.removeprefix(root)
    }
    pictures = tuple(name for name in files.pictures if name not in masks.values())
    names = names_of_part(pictures, root, part)
    if not names:
        raise UserError(f"{files.source} holds no pictures for {part}; add a folder {part}.")
    images = files.read_pictures(names, size=size, channels=channels)
    labels = files.read_masks(_masks_of(files, masks, names), size=size)
    if images.shape[-2:] != labels.shape[-2:]:
        raise UserError(
            f"{files.source}: pictures are {images.shape[-2]} x {images.shape[-1]} and masks "
            f"{labels.shape[-2]} x {labels.shape[-1]}; pass a size."
        )
    if not classes and f"{root}{CLASS_LIST}" in files.names:
        lines = files.read_text(f"{root}{CLASS_LIST}").splitlines()
        classes = tuple(line.strip() for line in lines if line.strip())
    if not classes:
        trained = labels
        if part != "train":
            chosen = _masks_of(files, masks, names_of_part(pictures, root, "train"))
            trained = files.read_masks(chosen, size=size)
        known = trained[trained != VOID]
        classes = tuple(map(str, range(int(known.max(initial=0)) + 1)))
    return FolderContent(images, *_without_void(files.source, labels, classes), names)


def _masks_of(
    files: PictureFiles, masks: dict[str, str], names: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the mask of each picture."""
    keys = [_mask_key(name) for name in names]
    for name, key in zip(names, keys, strict=True):
        if key not in masks:
            raise UserError(f"{files.source}/{name} has no mask {key}.png; add it.")
    return tuple(masks[key] for key in keys)


def _mask_key(name: str) -> str:
    """Return the name of a picture's mask without its ending."""
    path = PurePosixPath(name).with_suffix("")
    return str(path.parent.with_name(f"{path.parent.name}annot") / path.name)


def _without_void(
    source: Path, labels: NDArray[np.uint8], classes: tuple[str, ...]
) -> tuple[NDArray[np.uint16], tuple[str, ...]]:
    """Return labels counted without the class Void, and the other classes."""
    outside = (labels >= len(classes)) & (labels != VOID)
    if outside.any():
        raise UserError(
            f"{source} holds the label {int(labels[outside].max())}; with {len(classes)} classes "
            f"labels are 0 to {len(classes) - 1}, or {VOID} where there is none."
        )
    kept = [index for index, name in enumerate(classes) if name.lower() != "void"]
    table = np.full(256, VOID, dtype=np.uint16)
    table[kept] = np.arange(len(kept))
    return table[labels], tuple(classes[index] for index in kept)


def _root(names: tuple[str, ...]) -> str:
    """Return the folder around everything, if there is exactly one and it is no part or class."""
    tops = {name.split("/", 1)[0] for name in names}
    parts = {folder for folders in _FOLDERS.values() for folder in folders}
    nested = all(name.count("/") >= 2 for name in names)
    if len(tops) == 1 and nested and not tops & parts:
        return f"{tops.pop()}/"
    return ""


def _in_folders(names: tuple[str, ...], root: str, part: str) -> tuple[str, ...]:
    """Return the pictures in the folder of a part."""
    starts = tuple(f"{root}{folder}/" for folder in _FOLDERS[part])
    return tuple(name for name in names if name.startswith(starts))


def _share(name: str, root: str) -> int:
    """Return which of ten shares a picture falls into: a function of its name and folder alone."""
    path = PurePosixPath(name.removeprefix(root))
    digest = hashlib.sha256(f"{path.parent.name}/{path.name}".encode()).digest()
    return int.from_bytes(digest[:8]) % _SHARE
