"""Networks that have a name, so that a file can say which one it holds and a command can build it."""

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from torch import nn

from dfad_distillation.config import Task
from tenfold_shared.errors import UserError


class _Entry(NamedTuple):
    """Where a network is built."""

    place: str
    """Module and function; imported when used, since torchvision is slow to import."""
    task: Task
    about: str


_NETWORKS: dict[str, _Entry] = {
    "lenet5": _Entry("networks:lenet5", "classification", "LeNet-5 for 32 x 32, 61,706 parameters"),
    "lenet5_half": _Entry("networks:lenet5_half", "classification", "half of its channels, 15,738"),
    "small_cnn": _Entry("networks:SmallCNN", "classification", "six convolutions, any size"),
    "resnet18_8x": _Entry("residual_networks:resnet18_8x", "classification", "ResNet-18 of CIFAR"),
    "resnet34_8x": _Entry("residual_networks:resnet34_8x", "classification", "ResNet-34 of CIFAR"),
    "resnet18": _Entry(
        "torchvision_networks:resnet18", "classification", "torchvision's, 7x7 stem"
    ),
    "resnet34": _Entry(
        "torchvision_networks:resnet34", "classification", "torchvision's, 7x7 stem"
    ),
    "unet": _Entry("unet:unet", "segmentation", "four levels, 0.49 M parameters"),
    "unet_half": _Entry("unet:unet_half", "segmentation", "half of its channels, 0.12 M"),
    "deeplabv3_resnet50": _Entry("deeplab:deeplabv3_resnet50", "segmentation", "stride 8, ASPP"),
    "deeplabv3_mobilenetv2": _Entry(
        "deeplab:deeplabv3_mobilenetv2", "segmentation", "stride 8, ASPP"
    ),
}
NAMES = tuple(_NETWORKS)
"""Networks that have a name."""


def build_network(
    name: str, *, classes: int, channels: int, arguments: Mapping[str, Any] | None = None
) -> nn.Module:
    """Return a network with random weights, in training mode.

    Args:
        name: One of `NAMES`.
        classes: Number of outputs, of a picture or of each pixel.
        channels: Of the pictures.
        arguments: Of its constructor, such as `width`.

    Raises:
        UserError: No such network, or it does not take these arguments.
    """
    entry = _entry(name)
    module, _, function = entry.place.partition(":")
    builder: Callable[..., nn.Module] = getattr(
        import_module(f"dfad_distillation.{module}"), function
    )
    try:
        return builder(classes, channels=channels, **(arguments or {}))
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} cannot be built with {dict(arguments or {})}: {error}.") from error


def task_of(name: str) -> Task:
    """Return what a network with a name is for.

    Raises:
        UserError: No such network.
    """
    return _entry(name).task


def describe_networks() -> list[dict[str, str]]:
    """Return one row per network with a name, for tables."""
    return [
        {"name": name, "task": entry.task, "about": entry.about}
        for name, entry in _NETWORKS.items()
    ]


def _entry(name: str) -> _Entry:
    """Return the entry of a name, or say which ones there are."""
    if name in _NETWORKS:
        return _NETWORKS[name]
    close = difflib.get_close_matches(name, NAMES, n=1)
    guess = f" (did you mean {close[0]}?)" if close else ""
    raise UserError(f"there is no network named {name!r}{guess}; there are {', '.join(NAMES)}.")
