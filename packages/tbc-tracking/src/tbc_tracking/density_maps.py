"""Density maps supplied by the user: .npy stacks, TIFF stacks, folders of maps, read part by part."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.frames import IMAGE_SUFFIXES, list_files
from tbc_tracking.tiff import open_pages, page_values
from tenfold_shared.errors import UserError

MAP_SUFFIXES = frozenset({".npy", ".tif", ".tiff"})
NEGATIVE_LIMIT = 0.05
"""Share of the largest value by which a map may dip below zero; less is clipped, more refused."""

HEADER_ERRORS = (
    EOFError,
    MemoryError,
    OSError,
    RecursionError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
)
"""What numpy raises on damaged .npy files."""


@dataclass(frozen=True, kw_only=True)
class DensityMaps:
    """Non-negative maps whose sum over an area is the number of objects in it, read on demand.

    Index it like an array of shape (frames, height, width): `maps[3]` and `maps[10:20]` are float32
    arrays. Nothing but what is asked for is held in memory.
    """

    path: Path
    """File or folder that the maps come from."""
    shape: tuple[int, int, int]
    """Frames, height and width."""
    _read: Callable[[int], NDArray[np.float32]] = field(repr=False)

    def __len__(self) -> int:
        """Return the number of maps."""
        return self.shape[0]

    def __getitem__(self, index: int | slice) -> NDArray[np.float32]:
        """Return one map (height, width) or the maps of a slice (frames, height, width)."""
        if isinstance(index, slice):
            chosen = range(len(self))[index]
            maps = np.empty((len(chosen), *self.shape[1:]), dtype=np.float32)
            for row, frame in enumerate(chosen):
                maps[row] = self[frame]
            return maps
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame must be in [{-len(self)}, {len(self)}), got {index}")
        return np.maximum(self._read(index % len(self)), 0)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield the maps in order."""
        return (self[frame] for frame in range(len(self)))


def open_density(path: Path | str) -> DensityMaps:
    """Open density maps and check every value once.

    Args:
        path: a .npy array (frames, height, width); a TIFF stack of decimal numbers; or a folder of
            .npy or TIFF files with one map each, ordered by the numbers in their names.

    Raises:
        UserError: if nothing can be read, maps differ in size, or a value is NaN, infinite or clearly
            negative (below -5 % of the largest).
    """
    path = Path(path)
    if path.is_dir():
        shapes, read = _open_folder(path)
    elif not path.is_file():
        raise UserError(f"{path} does not exist; check the path.")
    elif path.suffix.lower() == ".npy":
        array = _map_array(path)
        if array.ndim != 3:
            raise UserError(
                f"{path} must hold an array (frames, height, width), got shape {array.shape}."
            )
        shapes, read = [array.shape[1:]] * len(array), _rows_of(array)
    elif path.suffix.lower() in MAP_SUFFIXES:
        shapes, read = _open_stack(path)
    else:
        raise UserError(f"{path} is no density map; give a .npy or .tif file, or a folder of them.")
    if not shapes or 0 in shapes[0]:
        raise UserError(f"{path} holds no density map; check that it is complete.")
    for frame, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise UserError(
                f"Map {frame} of {path} is {shape[1]} x {shape[0]}, but the first is "
                f"{shapes[0][1]} x {shapes[0][0]}; all maps must have one size."
            )
    _check_values(path, len(shapes), read)
    height, width = shapes[0]
    return DensityMaps(path=path, shape=(len(shapes), height, width), _read=read)


def _check_values(path: Path, length: int, read: Callable[[int], NDArray[np.float32]]) -> None:
    """Refuse values that no density can have; one pass, one map in memory."""
    largest, smallest, at = 0.0, 0.0, 0
    for frame in range(length):
        values = read(frame)
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise UserError(f"Map {frame} of {path} has NaN or infinite values; replace them.")
        largest = max(largest, high)
        if low < smallest:
            smallest, at = low, frame
    if smallest < -NEGATIVE_LIMIT * largest:
        raise UserError(
            f"Map {at} of {path} has the value {smallest:g}, below -{NEGATIVE_LIMIT:.0%} of the "
            f"largest ({largest:g}): densities are not negative; clip it or check its scale."
        )


def _map_array(path: Path) -> NDArray:
    """Return a read-only memory map of a .npy file, its header checked against the file's size."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice about files of Python 2
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                header = np.lib.format.read_array_header_1_0(file)
            elif version == (2, 0):
                header = np.lib.format.read_array_header_2_0(file)
            else:
                raise UserError(f"{path} has .npy version {version}; save it with numpy.save.")
            start = file.tell()
        shape, column_major, kind = header
        if kind.kind not in "fiu":
            raise UserError(f"{path} holds values of type {kind}; save it as float32.")
        missing = math.prod(shape) * kind.itemsize > path.stat().st_size - start
        if missing or min(shape, default=1) < 0:
            raise UserError(f"{path} is shorter than its header says; save it again.")
        if 0 in shape:
            return np.zeros(shape, dtype=kind)
        order = "F" if column_major else "C"
        return np.memmap(path, dtype=kind, mode="r", offset=start, shape=shape, order=order)
    except HEADER_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} is no .npy array ({reason}); save it again.") from error


def _rows_of(array: NDArray) -> Callable[[int], NDArray[np.float32]]:
    """Return a reader of the maps of a stack."""
    return lambda frame: np.asarray(array[frame], dtype=np.float32)


def _open_stack(path: Path) -> tuple[list[tuple[int, int]], Callable[[int], NDArray[np.float32]]]:
    """Return the shapes of the pages of a TIFF stack, and a reader of pages."""
    shapes = [(page.height, page.width) for page in open_pages(path, decode=False)]
    return shapes, _PageReader(path)


class _PageReader:
    """Reads pages of a TIFF stack; going forward costs one page, going back starts anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 0
        self._pages = iter(())

    def __call__(self, frame: int) -> NDArray[np.float32]:
        if frame < self._next or not self._next:
            self._pages, self._next = open_pages(self._path, decode=True), 0
        for page in self._pages:
            self._next += 1
            if self._next > frame:
                return page_values(page, name=f"Page {frame} of {self._path}")
        raise UserError(f"{self._path} lost its page {frame} while it was read; leave it in peace.")


def _open_folder(path: Path) -> tuple[list[tuple[int, int]], Callable[[int], NDArray[np.float32]]]:
    """Return the shapes of the maps of a folder, and a reader of maps."""
    files = list_files(path, MAP_SUFFIXES)
    if not files:
        found = "pictures, but no" if list_files(path, IMAGE_SUFFIXES) else "no"
        raise UserError(
            f"{path} holds {found} density maps; they are .npy or .tif files of decimal numbers that sum "
            "to the number of objects, and a network (--checkpoint) makes them of pictures."
        )
    shapes = [_single_map(file).shape for file in files]
    return shapes, lambda frame: np.asarray(_single_map(files[frame]), dtype=np.float32)


def _single_map(file: Path) -> NDArray:
    """Return the map of one file of a folder."""
    if file.suffix.lower() == ".npy":
        array = _map_array(file)
        if array.ndim != 2:
            raise UserError(f"{file} must hold one map (height, width), got shape {array.shape}.")
        return array
    return page_values(next(open_pages(file, decode=True)), name=str(file))
