"""Arrays in npy and npz files of strangers: no pickles, nothing larger than announced, one sentence when damaged."""

import io
import math
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tenfold_shared.errors import UserError

LIMIT_BYTES = 4 * 2**30
"""The arrays of a file may take so much memory in all."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, SyntaxError)
_DAMAGED += (NotImplementedError, RuntimeError, TypeError, OverflowError, MemoryError)
_DAMAGED += (tokenize.TokenError,)  # headers in the notation of Python 2 are tokenized


def read_arrays(path: Path, *, skip: tuple[str, ...] = ()) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of an npz file by name; those of objects are left out, since they are pickles.

    Args:
        path: What `numpy.savez` or `savez_compressed` wrote.
        skip: Names that are not read.

    Raises:
        UserError: It is missing, damaged or larger than `LIMIT_BYTES`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            members = [m for m in members if m.filename.removesuffix(".npy") not in skip]
            total = sum(member.file_size for member in members)
            if total > LIMIT_BYTES:
                raise UserError(
                    f"{path} announces {total} bytes of arrays, more than {LIMIT_BYTES}; store "
                    "them sparse or in parts."
                )
            found = {
                m.filename.removesuffix(".npy"): _parse(archive.read(m), m.filename)
                for m in members
            }
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the path.") from error
    except _DAMAGED as error:
        raise UserError(
            f"{path} is no npz file or is damaged ({_one_line(error)}); fetch or write it again."
        ) from error
    arrays = {name: array for name, array in found.items() if array is not None}
    if not arrays:
        raise UserError(f"{path} holds no arrays of numbers; write them with numpy.savez.")
    return arrays


def read_array(path: Path) -> np.ndarray[Any, Any]:
    """Return the array in an npy file.

    Raises:
        UserError: It is missing, damaged, of objects or larger than `LIMIT_BYTES`.
    """
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise UserError(f"{path} is larger than {LIMIT_BYTES} bytes; store it in parts.")
        array = _parse(path.read_bytes(), path.name)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the path.") from error
    except _DAMAGED as error:
        raise UserError(
            f"{path} is no npy file or is damaged ({_one_line(error)}); fetch or write it again."
        ) from error
    if array is None:
        raise UserError(f"{path} holds pickled objects, which are not read; write numbers.")
    return array


def _parse(content: bytes, name: str) -> np.ndarray[Any, Any] | None:
    """Return one array, or None for one of objects, without believing its header."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{name} has an unknown version")
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files of Python 2
        shape, _, dtype = read(stream)
    if dtype.hasobject:
        return None
    if math.prod(shape) * dtype.itemsize != len(content) - stream.tell() or dtype.itemsize == 0:
        raise ValueError(f"{name} is not as long as it announces")
    stream.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = np.lib.format.read_array(stream, allow_pickle=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _one_line(error: BaseException) -> str:
    """Return the first line of an error, or its kind if it says nothing."""
    lines = str(error).splitlines()
    return lines[0][:120] if lines else type(error).__name__
