import gc
import weakref

import torch
from pyg_reference import awkward_graph_edges

from lsp_distillation.derived_graphs import kept, looped, out_targets, pattern, per_head
from lsp_distillation.graph import Graph


def make_graph():
    edges, nodes = awkward_graph_edges()
    return Graph.from_edges(edges, nodes=nodes)


def test_per_head_repeats_each_edge_for_each_head():
    graph = make_graph()
    heads = per_head(graph, 3)
    expected = {
        (int(j) * 3 + head, int(i) * 3 + head) for j, i in graph.edge_index.t() for head in range(3)
    }
    assert {(int(j), int(i)) for j, i in heads.edge_index.t()} == expected
    assert heads.edges == len(expected)
    assert bool((heads.targets.diff() >= 0).all())
    assert per_head(graph, 1) is graph
    assert per_head(graph, 3) is heads


def test_what_is_kept_does_not_keep_the_graph():
    graph = make_graph()
    looped(graph.with_self_loops("add"), "add")
    per_head(graph, 2)
    pattern(graph, torch.float32)
    out_targets(graph)
    alive = weakref.ref(graph)
    del graph
    gc.collect()
    assert alive() is None


def test_a_graph_that_has_its_loops_is_returned_itself():
    graph = make_graph()
    changed = looped(graph, "add")
    assert changed is looped(graph, "add")
    assert looped(changed, "add") is changed
    assert looped(graph, "keep") is graph


def test_kept_builds_once():
    graph, calls = make_graph(), []
    for _ in range(2):
        kept(graph, "test", lambda: calls.append(1))
    assert calls == [1]
