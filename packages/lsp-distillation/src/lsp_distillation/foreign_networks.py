"""Networks of a user's own code, by import path."""

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tenfold_shared.errors import UserError


def build_foreign(
    source: str, arguments: Mapping[str, Any], *, weights: Path | None = None
) -> nn.Module:
    """Call `package.module:factory` and fill the network with weights.

    Args:
        source: Where the factory is; the present folder is searched too.
        arguments: For the factory.
        weights: A state dictionary; None keeps those of the factory.

    Raises:
        UserError: The factory cannot be found, fails, gives no module, or the weights do not fit.
    """
    module, _, name = source.partition(":")
    before = list(sys.path)
    sys.path.insert(0, "")
    try:
        factory = getattr(import_module(module), name)
    except Exception as error:  # whatever a user's module raises
        reason = " ".join(str(error).split())
        raise UserError(
            f"{source} cannot be imported ({reason}); name package.module:factory."
        ) from error
    finally:
        sys.path[:] = before
    try:
        network = factory(**arguments)
    except Exception as error:  # whatever a user's factory raises
        reason = " ".join(str(error).split())
        raise UserError(f"{source} does not take {dict(arguments)}: {reason}.") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"{source} returned {type(network).__name__}, not a torch module.")
    if weights is not None and not weights.exists():
        raise UserError(f"{weights} does not exist; check the path of the weights.")
    if weights is not None:
        _fill(network, weights)
    return network


def _fill(network: nn.Module, path: Path) -> None:
    """Load a state dictionary."""
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(str(path))
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251 - a user's state dictionary
    except (OSError, SafetensorError, UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise UserError(
            f"{path} holds no tensors that can be read; save a state_dict()."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"{path} is no state dictionary; save module.state_dict().")
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise UserError(f"{path} does not fit the network: {first}.") from error
