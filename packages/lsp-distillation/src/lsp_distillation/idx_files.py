"""IDX files, as MNIST comes in: big endian, plain or gzipped."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold_shared.errors import UserError

_LIMIT_BYTES = 2**31
_UNSIGNED_BYTE = 8


def read_idx_pair(folder: Path, stem: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return pictures (count, height, width) and labels (count,).

    Args:
        folder: Where the two files are.
        stem: `train` or `t10k`.

    Raises:
        UserError: A file is missing or damaged, or the two do not belong together.
    """
    images = read_idx(_find(folder, f"{stem}-images-idx3-ubyte"), axes=3)
    labels = read_idx(_find(folder, f"{stem}-labels-idx1-ubyte"), axes=1)
    if len(images) != len(labels) or 0 in images.shape:
        raise UserError(
            f"{folder} holds {len(images)} pictures {stem} and {len(labels)} labels; they do not "
            "belong together."
        )
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


def _find(folder: Path, name: str) -> Path:
    """Return the packed file, or the plain one if only that is there."""
    packed = folder / f"{name}.gz"
    return packed if packed.is_file() else folder / name
