"""Pictures: what is drawn, read back from the axes."""

import numpy as np
import pytest
import torch
from tiny_training import PygTeacher, blocks, student_config

from lsp_distillation.comparison import Cell
from lsp_distillation.distillation import distill
from lsp_distillation.fidelity_ruler import RULER
from lsp_distillation.figures import (
    costs,
    feature_distances,
    neighborhood_bars,
    paired_differences,
    setting_scores,
    structure_entropies,
    training_curves,
)
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.local_structure import local_log_probabilities
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from tenfold_shared.testing import refusal

CELLS = [
    Cell(
        method=method, seed=seed, score=base + 0.01 * seed * factor, validation=0.5, epoch=1, kl=0.1,
        uniform_kl=0.2, correlation=0.5, weight=0.0, parameters=10 * factor + 1, inference_seconds=0.1,
        cpu_seconds=1.0,
    )
    for factor, (method, base) in enumerate((("teacher", 0.8), ("labels", 0.5), ("lsp", 0.6)))
    for seed in (0, 1, 2)
]  # fmt: skip


def test_differences_are_in_points_and_paired():
    plot = paired_differences(CELLS).axes[0]
    dots = [line.get_xdata() for line in plot.lines if line.get_marker() == "."]
    assert np.allclose(dots[0], [30, 29, 28])
    assert np.allclose(dots[1], [10, 11, 12])
    means = [line.get_xdata()[0] for line in plot.lines if line.get_marker() == "D"]
    assert np.allclose(means, [29, 11])
    assert [text.get_text() for text in plot.get_yticklabels()] == ["teacher", "lsp"]


def test_one_seed_has_no_interval():
    figure = paired_differences([cell for cell in CELLS if cell.seed == 0])
    assert all(len(line.get_xdata()) < 2 for line in figure.axes[0].lines[:-1])


def test_bars_are_the_local_structure():
    task = blocks()
    z = torch.randn(task.nodes, 4, generator=torch.Generator().manual_seed(0))
    figure = neighborhood_bars({"one": z, "two": 2 * z}, task.graph, (0, 3))
    graph = task.graph.with_self_loops("remove")
    values = local_log_probabilities(z, graph, RULER).exp()
    for plot, node in zip(figure.axes, (0, 3), strict=True):
        first, last = graph.offsets[node : node + 2].tolist()
        heights = [bar.get_height() for bar in plot.patches]
        # an automatic bandwidth does not see the scale of an embedding
        assert np.allclose(heights, np.tile(values[first:last].numpy(), 2))
        middles = np.array([bar.get_x() + bar.get_width() / 2 for bar in plot.patches])
        groups = middles.reshape(2, -1).mean(axis=0)
        assert np.allclose(groups, plot.get_xticks())


def test_curves_need_metrics(tmp_path):
    assert str(tmp_path) in refusal(lambda: training_curves(tmp_path))
    line = '{"step": 1, "split": "%s", "name": "%s", "value": 0.5}\n'
    (tmp_path / "metrics.jsonl").write_text(
        line % ("train", "loss") + line % ("validation", "score")
    )
    figure = training_curves(tmp_path)
    assert [len(plot.lines) for plot in figure.axes] == [1, 1]


def test_the_pass_without_the_term_is_drawn_over_the_one_with_it(tmp_path):
    terms = TermsConfig(structure=StructureConfig(weight=1.0))
    config = student_config(terms, epochs=12)
    distill(config, tmp_path, task=blocks(), teacher=PygTeacher(), device="cpu")
    loss, share, score = training_curves(tmp_path).axes
    dashed = [
        [line for line in plot.lines if line.get_linestyle() == "--"]
        for plot in (loss, share, score)
    ]
    assert [len(lines) for lines in dashed] == [2, 0, 1]  # the sum and the labels; the score
    assert all(list(line.get_xdata()) == list(range(1, 13)) for lines in dashed for line in lines)
    assert [len(line.get_xdata()) for line in share.lines] == [
        2
    ]  # in the first and the eleventh epoch


def test_a_dead_kernel_is_at_zero():
    task = blocks()
    z = torch.randn(task.nodes, 4, generator=torch.Generator().manual_seed(0))
    kernels = {"dead": KernelConfig(bandwidth=1e6), "alive": KernelConfig()}
    dead, alive = structure_entropies(z, task.graph, kernels).axes[0].lines
    assert dead.get_xdata().max() < 1e-6
    assert np.median(alive.get_xdata()) > 1e-3


def test_settings_that_were_not_tried_are_left_empty():
    means = {(-1.0, "auto"): 0.6, (1.0, "auto"): 0.5, (1.0, 3.0): 0.7}
    plot = setting_scores(means).axes[0]
    assert [text.get_text() for text in plot.get_xticklabels()] == ["auto", "1"]
    shown = plot.images[0].get_array()
    assert np.ma.getdata(np.ma.filled(shown, np.nan)).shape == (2, 2)
    assert sorted(text.get_text() for text in plot.texts) == ["0.500", "0.600", "0.700", "nan"]


def test_costs_have_a_dot_for_every_network():
    figure = costs(CELLS)
    assert [sum(len(line.get_xdata()) for line in plot.lines) for plot in figure.axes] == [9, 9]


@pytest.mark.parametrize("marked", [0, 4])
def test_distances_are_to_the_marked_point(marked):
    points = torch.rand(9, 2, generator=torch.Generator().manual_seed(0))
    figure = feature_distances({"own": points, "flat": torch.ones(9, 3)}, points, marked=marked)
    *plots, bar = figure.axes
    assert "distance to the star" in bar.get_ylabel()
    own, flat = (plot.collections[0].get_array() for plot in plots)
    expected = (points - points[marked]).norm(dim=1)
    assert np.allclose(own, (expected / expected.max()).numpy())
    assert np.allclose(flat, 0)
