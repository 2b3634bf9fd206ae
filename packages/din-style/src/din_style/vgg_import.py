"""VGG of torchvision as a safetensors file, with the mean activations by which it is normalized."""

import pickle
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from din_style.augmentation import central_square
from din_style.data import as_tensor, open_pictures
from din_style.vgg import layers_from_torchvision, load_vgg, mean_activations
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically

SIZE = 256
"""Side of the squares on which activations are measured."""


def import_vgg(file: Path, out: Path, *, pictures: Path, count: int = 80) -> list[str]:
    """Write torchvision's VGG-16 or VGG-19 in the layout of the offline file; return its layers.

    Args:
        file: state dictionary that `torch.save` wrote.
        out: safetensors file.
        pictures: folder or zip archive.
        count: pictures that are used, evenly chosen.

    Raises:
        UserError: if the file is no such state dictionary, or pictures are missing or damaged.
    """
    tensors: dict[str, Tensor] = {"input.std": torch.ones(1)}
    try:
        layers = layers_from_torchvision(_read_state(file))
    except (ValueError, KeyError, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{file} holds no VGG of torchvision: {reason}.") from error
    for name, weight, bias in layers:
        tensors[f"conv{name}.weight"] = weight.contiguous()
        tensors[f"conv{name}.bias"] = bias.contiguous()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.safetensors"
        raw.write_bytes(save(tensors))
        # As read again, the first convolution takes RGB in [0, 1].
        unit_layers = load_vgg(raw, normalize=False).layers()
    means = mean_activations(unit_layers, _squares(pictures, count))
    tensors |= {f"relu{name}.mean_act": mean.contiguous() for name, mean in means.items()}
    write_atomically(out, save(tensors))
    return [layer.name for layer in layers]


def _read_state(file: Path) -> dict[str, Any]:
    """Return a pickled state dictionary; only tensors are taken from it."""
    try:
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
