"""Figures for reports: drawn without a display, with fixed colors, written atomically."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colors, told apart by nearly everybody, without the yellow.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


def new_figure(
    *, rows: int = 1, columns: int = 1, width: float = 6.4, height: float = 4.0
) -> "tuple[Figure, NDArray[Any]]":
    """Return a figure and its axes, an array of shape (rows, columns); sizes are in inches.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        # Not pyplot: it keeps every figure alive and asks for a display.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(
            'Figures need matplotlib; run pip install "tenfold-shared[plots]".'
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_figure(figure: "Figure", path: Path, *, dots_per_inch: int = 120) -> None:
    """Write a figure; the suffix (.png, .pdf, .svg) chooses the format.

    Dates are left out, so that equal figures are equal files.

    Raises:
        ValueError: The suffix is none of these.
        UserError: The file cannot be written.
    """
    dates = {".png": {"Software": None}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    suffix = path.suffix.lower()
    if suffix not in dates:
        raise ValueError(f"figures end in .png, .pdf or .svg, got {path.name!r}")
    with atomic_path(path) as temporary:
        cast("Any", figure).savefig(temporary, dpi=dots_per_inch, metadata=dates[suffix])


def line_chart(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    baselines: Mapping[str, float] | None = None,
) -> "Figure":
    """Draw named lines, and baselines as dashed horizontal lines.

    Args:
        series: (x values, y values) of each line.
        x_label: What x is, with its unit.
        y_label: What y is, with its unit.
        title: Shown above.
        baselines: A constant per name.
    """
    figure, axes = new_figure()
    plot = axes[0, 0]
    for index, (name, (x, y)) in enumerate(series.items()):
        plot.plot(np.asarray(x), np.asarray(y), color=COLORS[index % len(COLORS)], label=name)
    for index, (name, value) in enumerate((baselines or {}).items(), start=len(series)):
        color = COLORS[index % len(COLORS)]
        plot.axhline(value, color=color, linestyle="--", label=name)
    plot.set(xlabel=x_label, ylabel=y_label, title=title)
    plot.grid(alpha=0.3)
    if len(series) + len(baselines or {}) > 1:
        plot.legend()
    return figure


def image_row(
    images: Sequence[NDArray[Any]], titles: Sequence[str], *, height: float = 2.4
) -> "Figure":
    """Show pictures side by side under their titles.

    Args:
        images: Arrays of shape (1 or 3, height, width) in [0, 1]; the sizes may differ.
        titles: One per picture.
        height: Of the row, in inches.

    Raises:
        ValueError: No pictures, or another number of titles.
    """
    if not images or len(images) != len(titles):
        raise ValueError(f"need one title per picture, got {len(images)} and {len(titles)}")
    figure, axes = new_figure(columns=len(images), width=height * len(images), height=height)
    for plot, image, title in zip(axes[0], images, titles, strict=True):
        pixels = np.moveaxis(np.clip(np.asarray(image), 0, 1), 0, -1)
        gray = pixels.shape[-1] == 1
        plot.imshow(pixels[..., 0] if gray else pixels, cmap="gray", vmin=0, vmax=1)
        plot.set_title(title, fontsize=9)
        plot.set_axis_off()
    return figure
