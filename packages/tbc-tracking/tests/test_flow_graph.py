"""The flow graph against loops over all pairs of candidates."""

import numpy as np
import pytest
from tiny_programs import SHAPE, candidates_at

from tbc_tracking.config import FlowConfig
from tbc_tracking.flow_graph import build_graph, entry_and_exit


def scene(seed=0, frames=6, count=30):
    random = np.random.default_rng(seed)
    points = [
        (random.integers(frames), random.uniform(0, SHAPE[1] - 1), random.uniform(0, SHAPE[0] - 1))
        for _ in range(count)
    ]
    points += [(t, 8.0, 8.0) for t in range(frames)]  # somebody who stands still
    candidates = candidates_at(points, length=frames)
    candidates.sigma[:] = random.uniform(0.8, 1.6, len(candidates))
    return candidates


CONFIG = {
    "move": 0.2, "reach": 2.0, "gap": 0.3, "entry": 0.6, "exit": 0.7, "border_entry": 0.65, "border": 1.5,
}  # fmt: skip


@pytest.mark.parametrize("gap_frames", [0, 1, 3, 9])
def test_edges_are_those_of_the_loops(gap_frames):
    c = scene()
    graph = build_graph(c, SHAPE, FlowConfig(gap_frames=gap_frames, **CONFIG))
    expected = {}
    for v in range(len(c)):
        for w in range(len(c)):
            step = c.frame[w] - c.frame[v]
            if not 1 <= step <= gap_frames + 1:
                continue
            sigma = (c.sigma[v] + c.sigma[w]) / 2
            moved = ((c.x[w] - c.x[v]) ** 2 + (c.y[w] - c.y[v]) ** 2) ** 0.5 / sigma
            if moved <= 2.0 * step**0.5:
                expected[v, w] = 0.2 * moved / step**0.5 + 0.3 * (step - 1)
    found = {
        (v, w): cost for v, w, cost in zip(graph.source, graph.target, graph.cost, strict=True)
    }
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected)
    assert len(found) == len(graph)
    assert any(cost == 0 for cost in found.values()), "who stands still moves for nothing"


def test_edges_are_sorted_and_pointed_at():
    c = scene()
    graph = build_graph(c, SHAPE, FlowConfig(gap_frames=2, **CONFIG))
    keys = graph.target * len(c) + graph.source
    assert (np.diff(keys) > 0).all()
    for v in range(len(c)):
        part = graph.target[graph.pointers[v] : graph.pointers[v + 1]]
        assert (part == v).all()
        assert len(part) == (graph.target == v).sum()


def test_entry_and_exit_are_free_in_time_and_cheap_at_the_border():
    c = scene()
    config = FlowConfig(**CONFIG)
    entry, leave = entry_and_exit(c, SHAPE, config, first=0)
    for v in range(len(c)):
        strip = 1.5 * c.sigma[v]
        inside = min(c.x[v], c.y[v], SHAPE[1] - 1 - c.x[v], SHAPE[0] - 1 - c.y[v])
        at_border = inside < strip
        expected_entry = 0.0 if c.frame[v] == 0 else 0.6  # the border's 0.65 is no bargain
        expected_exit = 0.0 if c.frame[v] == c.length - 1 else 0.65 if at_border else 0.7
        assert entry[v] == expected_entry
        assert leave[v] == expected_exit
    later, _ = entry_and_exit(c, SHAPE, config, first=None)
    assert (later[c.frame == 0] == 0.6).all()


def test_short_and_empty_videos_have_no_edges():
    for c in (candidates_at([(0, 3.0, 3.0)]), candidates_at([], length=4)):
        graph = build_graph(c, SHAPE, FlowConfig(gap_frames=3))
        assert len(graph) == 0
        assert len(graph.pointers) == len(c) + 1
