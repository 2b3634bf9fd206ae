"""How true students are to their teacher on labeled pictures: accuracy, agreement, calibration, class by class."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dfad_distillation.calibration import bin_by_confidence, fit_temperature
from dfad_distillation.config import InputSpace
from dfad_distillation.data import LabeledPictures
from dfad_distillation.metrics import Scores, agreement, confusion_matrix, logits_of
from dfad_distillation.picture_folders import VOID
from tenfold_shared.errors import UserError
from tenfold_shared.plots import COLORS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_labels(pictures: LabeledPictures, logits: Tensor) -> None:
    """Refuse labels that are no answers of a network.

    Args:
        pictures: With labels of pictures or of pixels.
        logits: Of any pictures.

    Raises:
        UserError: The number of classes differs, or pictures and pixels are mixed up.
    """
    classes, outputs = len(pictures.classes), logits.shape[1]
    if classes != outputs:
        raise UserError(
            f"{pictures.name} has {classes} classes and the network {outputs} outputs; pass pictures with "
            "the classes that it was trained for."
        )
    if (logits.ndim == 2) != (pictures.task == "classification"):
        kinds = ("pictures", "pixels") if logits.ndim == 4 else ("pixels", "pictures")
        raise UserError(
            f"{pictures.name} has labels of {kinds[0]} and the network answers for {kinds[1]}; pass "
            "pictures that are labeled as it was trained."
        )


def in_size_of_labels(logits: Tensor, pictures: LabeledPictures) -> Tensor:
    """Return logits of pixels in the size of the masks, bilinearly; those of pictures as they are."""
    size = pictures.labels.shape[1:]
    if logits.ndim == 2 or logits.shape[2:] == size:
        return logits
    return nn.functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def compare_with_teacher(
    networks: Mapping[str, nn.Module],
    pictures: LabeledPictures,
    space: InputSpace,
    *,
    device: torch.device | str = "cpu",
) -> list[dict[str, Any]]:
    """Return rows of name, value, unit, reference and ratio; the first network is the teacher and the reference.

    Args:
        networks: By the name in the table.
        pictures: With labels.
        space: What all of them read.
        device: Where the networks are.
    """
    rows: list[dict[str, Any]] = []
    known: dict[str, float] = {}
    teacher: Tensor | None = None
    for name, network in networks.items():
        logits = torch.cat(list(logits_of(network, pictures.images, space, device=device)))
        teacher = logits if teacher is None else teacher
        for what, value in _figures(logits, teacher, pictures).items():
            reference = known.setdefault(what, value)
            ratio = value / reference if reference else None
            rows.append(
                {
                    "name": f"{name}: {what}", "value": value, "unit": "",
                    "reference": reference, "ratio": ratio,
                }
            )  # fmt: skip
    return rows


def _figures(logits: Tensor, teacher: Tensor, pictures: LabeledPictures) -> dict[str, float]:
    """Return all figures of one network."""
    classes = len(pictures.classes)
    check_labels(pictures, logits)
    logits, teacher = (in_size_of_labels(one, pictures) for one in (logits, teacher))
    said = logits.argmax(1)
    scores = Scores(
        task=pictures.task,
        confusion=confusion_matrix(pictures.labels, said, classes=classes),
        classes=pictures.classes,
    )
    figures = dict(scores.numbers())
    figures["agreement with the teacher"] = agreement(logits, teacher, labels=pictures.labels)
    figures["calibration error"] = bin_by_confidence(logits, pictures.labels).error
    figures["temperature that labels ask for"] = fit_temperature(logits, pictures.labels)
    for name, value in scores.per_class.items():
        figures[f"class {name}"] = value
    for number, name in enumerate(pictures.classes):
        of_class = pictures.labels == number
        if bool(of_class.any()):
            labels = pictures.labels.where(of_class, VOID)
            figures[f"agreement on class {name}"] = agreement(logits, teacher, labels=labels)
    return figures


def reliability_diagram(
    networks: Mapping[str, nn.Module], pictures: LabeledPictures, space: InputSpace
) -> "Figure":
    """Draw accuracy against confidence; below the diagonal a network is too sure of itself.

    Args:
        networks: By the name in the legend.
        pictures: With labels.
        space: What all of them read.
    """
    figure, axes = new_figure(width=5.0, height=4.6)
    plot = axes[0, 0]
    plot.plot([0, 1], [0, 1], color=COLORS[6], linestyle="--", linewidth=1)
    for color, (name, network) in zip(COLORS, networks.items(), strict=False):
        logits = torch.cat(list(logits_of(network, pictures.images, space)))
        check_labels(pictures, logits)
        found = bin_by_confidence(in_size_of_labels(logits, pictures), pictures.labels)
        used = found.share > 0
        plot.plot(
            found.confidence[used].numpy(), found.accuracy[used].numpy(), marker="o",
            color=color, label=f"{name}, error {found.error:.3f}",
        )  # fmt: skip
    plot.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    plot.legend()
    return figure
