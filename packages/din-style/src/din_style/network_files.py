"""Network files: a transfer network with its settings in one safetensors file."""

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from din_style.config import NetworkConfig
from din_style.networks import TransferNetwork, build_network
from tenfold_shared.checkpoints import load_checkpoint, save_checkpoint
from tenfold_shared.errors import UserError

PACKAGE = "din-style"
NETWORK_FILE = "network.safetensors"
"""The finished network in a run folder."""
_NAME = "network"


def save_network(
    path: Path, network: TransferNetwork, *, about: Mapping[str, Any], half: bool = False
) -> None:
    """Write a network.

    Args:
        path: The file.
        network: Any preset.
        about: What else a user should know: JSON values.
        half: Store half precision, for the wheel.

    Raises:
        UserError: The file cannot be written.
    """
    stored = copy.deepcopy(network).half() if half else network
    save_checkpoint(
        Path(path),
        models={_NAME: stored},
        metadata={"network": dataclasses.asdict(network.config), **about},
        package=PACKAGE,
    )


def load_network(path: Path) -> TransferNetwork:
    """Read a network that `save_network` wrote, ready for use.

    The state of a finished training, checkpoint.safetensors, stands for the network beside it.

    Raises:
        UserError: The file is missing, damaged or something else.
    """
    path = Path(path)
    checkpoint = load_checkpoint(path, package=PACKAGE)
    if "network" not in checkpoint.metadata:
        finished = path.with_name(NETWORK_FILE)
        if finished == path or not finished.exists():
            raise UserError(
                f"{path} holds no finished network; finish its training, which writes {NETWORK_FILE} "
                "beside it."
            )
        return load_network(finished)
    try:
        config = NetworkConfig(**checkpoint.metadata["network"])
        network = build_network(config)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} describes no transfer network; train it again.") from error
    checkpoint.restore(models={_NAME: network})
    require_finite(path, network)
    return network.eval()


def require_finite(path: Path, network: nn.Module) -> None:
    """Refuse weights that are NaN or infinite.

    Raises:
        UserError: There are such weights.
    """
    for name, tensor in network.state_dict().items():
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path}: {name} is not finite; train again with a lower rate.")
