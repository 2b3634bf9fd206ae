"""For tests: run a command in process, damage files, check gradients, skip what cannot run."""

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tenfold_shared.errors import UserError
from tenfold_shared.seeds import numpy_stream

if TYPE_CHECKING:
    import torch


class CommandResult(NamedTuple):
    """What a command did."""

    code: int
    stdout: str
    stderr: str


def run_command(main: Callable[[list[str]], int], arguments: Sequence[object]) -> CommandResult:
    """Run a command's `main` in this process.

    Args:
        main: Takes the arguments and returns the exit code.
        arguments: Made into text one by one.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # a main that calls sys.exit itself
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return CommandResult(code, stdout.getvalue(), stderr.getvalue())


def refusal(call: Callable[[], object]) -> str | None:
    """Return the sentence with which `call` refuses its input, or None if it accepts it.

    Raises:
        AssertionError: The refusal has more than one line. Other exceptions pass through: they
            are the crashes that a test of bad files looks for.
    """
    try:
        call()
    except UserError as error:
        assert "\n" not in str(error), f"not one line: {error}"  # noqa: PT017
        return str(error)
    return None


def damaged_files(data: bytes, *, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield damaged versions of a file: cut at every sixteenth, then random mutations.

    The mutations, alone and together: flipped bits, overwritten runs, removed, repeated and
    inserted pieces, the first half of the file favored, since headers are there.

    Args:
        data: The intact file.
        count: How many to yield.
        seed: Chooses the mutations.
    """
    for index in range(count):
        if index < 16:
            yield data[: len(data) * index // 16]
            continue
        random = numpy_stream(seed, "damage", index)
        damaged = bytearray(data)
        for _ in range(random.integers(1, 4)):
            _mutate(damaged, random)
        yield bytes(damaged)


def _mutate(data: bytearray, random: np.random.Generator) -> None:
    """Apply one random mutation in place."""
    reach = len(data) if random.random() < 0.5 else min(len(data), 64 + len(data) // 8)
    start = int(random.integers(0, max(reach, 1)))
    stop = start + int(random.integers(1, 17))
    match int(random.integers(0, 5)):
        case 0:
            if start < len(data):
                data[start] ^= 1 << int(random.integers(0, 8))
        case 1:
            data[start:stop] = random.bytes(len(data[start:stop]))
        case 2:
            del data[start:stop]
        case 3:
            data[start:start] = data[start:stop]
        case _:
            value = int(random.choice([0, 1, 0x7F, 0x80, 0xFF]))
            data[start:stop] = bytes([value]) * len(data[start:stop])


def check_gradient(
    function: "Callable[..., torch.Tensor | tuple[torch.Tensor, ...]]",
    inputs: "Sequence[torch.Tensor]",
) -> None:
    """Compare the gradient of `function` with finite differences, in float64.

    Args:
        function: Any differentiable function of the inputs.
        inputs: Small tensors; converted to float64 and tracked.

    Raises:
        AssertionError: The gradients differ, or nothing is differentiable.
    """
    import torch
    from torch.autograd.gradcheck import GradcheckError, gradcheck

    exact = [tensor.detach().to(torch.float64, copy=True).requires_grad_() for tensor in inputs]
    try:
        gradcheck(function, exact)
    except (GradcheckError, ValueError) as error:
        raise AssertionError(str(error)) from error


def tiny_image(height: int = 16, width: int = 24, *, seed: int = 0) -> NDArray[np.float32]:
    """Return a smooth picture with a bright square, (3, height, width) in [0, 1]."""
    random = numpy_stream(seed, "tiny image")
    y, x = np.mgrid[0:height, 0:width]
    phases = random.uniform(0, 2 * np.pi, (3, 1, 1))
    image = 0.4 + 0.3 * np.sin(2 * np.pi * (x / width + y / height) + phases)
    top, left = random.integers(0, height - 3), random.integers(0, width - 3)
    image[:, top : top + 4, left : left + 4] = 1
    return image.astype(np.float32)


def pytest_collection_modifyitems(items: Sequence[Any]) -> None:
    """Skip tests marked `gpu` or `realdata` where there is none.

    Import this name into a `conftest.py`; pytest finds it there.
    """
    import pytest
    import torch

    missing: dict[str, str] = {}
    if not torch.cuda.is_available():
        missing["gpu"] = "no CUDA device"
    if not os.environ.get("TENFOLD_DATA"):
        missing["realdata"] = "TENFOLD_DATA names no folder with real data"
    for item in items:
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
