"""A graph's neighborhoods and a table's are the same thing."""

import torch

from lsp_distillation.graph import Graph
from lsp_distillation.neighborhoods import ABSENT, TableNeighborhoods, neighborhoods_of

TABLE = torch.tensor([[1, 2, 3], [0, 0, 2], [2, 1, 3], [0, 0, 0]])
PRESENT = torch.tensor([[True] * 3, [True, False, True], [False] * 3, [True, False, False]])


def test_table_and_graph_agree() -> None:
    targets = torch.arange(4)[:, None].expand(4, 3)
    graph = Graph.from_edges(torch.stack([TABLE[PRESENT], targets[PRESENT]]), nodes=4)
    by_graph, by_table = neighborhoods_of(graph), TableNeighborhoods(TABLE, PRESENT)
    assert torch.equal(by_graph.degrees, by_table.degrees)
    values = torch.tensor([0.5, -1.0, 3.0, 2.0, 0.0, 1e4], dtype=torch.float64)
    places = PRESENT.flatten().nonzero()[:, 0]
    table_values = torch.full((12,), 7.0, dtype=torch.float64).index_copy(0, places, values)
    logs, table_logs = by_graph.log_softmax(values), by_table.log_softmax(table_values)
    assert torch.allclose(table_logs[places], logs, rtol=1e-12)
    assert torch.allclose(logs[:3], values[:3].log_softmax(0), rtol=1e-12)
    assert logs[5] == 0
    assert (table_logs[~PRESENT.flatten()] == ABSENT).all()
    assert not table_logs[~PRESENT.flatten()].exp().any()
    assert torch.allclose(by_graph.sums(logs.exp()), torch.tensor([1.0, 1, 0, 1]).double())
    assert torch.equal(by_table.maxima(table_logs)[[0, 1, 3]], by_graph.maxima(logs)[[0, 1, 3]])
    nodes = torch.arange(4.0, dtype=torch.float64)
    assert torch.equal(by_table.spread(nodes)[places], by_graph.spread(nodes))


def test_an_edge_and_its_reverse_are_one_pair() -> None:
    graph = Graph.from_edges(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 2]]), nodes=3)
    around = neighborhoods_of(graph)
    assert around.pairs.ends.T.tolist() == [[0, 1], [1, 2], [2, 2]]
    assert around.counts.tolist() == [2, 1, 1]
    edges = torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64)
    assert sorted(around.to_pairs(edges).tolist()) == [3, 4, 8]
    assert around.to_edges(around.to_pairs(edges)).tolist() == [3, 3, 4, 8]
    assert neighborhoods_of(graph) is around
