import torch
from pyg_reference import awkward_graph_edges

from lsp_distillation.derived_graphs import mean_weights, symmetric_weights
from lsp_distillation.edge_list import edge_list
from lsp_distillation.graph import Graph


def test_loops_and_weights_are_those_of_the_graph():
    edges, nodes = awkward_graph_edges()
    for policy in ("keep", "add", "remove"):
        graph = Graph.from_edges(edges, nodes=nodes, self_loops=policy)
        plain = edge_list(edges, nodes=nodes, self_loops=policy)
        assert int(plain.present.sum()) == graph.edges
        for weights in (mean_weights, symmetric_weights):
            x = torch.randn(nodes, 3, dtype=torch.float64)
            found = plain.add_up(x, weights(plain, torch.float64))
            rows = x[graph.sources] * weights(graph, torch.float64)[:, None]
            expected = torch.zeros(nodes, 3, dtype=torch.float64).index_add(0, graph.targets, rows)
            torch.testing.assert_close(found, expected)
