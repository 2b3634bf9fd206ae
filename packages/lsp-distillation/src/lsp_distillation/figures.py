"""Pictures of local structures, trainings and comparisons."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from lsp_distillation.comparison import TEACHER, Cell
from lsp_distillation.fidelity_ruler import RULER
from lsp_distillation.graph import Graph
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.learning import SHARE_NAME
from lsp_distillation.local_structure import local_log_probabilities
from lsp_distillation.paired_statistics import paired_difference
from tenfold_shared.errors import UserError
from tenfold_shared.metrics import Metric, read_metrics
from tenfold_shared.plots import COLORS, new_figure
from tenfold_shared.records import CONFIG_NAME

_MOST_NEIGHBORS = 24


def paired_differences(cells: Sequence[Cell]) -> Figure:
    """Draw each method's difference to labels alone: a dot per seed, the mean and its 95 % interval.

    Args:
        cells: Of one comparison.
    """
    methods = [m for m in dict.fromkeys(c.method for c in cells) if m != "labels"]
    labels = [100 * one.score for one in cells if one.method == "labels"]
    figure, axes = new_figure(width=7, height=0.5 * len(methods) + 1.4)
    plot = axes[0, 0]
    for place, method in enumerate(methods):
        scores = [100 * one.score for one in cells if one.method == method]
        found = paired_difference(scores, labels)
        color = "gray" if method == TEACHER else COLORS[0]
        plot.plot(
            np.subtract(scores, labels),
            [place] * len(labels),
            ".",
            color=color,
            alpha=0.8,
            markersize=9,
        )
        if found.pairs > 1:
            plot.plot([found.low, found.high], [place, place], color=color, linewidth=2)
        plot.plot(found.mean, place, "D", color=color)
    plot.axvline(0, color="black", linewidth=0.8)
    plot.set_yticks(range(len(methods)), methods)
    plot.invert_yaxis()
    plot.set_xlabel(
        "test score less that of labels alone, in points\n(dots: seeds; bar: 95 % interval)"
    )
    return figure


def neighborhood_bars(
    embeddings: Mapping[str, Float[Tensor, "nodes width"]], graph: Graph, nodes: Sequence[int]
) -> Figure:
    """Draw the local structure of some nodes: a bar per in-neighbor and network.

    Args:
        embeddings: By name of the network, each of its own width.
        graph: Self-loops are left out.
        nodes: Which ones; of each at most the first neighbors are drawn.
    """
    graph = graph.with_self_loops("remove")
    structures = {
        name: local_log_probabilities(z, graph, RULER).exp() for name, z in embeddings.items()
    }
    figure, axes = new_figure(rows=len(nodes), width=8, height=1.7 * len(nodes) + 0.6)
    width = 0.8 / len(structures)
    for plot, node in zip(axes[:, 0], nodes, strict=True):
        first, last = graph.offsets[node : node + 2].tolist()
        last = min(last, first + _MOST_NEIGHBORS)
        places = np.arange(last - first)
        middle = (len(structures) - 1) / 2
        for index, (name, values) in enumerate(structures.items()):
            plot.bar(
                places + (index - middle) * width, values[first:last].numpy(), width, label=name,
                color=COLORS[index % len(COLORS)],
            )  # fmt: skip
        if last > first:
            plot.axhline(1 / float(graph.in_degrees[node]), color="black", linewidth=0.8)
        plot.set_xticks(places, graph.sources[first:last].tolist(), fontsize=7)
        plot.set_ylabel(f"node {node}:\nprobability", fontsize=8)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=8, ncols=len(structures), loc="outside upper center")
    axes[-1, 0].set_xlabel("in-neighbors; the line is the uniform distribution")
    return figure


def training_curves(folder: Path) -> Figure:
    """Draw the losses, the structure term's share of the gradient, and the validation score of a run.

    The pass without the structure term is drawn dashed, over the one with it.

    Args:
        folder: Run folder.

    Raises:
        UserError: It holds no metrics.
    """
    rows = read_metrics(folder / "metrics.jsonl")
    if not rows:
        raise UserError(f"{folder} holds no metrics.jsonl; name the folder of a run.")
    end = _end_of_pass(folder, rows)
    panels = {
        "train loss": [r for r in rows if r.split == "train" and r.name != SHARE_NAME],
        "gradient at the matched layer, beside the labels'": [
            r for r in rows if r.name == SHARE_NAME
        ],
        "validation items": [r for r in rows if r.split == "validation"],
    }
    panels = {title: found for title, found in panels.items() if found}
    figure, axes = new_figure(columns=len(panels), width=5 * len(panels), height=3.6)
    for plot, (title, found) in zip(axes[0], panels.items(), strict=True):
        for index, name in enumerate(dict.fromkeys(row.name for row in found)):
            of_name = [row for row in found if row.name == name]
            first = [(r.step, r.value) for r in of_name if r.step <= end]
            second = [(r.step - end, r.value) for r in of_name if r.step > end]
            color = COLORS[index % len(COLORS)]
            plot.plot(*zip(*first, strict=True), label=name.replace("_", " "), color=color)
            if second:
                plot.plot(
                    *zip(*second, strict=True),
                    "--",
                    label="_" if index else "without the term",
                    color=color,
                )
        plot.set(xlabel="step", title=title)
        plot.xaxis.set_major_locator(MaxNLocator(integer=True))
        plot.legend(fontsize=8)
        plot.set_yscale("linear" if title == "validation items" else "log")
    return figure


def _end_of_pass(folder: Path, rows: Sequence[Metric]) -> int:
    """Return the last step of a run's first pass."""
    per_epoch = min((r.step for r in rows if r.split == "validation" and r.step), default=1)
    try:
        settings = json.loads((folder / CONFIG_NAME).read_text("utf-8"))
        return int(settings["training"]["epochs"]) * per_epoch
    except (OSError, ValueError, KeyError, TypeError):
        return max(row.step for row in rows)  # the settings are gone, the curves are not


