"""Where tensors live and how precisely the device computes."""

import os
import platform
import re
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, TypeVar, cast

import torch
from torch import nn

from tenfold_shared.errors import UserError

Precision = Literal["fp32", "bf16"]
ModuleType = TypeVar("ModuleType", bound=nn.Module)

_DEVICE_NAME = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; `auto` is CUDA, else MPS, else the CPU.

    Under `torchrun`, `auto` and `cuda` mean the GPU of this process.

    Args:
        name: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    Raises:
        ValueError: No such name.
        UserError: This machine has no such device.
    """
    if not _DEVICE_NAME.fullmatch(name):
        raise ValueError(f"device must be auto, cpu, cuda, cuda:N or mps, got {name!r}")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    apple = torch.backends.mps.is_available()
    kind = name if name != "auto" else "cuda" if gpus else "mps" if apple else "cpu"
    if kind == "cuda":
        kind = f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % max(gpus, 1)}"
    found = f"this machine has {gpus} CUDA devices, MPS {'yes' if apple else 'no'}"
    if kind.startswith("cuda") and int(kind.removeprefix("cuda:")) >= gpus:
        raise UserError(f"--device {name} is not available: {found}; use --device auto or cpu.")
    if kind == "mps" and not apple:
        raise UserError(f"--device mps is not available: {found}; use --device auto or cpu.")
    return torch.device(kind)


def autocast(device: torch.device, precision: Precision = "fp32") -> AbstractContextManager[object]:
    """Return a context in which networks compute in `precision`; keep losses outside of it.

    `bf16` has the range of `fp32`, so that gradients need no scaling.

    Raises:
        ValueError: Unknown precision.
    """
    if precision == "fp32":
        return nullcontext()
    if precision != "bf16":
        raise ValueError(f"precision must be fp32 or bf16, got {precision!r}")
    return torch.autocast(device.type, dtype=torch.bfloat16)


def compile_module(module: ModuleType, *, enabled: bool) -> ModuleType:
    """Return `module` compiled if `enabled`; it computes the same, faster after a slow start."""
    return cast("ModuleType", torch.compile(module)) if enabled else module


def unwrap_module(module: nn.Module) -> nn.Module:
    """Return the network inside the wrappers of `torch.compile` and DistributedDataParallel.

    Checkpoints hold its state, so that a network saved with wrappers loads without them.
    """
    while True:
        inner = getattr(module, "_orig_mod", None)
        if isinstance(module, nn.parallel.DistributedDataParallel):
            inner = cast("nn.Module", module.module)
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def describe_device(device: torch.device) -> str:
    """Return the name of the device for reports, e.g. `NVIDIA H200, 139 GiB` or `x86_64, 2 threads`."""
    if device.type == "cuda":
        _, memory = torch.cuda.mem_get_info(device)
        return f"{torch.cuda.get_device_name(device)}, {memory / 2**30:.0f} GiB"
    if device.type == "mps":
        return f"Apple GPU of {platform.machine()}"
    return f"{platform.machine()} processor, {torch.get_num_threads()} threads"
