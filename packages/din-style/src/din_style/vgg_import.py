"""Pickled weights of torchvision, read without running code: the only place where `torch.load` appears."""

import pickle
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from din_style.augmentation import central_square
from din_style.data import as_tensor, open_pictures
from din_style.vgg import import_vgg
from tenfold_shared.errors import UserError

SIZE = 256
"""Side of the squares on which activations are measured."""


def import_vgg_file(file: Path, out: Path, *, pictures: Path, count: int = 80) -> None:
    """Write torchvision's VGG-16 or VGG-19 in the layout of the offline file.

    Args:
        file: state dictionary that `torch.save` wrote.
        out: safetensors file.
        pictures: folder or zip archive.
        count: pictures that are used, evenly chosen.

    Raises:
        UserError: if the file is no such state dictionary, or pictures are missing or damaged.
    """
    squares = list(_squares(pictures, count))
    try:
        import_vgg(_read_state(file), out, images=squares)
    except (ValueError, KeyError, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{file} holds no VGG of torchvision: {reason}.") from error


def _read_state(file: Path) -> dict[str, Any]:
    """Return a pickled state dictionary; only tensors are taken from it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about protocols, of files that are refused anyway
            state = torch.load(file, map_location="cpu", weights_only=True)  # noqa: TID251
    except FileNotFoundError as error:
        raise UserError(f"{file} does not exist; check the path.") from error
    except (
        OSError, EOFError, RuntimeError, ValueError, KeyError, IndexError, AttributeError, TypeError,
        pickle.UnpicklingError, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise UserError(
            f"{file} cannot be read as a state dictionary; download it again."
        ) from error
    if not isinstance(state, dict):
        raise UserError(f"{file} holds no state dictionary; pass torchvision's file.")
    return {str(key): value for key, value in state.items() if isinstance(value, Tensor)}


def _squares(source: Path, count: int) -> Iterator[Tensor]:
    """Yield the middles of evenly chosen pictures, (1, 3, size, size)."""
    pictures = open_pictures(source, size=SIZE)
    chosen = sorted({i * len(pictures) // count for i in range(count)})
    for index in chosen:
        yield as_tensor([central_square(pictures.read(index), SIZE)])
