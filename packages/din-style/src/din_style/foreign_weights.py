"""Tensors of safetensors files that others wrote: weights of VGG, MobileNetV2 and MicroAST."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from tenfold_shared.errors import UserError

LIMIT_BYTES = 2**30
"""Larger files are no weights of these networks."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file, in single precision.

    Raises:
        UserError: if the file cannot be read, is damaged, or holds numbers that are not finite.
    """
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise UserError(f"{path} is larger than 1 GiB; these are no weights of a network here.")
        tensors = load(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; check the path.") from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{path} is damaged or no safetensors file; fetch it again.") from error
    single = {name: tensor.to(torch.float32) for name, tensor in tensors.items()}
    for name, tensor in single.items():
        if not tensor.isfinite().all():
            raise UserError(f"{path} holds NaN or infinity in {name}; fetch it again.")
    return single
