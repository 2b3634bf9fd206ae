"""Pictures of a run: samples over rounds, losses, the measure, what the networks say of samples, comparisons."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfad_distillation.config import InputSpace
from dfad_distillation.generators import to_pictures
from dfad_distillation.progress import class_histogram
from dfad_distillation.run_files import (
    Run,
    load_generator,
    paint,
    read_accuracy,
    read_progress,
)
from tenfold_shared.errors import UserError
from tenfold_shared.images import image_grid
from tenfold_shared.metrics import read_metrics
from tenfold_shared.plots import COLORS, line_chart, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = 20
"""Names of classes that fit beside an axis."""


def as_arrays(values: Tensor, space: InputSpace) -> list[NDArray[np.float32]]:
    """Return normalized pictures (N, C, H, W) as arrays of 1 or 3 channels in [0, 1]."""
    pictures = to_pictures(values, space)
    if pictures.shape[1] not in (1, 3):
        pictures = pictures.mean(1, keepdim=True)
    return list(pictures.numpy())


def sample_rows(run: Run, *, count: int = 10, seed: int = 0) -> NDArray[np.float32]:
    """Return a picture with one row per generator that was kept: the same noise, painted over the rounds."""
    rounds = run.snapshots or (None,)
    cells: list[NDArray[np.float32]] = []
    for number in rounds:
        painted = paint(load_generator(run, number), max(count, 64), seed=seed)[:count]
        cells += as_arrays(painted, run.config.input)
    return image_grid(cells, columns=count)


def losses(run: Run) -> "Figure":
    """Draw the loss of both players over the rounds."""
    rows = read_metrics(run.folder / "metrics.jsonl")
    series = {}
    for name, label in (
        ("imitation", "student's loss"),
        ("discrepancy", "what the generator reached"),
    ):
        points = [(row.step, row.value) for row in rows if row.name == name]
        series[label] = tuple(np.array(points, dtype=float).reshape(-1, 2).T)
    return line_chart(series, x_label="round", y_label="distance of logits")


def progress(run: Run) -> "Figure":
    """Draw the data-free measure of every kept student, beside its accuracy on real pictures where that is known."""
    table = read_progress(run)
    if not table:
        raise UserError(f"{run.folder} has no table of states yet; finish the run first.")
    series = {
        "agreement on generated pictures": (
            [one.round for one in table],
            [one.agreement for one in table],
        )
    }
    accuracy = read_accuracy(run)
    if accuracy:
        series["score on real pictures"] = (list(accuracy), list(accuracy.values()))
    return line_chart(series, x_label="round", y_label="share")


@torch.no_grad()
def class_balance(run: Run, teacher: nn.Module, *, count: int = 512) -> "Figure":
    """Draw how often the teacher sees each class in each kept generator's pictures: gaps mean collapse."""
    histograms = [
        class_histogram(teacher(paint(load_generator(run, number), count)))
        for number in run.snapshots
    ]
    if not histograms:
        raise UserError(f"{run.folder} has no kept generators; set states and snapshots.")
    shares = torch.stack(histograms).double()
    shares /= shares.sum(1, keepdim=True)
    figure, axes = new_figure()
    image = axes[0, 0].imshow(shares.T.numpy(), aspect="auto", cmap="viridis", vmin=0)
    axes[0, 0].set(
        xlabel="round", ylabel="class", title="share of classes that the teacher sees",
        xticks=range(len(histograms)), xticklabels=[str(n) for n in run.snapshots],
        yticks=class_ticks(shares.shape[1]),
    )  # fmt: skip
    figure.colorbar(image)
    return figure


@torch.no_grad()
def confusion_on_samples(
    run: Run, teacher: nn.Module, student: nn.Module, *, count: int = 1024
) -> "Figure":
    """Draw which classes the student says where the teacher says others, on generated pictures."""
    pictures = paint(load_generator(run), count)
    answers = [network.eval()(pictures) for network in (teacher, student)]
    said, copied = (one.argmax(1).flatten() for one in answers)
    classes = answers[0].shape[1]
    counts = torch.bincount(said * classes + copied, minlength=classes**2).view(classes, classes)
    shares = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
    figure, axes = new_figure(width=5.4, height=4.6)
    image = axes[0, 0].imshow(shares.numpy(), cmap="viridis", vmin=0, vmax=1)
    agreement = float(counts.diagonal().sum() / counts.sum())
    axes[0, 0].set(
        xlabel="student", ylabel="teacher", title=f"agreement {agreement:.3f}",
        xticks=class_ticks(classes), yticks=class_ticks(classes),
    )  # fmt: skip
    figure.colorbar(image)
    return figure


def class_ticks(classes: int) -> range:
    """Return which classes an axis names: all, or as many at equal distances as can be read."""
    return range(0, classes, math.ceil(classes / _TICKS))


def comparison_bars(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw the table of `evaluate`: the mean score of each method, its spread, and the teacher's line."""
    names = [str(row["name"]) for row in rows]
    values = [float(row["value"]) for row in rows]
    spreads = [float(row.get("spread") or 0) / 2 for row in rows]
    figure, axes = new_figure(height=0.6 + 0.42 * len(rows))
    plot = axes[0, 0]
    places = np.arange(len(rows))[::-1]
    colors = [COLORS[1] if name == names[0] else COLORS[0] for name in names]
    plot.barh(places, values, xerr=spreads, color=colors)
    reference = rows[0].get("reference")
    if reference:
        plot.axvline(float(reference), color=COLORS[6], linestyle="--", label="teacher")
        plot.legend(loc="lower right")
    plot.set(yticks=places, yticklabels=names, xlabel="score on real pictures", xlim=(0, 1))
    return figure


PALETTE = torch.tensor(
    [
        (0.5, 0.7, 0.9), (0.6, 0.2, 0.2), (0.8, 0.8, 0.6), (0.5, 0.3, 0.5), (0.3, 0.3, 0.9),
        (0.2, 0.6, 0.2), (0.9, 0.6, 0.5), (0.4, 0.4, 0.6), (0.3, 0.1, 0.6), (0.9, 0.9, 0.1),
        (0.1, 0.7, 0.8), (0.0, 0.0, 0.0),
    ]
)  # fmt: skip
"""One color per class; classes beyond repeat them."""


@torch.no_grad()
def strips(
    images: Tensor, labels: Tensor, networks: Sequence[nn.Module], space: InputSpace
) -> NDArray[np.float32]:
    """Return rows of picture, label and each network's answer, in colors of classes.

    Args:
        images: Normalized, (N, 3, H, W).
        labels: (N, H, W); 255 is drawn black.
        networks: Teacher and student.
        space: What they read.
    """
    answers = [network.eval()(images).argmax(1) for network in networks]
    cells: list[NDArray[np.float32]] = []
    shown = as_arrays(images, space)
    for i, picture in enumerate(shown):
        painted = picture if len(picture) == 3 else np.repeat(picture, 3, axis=0)
        label = nn.functional.interpolate(labels[i][None, None].float(), size=painted.shape[1:])
        maps = [label[0, 0].long(), *(answer[i] for answer in answers)]
        cells += [painted, *(_colored(one) for one in maps)]
    return image_grid(cells, columns=2 + len(networks))


def _colored(classes: Tensor) -> NDArray[np.float32]:
    """Return a map of classes (H, W) as a picture."""
    colors = PALETTE[classes.clamp(max=254) % len(PALETTE)]
    colors[classes == 255] = 0
    return colors.movedim(-1, 0).contiguous().numpy()