def structure_entropies(
    embedding: Float[Tensor, "nodes width"], graph: Graph, kernels: Mapping[str, KernelConfig]
) -> Figure:
    """Draw how far local structures are from uniform: a kernel whose line is at 0 is dead.

    Args:
        embedding: Of one network.
        graph: Self-loops are left out.
        kernels: By name in the legend.
    """
    graph = graph.with_self_loops("remove")
    several = graph.in_degrees > 1
    figure, axes = new_figure(width=6.4, height=3.8)
    for index, (name, kernel) in enumerate(kernels.items()):
        log_p = local_log_probabilities(embedding, graph, kernel)
        entropy = torch.zeros(graph.nodes, dtype=log_p.dtype)
        entropy.index_add_(0, graph.targets, -log_p.exp() * log_p)
        lost = 1 - entropy[several] / graph.in_degrees[several].log()
        values = lost.clamp(min=1e-9).sort().values.numpy()
        axes[0, 0].plot(
            values, np.linspace(0, 1, len(values)), label=name, color=COLORS[index % len(COLORS)]
        )
    axes[0, 0].set_xscale("log")
    axes[0, 0].set(xlabel="1 - entropy / entropy of uniform", ylabel="share of nodes below")
    axes[0, 0].legend(fontsize=8)
    return figure


def setting_scores(means: Mapping[tuple[float, Any], float]) -> Figure:
    """Draw the validation score of every weight and bandwidth as a heat map.

    Args:
        means: By weight (-1: automatic) and bandwidth.
    """
    weights = sorted({weight for weight, _ in means})
    bandwidths = sorted({width for _, width in means}, key=str)
    table = np.array([[means.get((w, b), np.nan) for w in weights] for b in bandwidths])
    figure, axes = new_figure(width=1.1 * len(weights) + 2.6, height=0.6 * len(bandwidths) + 1.8)
    plot = axes[0, 0]
    plot.imshow(table, aspect="auto", cmap="cividis")
    low = np.nanmin(table) + 0.5 * np.ptp(table[np.isfinite(table)])
    for row, column in np.ndindex(*table.shape):
        value = table[row, column]
        plot.text(
            column, row, f"{value:.3f}", ha="center", va="center",
            color="white" if value <= low else "black",
        )  # fmt: skip
    plot.set_xticks(range(len(weights)), ["auto" if w < 0 else f"{w:g}" for w in weights])
    plot.set_yticks(range(len(bandwidths)), [str(b) for b in bandwidths])
    plot.set(xlabel="weight of the structure term", ylabel="bandwidth", title="validation score")
    return figure


def costs(cells: Sequence[Cell]) -> Figure:
    """Draw test scores against weights and against inference time: every dot is a network of one seed.

    Args:
        cells: Of one comparison.
    """
    figure, axes = new_figure(columns=2, width=10, height=3.8)
    methods = list(dict.fromkeys(one.method for one in cells))
    for plot, name in zip(axes[0], ("parameters", "inference_seconds"), strict=True):
        for index, method in enumerate(methods):
            ones = [one for one in cells if one.method == method]
            plot.plot(
                [getattr(one, name) for one in ones], [one.score for one in ones], linestyle="", label=method,
                color=COLORS[index % len(COLORS)], alpha=0.7, markersize=5,
                marker="os^Dv<>P"[index % 8],
            )  # fmt: skip
        plot.set_xscale("log")
        found = sorted({getattr(one, name) for one in cells})
        plot.minorticks_off()  # their labels overlap
        if name == "parameters":  # few values, which say more than powers of ten
            plot.set_xticks(found, [f"{value:,}" for value in found])
        plot.set(xlabel=name.replace("_", " "), ylabel="test score")
        plot.grid(alpha=0.3)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=8, ncols=len(names), loc="outside upper center")
    return figure


def feature_distances(
    networks: Mapping[str, Float[Tensor, "points width"]],
    points: Float[Tensor, "points axes"],
    *,
    marked: int,
) -> Figure:
    """Draw one cloud per network, points colored by their distance to a marked one in its features (figure 1).

    Args:
        networks: Features of every point by name of the network, each of its own width.
        points: Where they are; the first two axes are drawn.
        marked: Number of the point.
    """
    figure, axes = new_figure(columns=len(networks), width=3.2 * len(networks) + 0.8, height=3.6)
    for plot, (name, features) in zip(axes[0], networks.items(), strict=True):
        distances = (features - features[marked]).norm(dim=1)
        shares = (distances / distances.max().clamp(min=1e-12)).numpy()
        dots = plot.scatter(
            points[:, 0], -points[:, 1], c=shares, cmap="viridis_r", s=14, vmin=0, vmax=1
        )
        plot.plot(points[marked, 0], -points[marked, 1], "*", color=COLORS[1], markersize=14)
        if plot is axes[0, -1]:
            label = "distance to the star in the features, of the largest"
            figure.colorbar(dots, ax=axes[0, :], shrink=0.8).set_label(label, fontsize=8)
        plot.set_title(name, fontsize=9)
        plot.set_aspect("equal")
        plot.set_axis_off()
    return figure
