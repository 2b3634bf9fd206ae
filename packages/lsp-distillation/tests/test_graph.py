"""Graphs against sets of edges."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_distillation.graph import Graph, join_graphs

NODES = 6
EDGES = st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=25)


def _tensor(edges: list[tuple[int, int]]) -> torch.Tensor:
    return torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T


def _set(graph: Graph) -> set[tuple[int, int]]:
    found = [(int(a), int(b)) for a, b in graph.edge_index.T]
    assert len(set(found)) == len(found)
    return set(found)


@settings(max_examples=60, deadline=None)
@given(edges=EDGES, policy=st.sampled_from(["keep", "add", "remove"]), symmetric=st.booleans())
def test_edges_are_those_of_the_set(
    edges: list[tuple[int, int]], policy: str, symmetric: bool
) -> None:
    expected = set(edges)
    if symmetric:
        expected |= {(b, a) for a, b in edges}
    if policy != "keep":
        expected = {(a, b) for a, b in expected if a != b}
    if policy == "add":
        expected |= {(a, a) for a in range(NODES)}
    graph = Graph.from_edges(_tensor(edges), nodes=NODES, self_loops=policy, symmetric=symmetric)
    assert _set(graph) == expected
    assert graph.targets.tolist() == sorted(graph.targets.tolist())
    for node in range(NODES):
        mine = graph.sources[graph.offsets[node] : graph.offsets[node + 1]].tolist()
        assert mine == sorted(a for a, b in expected if b == node)
        outgoing = graph.by_source[graph.out_offsets[node] : graph.out_offsets[node + 1]]
        assert graph.targets[outgoing].tolist() == sorted(b for a, b in expected if a == node)
    plain = Graph.from_edges(_tensor(edges), nodes=NODES, symmetric=symmetric)
    assert _set(plain.with_self_loops(policy)) == expected


def test_weights_follow_their_edges() -> None:
    edges = _tensor([(0, 1), (2, 0), (0, 1), (3, 3), (1, 0)])
    weights = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    graph = Graph.from_edges(edges, nodes=5, weights=weights, symmetric=True, self_loops="add")
    assert graph.weights is not None
    found = dict(zip(map(tuple, graph.edge_index.T.tolist()), graph.weights.tolist(), strict=True))
    loops = {(0, 0): 1, (1, 1): 1, (2, 2): 1, (3, 3): 8, (4, 4): 1}
    assert found == {(0, 1): 5, (1, 0): 16, (2, 0): 2, (0, 2): 2, **loops}


def test_a_policy_that_changes_nothing_keeps_the_object() -> None:
    graph = Graph.from_edges(_tensor([(0, 1), (1, 2)]), nodes=3)
    assert graph.with_self_loops("remove") is graph
    assert graph.with_self_loops("keep") is graph
    full = graph.with_self_loops("add")
    assert full is not graph
    assert full.with_self_loops("add") is full


def test_joined_graphs_are_blocks() -> None:
    one = Graph.from_edges(_tensor([(0, 1), (1, 0)]), nodes=3)
    two = Graph.from_edges(_tensor([(1, 0)]), nodes=2)
    joined = join_graphs([one, two])
    assert joined.nodes == 5
    assert _set(joined) == {(0, 1), (1, 0), (4, 3)}


def test_fingerprint_tells_graphs_apart() -> None:
    edges = _tensor([(0, 1), (1, 2)])
    one, same = (Graph.from_edges(e, nodes=3) for e in (edges, edges.flip(1)))
    assert one.fingerprint == same.fingerprint
    others = [
        Graph.from_edges(edges, nodes=4),
        Graph.from_edges(edges.flip(0), nodes=3),
        Graph.from_edges(edges, nodes=3, weights=torch.ones(2)),
    ]
    assert len({one.fingerprint, *(g.fingerprint for g in others)}) == 4


def test_refusals() -> None:
    edges = _tensor([(0, 1), (1, 2)])
    cases = [
        (r"\(2, edges\)", lambda: Graph.from_edges(edges[0], nodes=3)),
        (r"\(2, edges\)", lambda: Graph.from_edges(edges.repeat(2, 1), nodes=3)),
        ("integers", lambda: Graph.from_edges(edges.float(), nodes=3)),
        ("within 0 and 1", lambda: Graph.from_edges(edges, nodes=2)),
        ("within 0 and 2", lambda: Graph.from_edges(edges - 1, nodes=3)),
        ("one number per edge", lambda: Graph.from_edges(edges, nodes=3, weights=torch.ones(3))),
        ("finite", lambda: Graph.from_edges(edges, nodes=3, weights=torch.ones(2) / 0)),
        ("keep, add, remove", lambda: Graph.from_edges(edges, nodes=3, self_loops="drop")),
        ("at least one graph", lambda: join_graphs([])),
    ]
    for match, case in cases:
        with pytest.raises(ValueError, match=match):
            case()
    weighted = Graph.from_edges(edges, nodes=3, weights=torch.ones(2))
    with pytest.raises(ValueError, match="all or none"):
        join_graphs([weighted, Graph.from_edges(edges, nodes=3)])
