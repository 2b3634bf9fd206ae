"""IDX files, as MNIST and Fashion-MNIST come in: big endian, plain or gzipped."""

import gzip
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tenfold_shared.errors import UserError

_LIMIT_BYTES = 2**31
_UNSIGNED_BYTE = 8
_STEMS = {"train": "train", "test": "t10k"}


class IdxPair(NamedTuple):
    """The two files of a part."""

    images: Path
    """Three axes: pictures, height, width."""
    labels: Path
    """One axis."""


def find_idx_pair(folder: Path, part: str) -> IdxPair | None:
    """Return the files of `train` or `test` in a folder or its subfolder `raw`, if they are there.

    Names are those of the origin, with a dash or a dot before `idx`, plain or with `.gz`.
    """
    stem = _STEMS[part]
    for place in (folder, folder / "raw"):
        found = [
            next(
                (
                    place / f"{stem}-{kind}{joint}idx{axes}-ubyte{ending}"
                    for joint in "-."
                    for ending in ("", ".gz")
                    if (place / f"{stem}-{kind}{joint}idx{axes}-ubyte{ending}").is_file()
                ),
                None,
            )
            for kind, axes in (("images", 3), ("labels", 1))
        ]
        if found[0] is not None and found[1] is not None:
            return IdxPair(found[0], found[1])
    return None


def read_idx_pair(pair: IdxPair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return pictures (count, height, width) and labels (count,).

    Raises:
        UserError: A file is damaged, or the two do not belong together.
    """
    images, labels = read_idx(pair.images, axes=3), read_idx(pair.labels, axes=1)
    if len(images) != len(labels):
        raise UserError(
            f"{pair.images} holds {len(images)} pictures and {pair.labels} {len(labels)} labels; "
            "they do not belong together."
        )
    if 0 in images.shape:
        raise UserError(f"{pair.images} holds no pictures; fetch it again.")
    return images, labels


def read_idx(path: Path, *, axes: int) -> NDArray[np.uint8]:
    """Return the array of bytes in an IDX file.

    Args:
        path: The file; a name ending in .gz is unpacked.
        axes: How many axes it must have.

    Raises:
        UserError: It is missing, damaged, cut short, or holds something else.
    """
    try:
        opener = gzip.open if path.suffix == ".gz" else Path.open
        with opener(path, "rb") as file:
            header = file.read(4 + 4 * axes)
            if header[:4] != bytes([0, 0, _UNSIGNED_BYTE, axes]) or len(header) < 4 + 4 * axes:
                raise UserError(f"{path} is no IDX file of bytes with {axes} axes; fetch it again.")
            shape = tuple(int(size) for size in np.frombuffer(header, ">u4", offset=4))
            size = math.prod(shape)
            if size > _LIMIT_BYTES:
                raise UserError(f"{path} claims {size} bytes, more than 2 GiB; fetch it again.")
            # One byte more than announced, so that a longer file is noticed.
            content = file.read(size + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the path.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is damaged or cut short ({error}); fetch it again.") from error
    if len(content) != size:
        what = "less" if len(content) < size else "more"
        raise UserError(f"{path} holds {what} than the {size} bytes it announces; fetch it again.")
    return np.frombuffer(content, np.uint8).reshape(shape)
