"""Students: `half` finds a smaller network for a teacher; every other source builds its own."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from dfad_distillation.config import Task
from dfad_distillation.registry import NAMES, build_network

HALF = "half"
"""The source that asks for a smaller network of the teacher's kind."""
_LARGE_SIDE = 64
"""Pictures from here on are worth a stem that shrinks them."""
_WIDTHS = {"unet": 16, "unet_half": 8, "resnet34_8x": 64, "resnet18_8x": 64, "small_cnn": 32}


class StudentChoice(NamedTuple):
    """A student that can be built by name."""

    name: str
    """In the registry."""
    arguments: dict[str, Any]
    """Of its constructor, beside classes and channels."""

    def build(self, *, classes: int, channels: int) -> nn.Module:
        """Return the student with random weights, in training mode."""
        return build_network(
            self.name, classes=classes, channels=channels, arguments=self.arguments
        )


def half_student(
    teacher: str,
    *,
    shape: tuple[int, int, int],
    classes: int,
    task: Task = "classification",
    arguments: Mapping[str, Any] | None = None,
    parameters: int | None = None,
) -> StudentChoice:
    """Choose a smaller network for a teacher.

    The paper's pairs are LeNet-5 and its half, ResNet-34 and -18, DeepLabV3 with ResNet-50 and with
    MobileNetV2. U-Nets are halved in width. For a teacher of unknown kind the choice is by the picture.

    Args:
        teacher: Source of the teacher.
        shape: Channels, height and width of pictures.
        classes: Number of outputs.
        task: What the teacher is for.
        arguments: Of the teacher's constructor.
        parameters: Of the teacher; a network of our own choice then has at most half as many.
    """
    width = int((arguments or {}).get("width", 0)) or _WIDTHS.get(teacher, 0)
    name = teacher.removeprefix("torchvision:")
    if name == "lenet5":
        return StudentChoice("lenet5_half", {})
    if name == "resnet34_8x":
        return StudentChoice("resnet18_8x", {"width": width})
    if name in ("unet", "unet_half", "resnet18_8x", "small_cnn"):
        return StudentChoice(name, {"width": max(width // 2, 1)})
    if name in ("resnet34", "resnet50", "resnet101", "resnet152"):
        return StudentChoice("resnet18", {})
    if name == "deeplabv3_resnet50" and teacher in NAMES:
        return StudentChoice("deeplabv3_mobilenetv2", {})
    if task == "segmentation":
        return _narrowed("unet_half", 8, shape, classes, parameters)
    if min(shape[1:]) >= _LARGE_SIDE and _fits("resnet18", {}, shape, classes, parameters):
        return StudentChoice("resnet18", {})
    return _narrowed("small_cnn", 32, shape, classes, parameters)


def _narrowed(
    name: str, width: int, shape: tuple[int, int, int], classes: int, parameters: int | None
) -> StudentChoice:
    """Return a network as wide as half of the teacher's parameters allow."""
    while width > 1 and not _fits(name, {"width": width}, shape, classes, parameters):
        width //= 2
    return StudentChoice(name, {"width": width})


def _fits(
    name: str,
    arguments: dict[str, Any],
    shape: tuple[int, int, int],
    classes: int,
    parameters: int | None,
) -> bool:
    """Tell whether a network has at most half of the teacher's parameters."""
    if parameters is None:
        return True
    network = build_network(name, classes=classes, channels=shape[0], arguments=arguments)
    return 2 * sum(parameter.numel() for parameter in network.parameters()) <= parameters
