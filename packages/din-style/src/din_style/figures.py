"""Figures of styles and methods: grids, sweeps, triangles, spheres, scatter, latency, curves, codes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tenfold_shared.images import image_grid
from tenfold_shared.plots import COLORS, line_chart, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pixels = NDArray[np.float32]
MARKERS = "osD^vPX*<>"


def grid_picture(
    contents: Sequence[Pixels], styles: Sequence[Pixels], cells: Sequence[Sequence[Pixels]]
) -> Pixels:
    """Lay stylized squares out: styles above, contents to the left.

    Args:
        contents: squares (3, size, size), one for each row.
        styles: squares of the same size, one for each column.
        cells: stylized squares, row by row.

    Raises:
        ValueError: if rows or columns are more or fewer than contents or styles.
    """
    if len(cells) != len(contents) or any(len(row) != len(styles) for row in cells):
        raise ValueError(
            f"need {len(contents)} rows of {len(styles)} pictures, "
            f"got {[len(row) for row in cells]}"
        )
    corner = np.ones_like(contents[0])
    images = [corner, *styles]
    for content, row in zip(contents, cells, strict=True):
        images += [content, *row]
    return image_grid(images, columns=len(styles) + 1, padding=3)


def sweep_figure(
    rows: Sequence[Sequence[Pixels]], titles: Sequence[Sequence[str]], *, height: float = 2.0
) -> "Figure":
    """Show rows of pictures under their titles, each row a control that is turned.

    Args:
        rows: pictures (3, height, width), equally many in each row.
        titles: one for each picture.
        height: of a row, in inches.
    """
    figure, axes = new_figure(
        rows=len(rows), columns=len(rows[0]), width=height * len(rows[0]), height=height * len(rows)
    )
    for line, images, names in zip(axes, rows, titles, strict=True):
        for plot, image, name in zip(line, images, names, strict=True):
            plot.imshow(np.moveaxis(np.clip(image, 0, 1), 0, -1))
            plot.set_title(name, fontsize=9)
            plot.set_axis_off()
    return figure


def triangle_figure(
    pictures: Mapping[tuple[float, float], Pixels], names: tuple[str, str, str]
) -> "Figure":
    """Show pictures in a triangle: content above, one style in each lower corner.

    Args:
        pictures: by (share of the first style, share of the second); the rest is the content's.
        names: of the content and both styles.
    """
    levels = sorted({round(first + second, 6) for first, second in pictures})
    figure, axes = new_figure(width=7.2, height=6.6)
    plot = axes[0, 0]
    half = 0.46 / max(len(levels) - 1, 1)
    for (first, second), pixels in pictures.items():
        x, y = 0.5 + (second - first) / 2, 1 - (first + second)
        shown = np.moveaxis(np.clip(pixels, 0, 1), 0, -1)
        plot.imshow(shown, extent=(x - half, x + half, y - half, y + half), zorder=2)
    plot.set(xlim=(-half - 0.02, 1 + half + 0.02), ylim=(-half - 0.08, 1 + half + 0.06))
    plot.text(0.5, 1 + half + 0.01, names[0], ha="center", va="bottom")
    plot.text(0, -half - 0.01, names[1], ha="center", va="top")
    plot.text(1, -half - 0.01, names[2], ha="center", va="top")
    plot.set_aspect("equal")
    plot.set_axis_off()
    return figure


def loss_scatter(points: Mapping[str, tuple[float, float]]) -> "Figure":
    """Show methods by content and style loss; the lower left is better in both.

    Args:
        points: (content loss, style loss) by the name of the method.
    """
    figure, axes = new_figure(width=6.4, height=4.6)
    plot = axes[0, 0]
    for index, (name, (content, style)) in enumerate(points.items()):
        color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
        plot.scatter(content, style, s=70, color=color, marker=marker, label=name, zorder=3)
    plot.set(xlabel="content loss (changed layout)", ylabel="style loss (missed style)")
    plot.set_xlim(left=-0.2)
    plot.set_ylim(bottom=0)
    plot.grid(alpha=0.3)
    plot.legend(fontsize=8)
    return figure


def latency_figure(seconds: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> "Figure":
    """Show processor time against the size of the picture, both logarithmic.

    Args:
        seconds: (sides in pixels, CPU seconds) by the name of the network.
    """
    figure = line_chart(seconds, x_label="side of the square (pixels)", y_label="CPU seconds")
    plot = figure.axes[0]
    plot.set(xscale="log", yscale="log")
    sides = sorted({side for known, _ in seconds.values() for side in known})
    plot.set_xticks(sides, [str(side) for side in sides])
    plot.minorticks_off()
    for line in plot.get_lines():
        line.set_marker("o")
    return figure


def training_curve(rows: Sequence[Mapping[str, float]]) -> "Figure":
    """Show losses over steps.

    Args:
        rows: of a metrics file: `step`, and losses by name.

    Raises:
        ValueError: if no row has a style loss.
    """
    series = {}
    for name in ("style", "content"):
        known = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
        if known:
            steps, values = zip(*known, strict=True)
            series[f"{name} loss"] = (np.asarray(steps), _smoothed(np.asarray(values)))
    if "style loss" not in series:
        raise ValueError("there is no style loss in these metrics; name the folder of a training")
    figure = line_chart(series, x_label="step", y_label="loss on training squares, smoothed")
    figure.axes[0].set_yscale("log")
    return figure


def codes_map(codes: NDArray[np.float64], kinds: Sequence[str]) -> "Figure":
    """Show style codes on their first two principal components, colored by kind.

    Args:
        codes: one row for each style; columns are divided by their spread.
        kinds: class of each style.

    Raises:
        ValueError: if there are fewer than three styles, or not one kind for each.
    """
    if len(codes) < 3 or len(kinds) != len(codes):
        raise ValueError(f"need three styles or more with kinds, got {len(codes)}, {len(kinds)}")
    centered = codes - codes.mean(0)
    spread = centered.std(0)
    left, size, _ = np.linalg.svd(
        centered / np.where(spread > 1e-9, spread, 1), full_matrices=False
    )
    places = left[:, :2] * size[:2]
    share = size**2 / np.sum(size**2)
    figure, axes = new_figure(width=6.4, height=4.8)
    plot = axes[0, 0]
    for index, kind in enumerate(sorted(set(kinds))):
        chosen = np.array([known == kind for known in kinds])
        color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
        plot.scatter(*places[chosen].T, s=26, color=color, marker=marker, label=kind)
    plot.set(
        xlabel=f"first component ({share[0]:.0%} of the variance)",
        ylabel=f"second component ({share[1]:.0%})",
    )
    plot.legend(fontsize=8)
    plot.grid(alpha=0.3)
    return figure


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an exponential mean with a memory of a fiftieth of the curve."""
    share = 2 / (1 + max(1.0, len(values) / 50))
    smooth = np.empty(len(values))
    level = float(values[0])
    for index, value in enumerate(values):
        level += share * (float(value) - level)
        smooth[index] = level
    return smooth
