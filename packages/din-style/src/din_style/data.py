"""Pictures for training: folders or zip archives of any size, scaled, split and cut into squares."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from din_style.augmentation import Pixels, random_square
from tenfold_shared.errors import UserError
from tenfold_shared.images import read_image
from tenfold_shared.seeds import numpy_stream

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm")
"""File names that are read, in any case."""
_KEPT = 4096
"""Scaled pictures that stay in memory."""


@dataclass(frozen=True)
class Pictures:
    """The pictures of a folder (with its subfolders) or of a zip archive, sorted by name."""

    source: Path
    """Folder or archive."""
    names: tuple[str, ...]
    """Paths inside of it."""
    size: int
    """Short side to which pictures are scaled (Lanczos)."""

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.names)

    def read(self, index: int) -> Pixels:
        """Return one picture, scaled, (height, width, 3).

        Raises:
            UserError: The file is damaged.
        """
        return _read_scaled(self.source, self.names[index], self.size)

    def select(self, names: Sequence[str]) -> "Pictures":
        """Return some of the pictures."""
        return Pictures(self.source, tuple(names), self.size)

    def split(self, share: int) -> tuple["Pictures", "Pictures"]:
        """Return the pictures to train on and those to choose by: one in `share`, by hash of the name.

        Raises:
            UserError: Nothing would be left to train on.
        """
        if share == 0:
            return self, self.select(())
        held_out = [name for name in self.names if is_held_out(name, share)]
        kept = [name for name in self.names if not is_held_out(name, share)]
        if not kept:
            raise UserError(
                f"{self.source} has only {len(self)} pictures, and all fall to validation; add more "
                "or pass --validation-share 0."
            )
        return self.select(kept), self.select(held_out)


def is_held_out(name: str, share: int) -> bool:
    """Tell whether a picture serves validation: a pure function of its file name without folders."""
    digest = hashlib.sha256(Path(name).name.encode()).digest()
    return int.from_bytes(digest[:8]) % share == 0


def open_pictures(source: Path, *, size: int) -> Pictures:
    """List the pictures of a folder or a zip archive.

    Raises:
        UserError: It is missing, damaged or holds no picture.
    """
    source = Path(source)
    if source.is_dir():
        paths = (path for path in source.rglob("*") if path.is_file())
        names = [path.relative_to(source).as_posix() for path in paths]
    elif source.is_file():
        try:
            with zipfile.ZipFile(source) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise UserError(
                f"{source} is neither a folder nor a zip archive of pictures."
            ) from error
    else:
        raise UserError(f"{source} does not exist; pass a folder or a zip archive of pictures.")
    names = sorted(name for name in names if name.lower().endswith(SUFFIXES))
    if not names:
        raise UserError(f"{source} holds no pictures ({', '.join(SUFFIXES)}).")
    return Pictures(source, tuple(names), size)


def as_tensor(pixels: Sequence[Pixels]) -> Tensor:
    """Return pictures of one size as (batch, 3, height, width) in [0, 1]."""
    stacked = torch.from_numpy(np.stack(pixels))
    return stacked.permute(0, 3, 1, 2).contiguous().to(torch.get_default_dtype()) / 255


class ContentSquares(Dataset[Tensor]):
    """Random squares of contents; square `i` depends on the seed and `i` only.

    Args:
        pictures: At least `side` pixels on the short side.
        side: Of a square.
        seed: Of the choice.
    """

    def __init__(self, pictures: Pictures, *, side: int, seed: int) -> None:
        self.pictures, self.side, self.seed = pictures, side, seed

    def __getitem__(self, index: int) -> Tensor:
        """Return square `index`, uint8 (side, side, 3)."""
        random = numpy_stream(self.seed, "content square", index)
        picture = self.pictures.read(int(random.integers(len(self.pictures))))
        return torch.from_numpy(random_square(picture, self.side, random=random))


def load_squares(
    squares: ContentSquares, indices: Sequence[Sequence[int]], *, workers: int
) -> DataLoader[Tensor]:
    """Return batches of squares, (batch, side, side, 3) uint8, read ahead by worker processes."""
    batches = cast("Any", [list(batch) for batch in indices])
    return DataLoader(squares, batch_sampler=batches, num_workers=workers)


class _Member(io.BytesIO):
    """The content of an archive's member that calls itself by its name in messages."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self._name = name

    def __str__(self) -> str:
        return self._name


@lru_cache(maxsize=_KEPT)
def _read_scaled(source: Path, name: str, size: int) -> Pixels:
    """Return a picture whose short side is `size`."""
    pixels = np.moveaxis(_read(source, name), 0, -1)
    image = Image.fromarray(np.round(pixels * 255).astype(np.uint8))
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def _read(source: Path, name: str) -> NDArray[np.float32]:
    """Return a picture of a folder or an archive in [0, 1]."""
    if source.is_dir():
        return read_image(source / name)
    try:
        with zipfile.ZipFile(source) as archive:
            member = _Member(archive.read(name), f"{source}/{name}")
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{source}/{name} cannot be read; make the archive again.") from error
    return read_image(cast("Path", member))
