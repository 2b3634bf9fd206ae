"""Pictures of density maps, tracks, counts and programs; every function returns a matplotlib figure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.config import WindowConfig
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.overlay import color_of
from tbc_tracking.tracks import Tracks
from tenfold_shared.plots import COLORS, line_chart, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tbc_tracking.bound_trace import BoundTrace

MISSED, SWITCH = "#D9D9D9", "#000000"


def density_picture(
    density: NDArray[np.float32],
    *,
    points: NDArray[np.float64] | None = None,
    truth: NDArray[np.float64] | None = None,
    title: str = "",
) -> "Figure":
    """Show a density map with the points that were found and the true ones.

    Args:
        density: map (height, width).
        points: found points as (x, y) rows in map pixels.
        truth: true points, likewise.
        title: shown above; the sum of the map if empty.
    """
    figure, plot = _picture_figure(density.shape)
    image = plot.imshow(density, cmap="magma", interpolation="nearest", vmin=0)
    if truth is not None:
        plot.scatter(*truth.T, s=60, facecolors="none", edgecolors="white", label="truth")
    if points is not None:
        plot.scatter(*points.T, s=28, c="#56E39F", marker="+", linewidths=1.4, label="tracked")
    if truth is not None or points is not None:
        plot.legend(loc="upper right", fontsize=8, framealpha=0.85)
    plot.set_title(title or f"the map sums to {density.sum():.1f} objects", fontsize=10)
    figure.colorbar(image, ax=plot, label="objects per pixel", shrink=0.85)
    return figure


def tracks_picture(
    image: NDArray[np.float32],
    tracks: Tracks,
    *,
    frame: int,
    tail: int = 15,
    truth: Tracks | None = None,
    title: str = "",
) -> "Figure":
    """Draw tracks with their recent paths over a gray frame; gaps that were filled are dotted.

    Args:
        image: frame (height, width); its range of values is stretched.
        tracks: tracks in pixels of the frame.
        frame: its number.
        tail: frames back that paths are shown.
        truth: true points, drawn as rings.
        title: shown above.
    """
    figure, plot = _picture_figure(image.shape)
    low, high = np.percentile(image, (0.5, 99.8))
    plot.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="bicubic")
    _draw_paths(plot, tracks.select((tracks.frame <= frame) & (tracks.frame >= frame - tail)))
    now = tracks.frame == frame
    colors = _colors(tracks.id[now])
    if truth is not None:
        here = truth.frame == frame
        plot.scatter(
            truth.x[here],
            truth.y[here],
            s=110,
            facecolors="none",
            edgecolors="white",
            linewidths=0.9,
        )
    plot.scatter(tracks.x[now], tracks.y[now], s=26, c=colors)
    plot.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    plot.set_title(title or f"frame {frame}: {int(now.sum())} objects", fontsize=10)
    return figure


def space_time_picture(
    panels: Mapping[str, Tracks],
    *,
    axis: str = "x",
    truth: Tracks | None = None,
    distance: float = 0.0,
) -> "Figure":
    """Draw tracks as lines over time, one panel each.

    Args:
        panels: tracks under their titles.
        axis: coordinate that is shown, `x` or `y`.
        truth: true tracks, whose colors the tracks that follow them get; white is what follows none.
        distance: largest distance at which points match, needed with `truth`.

    Raises:
        ValueError: if there is no panel or the axis is neither.
    """
    if not panels or axis not in ("x", "y"):
        raise ValueError(f"need tracks, and axis x or y, got {len(panels)} panels and {axis!r}")
    figure, axes = new_figure(columns=len(panels), width=3.6 * len(panels) + 0.4, height=5.0)
    longest = max(1, *(tracks.length for tracks in panels.values()))
    for plot, (title, tracks) in zip(axes[0], panels.items(), strict=True):
        names = {} if truth is None else followed_names(truth, tracks, distance=distance)
        for rows in _rows_by_id(tracks):
            name = int(tracks.id[rows[0]])
            shown = names.get(name) if truth is not None else name
            color = "white" if shown is None else _colors([shown])[0]
            places = getattr(tracks, axis)[rows]
            plot.plot(places, tracks.frame[rows], color=color, linewidth=1.3)
        plot.set(xlabel=f"{axis} (pixels)", ylim=(longest - 0.5, -0.5), facecolor="#16181D")
        plot.set_title(f"{title}\n{len(tracks.ids)} tracks", fontsize=10)
        if plot is not axes[0, 0]:
            plot.sharex(axes[0, 0])
            plot.yaxis.set_ticklabels([])
    axes[0, 0].set_ylabel("frame")
    return figure


def followed_names(truth: Tracks, tracks: Tracks, *, distance: float) -> dict[int, int]:
    """Return for each track the name of the true one that it follows longest.

    Args:
        truth: true tracks.
        tracks: tracks in the same pixels; those that follow none are left out.
        distance: largest distance at which points match.
    """
    from tbc_tracking.point_matching import candidate_pairs

    pairs = candidate_pairs(truth, tracks, radius=distance)
    names = np.stack([tracks.id[pairs.predicted], truth.id[pairs.truth]])
    both, frames = np.unique(names, axis=1, return_counts=True)
    order = np.argsort(frames, kind="stable")  # the longest comes last and stays
    return dict(both[:, order].T.tolist())


def counts_picture(
    counts: Mapping[str, NDArray[Any]], *, frame_interval: float | None = None
) -> "Figure":
    """Draw counts over time: of the maps, of the tracks, of the truth.

    Args:
        counts: objects in each frame, shape (frames,), under their names.
        frame_interval: seconds between frames, for an axis in seconds.
    """
    scale = frame_interval or 1.0
    figure = line_chart(
        {name: (np.arange(len(values)) * scale, values) for name, values in counts.items()},
        x_label="time (s)" if frame_interval else "frame",
        y_label="objects",
    )
    figure.axes[0].set_ylim(bottom=0)
    return figure


def residual_picture(
    density: NDArray[np.float32],
    points: NDArray[np.float64],
    *,
    size: ObjectSize,
    config: WindowConfig | None = None,
) -> "Figure":
    """Show by how much each counting window of a frame disagrees with the tracks.

    Args:
        density: map (height, width).
        points: tracked points as (x, y) rows in map pixels.
        size: sigma of the objects.
        config: the windows.
    """
    from tbc_tracking.candidates import Candidates
    from tbc_tracking.counting_windows import build_windows

    count = len(points)
    chosen = Candidates(
        frame=np.zeros(count, np.int64),
        x=points[:, 0],
        y=points[:, 1],
        sigma=size.at(points[:, 1]),
        copied=np.zeros(count, np.int64),
        length=1,
    )
    windows = build_windows(density[None], chosen, config or WindowConfig())
    residual = windows.counts - np.asarray(windows.weights.sum(axis=0)).ravel()
    rows, columns = np.unique(windows.top), np.unique(windows.left)
    grid = np.zeros((len(rows), len(columns)))
    grid[np.searchsorted(rows, windows.top), np.searchsorted(columns, windows.left)] = residual
    stride = float(np.diff(columns).min()) if len(columns) > 1 else 1.0
    figure, plot = _picture_figure(density.shape)
    # A window's residual is drawn around its center, as wide as the windows are apart.
    half = (stride - columns[0] - 1) / 2  # the first window overhangs by all but a stride
    edges = (
        columns[0] + half - stride / 2,
        columns[-1] + half + stride / 2,
        rows[-1] + half + stride / 2,
        rows[0] + half - stride / 2,
    )
    limit = max(0.5, float(np.abs(residual).max()))
    image = plot.imshow(grid, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=edges)
    plot.scatter(*points.T, s=14, c="black", marker="+", linewidths=0.8)
    plot.set(xlim=(-0.5, density.shape[1] - 0.5), ylim=(density.shape[0] - 0.5, -0.5))
    plot.set_title("what the map has beyond the tracks (red) or lacks (blue)", fontsize=10)
    figure.colorbar(image, ax=plot, label="objects per window", shrink=0.85)
    return figure


def bounds_picture(blocks: Sequence[Mapping[str, float | None]]) -> "Figure":
    """Show objective and proven bound of every time block.

    Args:
        blocks: rows with start, stop, objective and bound (None where there is none).
    """
    figure, axes = new_figure(height=3.6)
    plot = axes[0, 0]
    for index, block in enumerate(blocks):
        span = (block["start"], block["stop"])
        plot.plot(
            span, [block["objective"]] * 2, color=COLORS[0], lw=2.5,
            label="objective" if not index else None,
        )  # fmt: skip
        if block["bound"] is not None:
            bound = float(block["bound"] or 0.0)
            plot.plot(
                span, [bound] * 2, color=COLORS[1], lw=2.5, label="bound" if not index else None
            )
            plot.fill_between(span, bound, block["objective"], color=COLORS[0], alpha=0.12, lw=0)
    plot.set(xlabel="frame", ylabel="cost of the block")
    plot.grid(alpha=0.3)
    plot.legend()
    return figure


def bound_trace_picture(trace: "BoundTrace") -> "Figure":
    """Show how the best solution and the proven bound approach each other over time.

    Args:
        trace: what `trace_bounds` returned.
    """
    figure, axes = new_figure(height=3.6)
    plot = axes[0, 0]
    for values, label, color in (
        (trace.objective, "best solution", COLORS[0]),
        (trace.bound, "bound", COLORS[1]),
    ):
        plot.plot(trace.seconds, values, drawstyle="steps-post", label=label, color=color)
    plot.fill_between(
        trace.seconds, trace.bound, trace.objective, step="post", color=COLORS[0], alpha=0.12, lw=0
    )
    gap = (trace.objective[-1] - trace.bound[-1]) / max(abs(trace.objective[-1]), 1e-12)
    plot.set(xlabel="time of the solver (s)", ylabel="cost of the program")
    plot.set_title(f"gap at the end: {max(gap, 0.0):.2%}", fontsize=10)
    plot.grid(alpha=0.3)
    plot.legend()
    return figure


def timeline_picture(truth: Tracks, predicted: Tracks, *, distance: float) -> "Figure":
    """Show for every true object when it was found, under which identity, and where that changed.

    Gray is missed; a change of color with a tick is a switch; a gap between colors is a fragmentation.

    Args:
        truth: true tracks.
        predicted: tracks in the same pixels.
        distance: largest distance at which points match.
    """
    from tbc_tracking.point_matching import candidate_pairs, match_over_time

    pairs = candidate_pairs(truth, predicted, radius=distance)
    match = match_over_time(truth, predicted, pairs=pairs, radius=distance, switch_rule="last")
    figure, axes = new_figure(width=8.0, height=min(9.0, 1.4 + 0.15 * len(truth.ids)))
    plot = axes[0, 0]
    first = {int(truth.id[rows[0]]): int(truth.frame[rows[0]]) for rows in _rows_by_id(truth)}
    switches = 0
    for line, rows in enumerate(
        sorted(_rows_by_id(truth), key=lambda r: first[int(truth.id[r[0]])])
    ):
        frames, found = truth.frame[rows], match[rows] >= 0
        plot.barh([line] * len(rows), 1, left=frames - 0.5, color=MISSED, height=0.7)
        names = predicted.id[match[rows][found]]
        plot.barh(
            [line] * len(names), 1, left=frames[found] - 0.5, color=_colors(names), height=0.7
        )
        changed = np.flatnonzero(np.diff(names)) + 1
        switches += len(changed)
        plot.scatter(
            frames[found][changed] - 0.5, [line] * len(changed), marker="|", c=SWITCH, s=40
        )
    plot.set(
        xlabel="frame", ylabel="true object", xlim=(-0.5, max(truth.length, 1) - 0.5), yticks=[]
    )
    plot.set_title(
        f"{len(first)} objects, {switches} switches (black), gray where missed", fontsize=10
    )
    return figure


def _picture_figure(shape: tuple[int, ...]) -> "tuple[Figure, Axes]":
    """Return a figure of the proportions of a picture, and its axes without ticks."""
    height, width = shape[:2]
    inches = 7.0
    figure, axes = new_figure(width=inches, height=min(9.0, max(2.5, inches * height / width)))
    axes[0, 0].set(xticks=[], yticks=[])
    return figure, axes[0, 0]


def _draw_paths(plot: "Axes", tracks: Tracks) -> None:
    """Draw the path of each track; steps to and from filled points are dotted."""
    for rows in _rows_by_id(tracks):
        color = _colors(tracks.id[rows[:1]])[0]
        plot.plot(tracks.x[rows], tracks.y[rows], color=color, linewidth=1.5)
        filled = rows[tracks.interpolated[rows]]
        plot.plot(tracks.x[filled], tracks.y[filled], "o", mfc="none", color=color, markersize=4)


def _rows_by_id(tracks: Tracks) -> list[NDArray[np.int64]]:
    """Return the rows of each track in the order of time."""
    order = np.lexsort((tracks.frame, tracks.id))
    parts = np.split(order, np.flatnonzero(np.diff(tracks.id[order])) + 1)
    return [part for part in parts if len(part)]


def _colors(names: Iterable[int]) -> list[tuple[float, ...]]:
    """Return the colors of identities, as matplotlib wants them."""
    return [tuple(channel / 255 for channel in color_of(int(name))) for name in names]
