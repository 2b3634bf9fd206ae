"""CIFAR-10 and CIFAR-100 in their binary version; the other versions are pickles, which run code."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold_shared.errors import UserError

_PIXELS = 3 * 32 * 32
_FILES = {
    ("cifar-10-batches-bin", "train"): tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    ("cifar-10-batches-bin", "test"): ("test_batch.bin",),
    ("cifar-100-binary", "train"): ("train.bin",),
    ("cifar-100-binary", "test"): ("test.bin",),
}
_CLASS_FILES = {
    "cifar-10-batches-bin": "batches.meta.txt",
    "cifar-100-binary": "fine_label_names.txt",
}
FOLDERS = tuple(_CLASS_FILES)
"""Names of the unpacked archives."""


def read_cifar(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return pictures (count, 3, 32, 32) and fine labels (count,) of `train` or `test`.

    Args:
        folder: `cifar-10-batches-bin` or `cifar-100-binary`.
        part: `train` or `test`.

    Raises:
        UserError: A file is missing or cut short.
    """
    names = _FILES[folder.name, part]
    labels_per_record = 2 if folder.name == "cifar-100-binary" else 1  # coarse, then fine
    length = labels_per_record + _PIXELS
    records: list[NDArray[np.uint8]] = []
    for name in names:
        try:
            content = np.fromfile(folder / name, np.uint8)
        except OSError as error:
            raise UserError(f"{folder / name} cannot be read: {error.strerror}.") from error
        if not len(content) or len(content) % length:
            raise UserError(f"{folder / name} is cut short; fetch it again.")
        records.append(content.reshape(-1, length))
    whole = np.concatenate(records)
    return whole[:, labels_per_record:].reshape(-1, 3, 32, 32), whole[:, labels_per_record - 1]


def read_cifar_classes(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes, one a line.

    Raises:
        UserError: The list is missing.
    """
    path = folder / _CLASS_FILES[folder.name]
    try:
        return tuple(path.read_text("utf-8").split())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read; unpack the archive again.") from error
