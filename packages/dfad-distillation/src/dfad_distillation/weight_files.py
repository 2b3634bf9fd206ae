"""Weights that others wrote: safetensors, or PyTorch files read without running any code of theirs."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as parse_tensors
from torch import Tensor, nn

from dfad_distillation.model_files import PACKAGE
from tenfold_shared.checkpoints import load_checkpoint
from tenfold_shared.errors import UserError

_WRAPPERS = ("module.", "_orig_mod.")
_NESTS = ("state_dict", "model_state_dict", "model", "net", "network", "teacher", "student")
_SHOWN = 3


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, half precision as single, without wrappers' prefixes.

    Args:
        path: safetensors, or a state dictionary that `torch.save` wrote, alone or as the entry
            `state_dict`, `model` or the like of a dictionary.

    Raises:
        UserError: It is missing or damaged, needs unpickling of code, or holds no weights.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; check the path.") from error
    # torch.load would open safetensors as well, and fail in other ways.
    is_safe = start[8:] == b"{" or path.suffix == ".safetensors"
    content = _read_safetensors(path) if is_safe else _read_pickle(path)
    weights = {
        _plain(name): _single(tensor)
        for name, tensor in content.items()
        if isinstance(tensor, Tensor)
    }
    if not weights:
        raise UserError(f"{path} holds no weights; save the network's state_dict().")
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path} holds NaN or infinity in {name}; fetch it again.")
    return weights


def fit_weights(module: nn.Module, weights: Mapping[str, Tensor], *, path: Path) -> None:
    """Put weights into a network of the same structure, which is changed only if all fit.

    A name that a larger module gave the network, as Lightning's `model.`, may stand before all of them.

    Raises:
        UserError: Names or shapes differ; the first few are named.
    """
    wanted = module.state_dict()
    weights = _without_owner(weights, wanted)
    # Counters of batch normalization are younger than many files and change no output.
    missing = [
        name for name in wanted if name not in weights and not name.endswith("num_batches_tracked")
    ]
    unknown = [name for name in weights if name not in wanted]
    shapes = [
        f"{name} is {tuple(weights[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in weights and weights[name].shape != wanted[name].shape
    ]
    problems = [
        f"{what} {_first(names)}"
        for what, names in (("it lacks", missing), ("only it has", unknown), ("", shapes))
        if names
    ]
    if problems:
        raise UserError(
            f"{path} does not fit the network: {'; '.join(problems).strip()}. Pass the constructor "
            "and its arguments with which these weights were trained."
        )
    module.load_state_dict(dict(weights), strict=False)


def _without_owner(
    weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> Mapping[str, Tensor]:
    """Return weights without the one name before all others, if the network knows them only then."""
    owners = {name.split(".", 1)[0] for name in weights}
    if len(owners) > 1 or any(name in wanted for name in weights):
        return weights
    inner = {name.split(".", 1)[-1]: tensor for name, tensor in weights.items()}
    return inner if any(name in wanted for name in inner) else weights


def _first(names: list[str]) -> str:
    """Return the first few names and how many there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _plain(name: str) -> str:
    """Return a tensor's name without what DataParallel and torch.compile put in front."""
    while name.startswith(_WRAPPERS):
        name = name.split(".", 1)[1]
    return name


def _single(tensor: Tensor) -> Tensor:
    """Return half precision in single precision."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; of one of ours, those of its only network."""
    try:
        with cast("Any", safe_open)(path, "pt") as file:
            ours = "tenfold" in (file.metadata() or {})
        if not ours:
            return parse_tensors(path.read_bytes())
    except (SafetensorError, ValueError, KeyError, OSError, RecursionError) as error:
        raise UserError(f"{path} is damaged; fetch it again.") from error
    models = load_checkpoint(path, package=PACKAGE).models
    if len(models) != 1:
        raise UserError(
            f"{path} holds {', '.join(models)}, the state of a training; pass a finished network."
        )
    return next(iter(models.values()))


def _read_pickle(path: Path) -> Mapping[str, Any]:
    """Return the state dictionary in a file of `torch.save`, which may hold nothing but tensors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged files, which are refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} needs unpickling of code or is damaged, and is not read; save the network's "
            "state_dict(), best with safetensors."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, TypeError,
            AttributeError, zipfile.BadZipFile, AssertionError, ImportError, OverflowError,
            MemoryError) as error:  # fmt: skip
        raise UserError(f"{path} is damaged or no file of weights; fetch it again.") from error
    for _ in range(2):
        nested = [key for key in _NESTS if isinstance(content, Mapping) and key in content]
        if nested and isinstance(content[nested[0]], Mapping):
            content = content[nested[0]]
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise UserError(f"{path} holds no state dictionary; save the network's state_dict().")
    return content
