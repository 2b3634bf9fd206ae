import warnings

import pytest
import torch
from pyg_reference import awkward_graph_edges

from lsp_distillation.exportable_network import export_network
from lsp_distillation.graph import Graph
from lsp_distillation.network_config import NetworkConfig
from lsp_distillation.networks import build_network


def exported(network, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(export_network(network), path)
        return torch.export.load(path).module()


CASES = [("gat", "node"), ("gcn", "node"), ("mlp", "node"), ("sage", "graph")]


@pytest.mark.parametrize(("kind", "level"), CASES)
def test_a_saved_network_gives_the_same_on_graphs_of_any_size(kind, level, tmp_path):
    config = NetworkConfig(kind=kind, width=8, heads=2, residual="linear", norm="batch")
    network = build_network(config, features=5, outputs=3, level=level)
    network(torch.randn(4, 5), Graph.from_edges(torch.tensor([[0, 1], [1, 2]]), nodes=4))
    program = exported(network, tmp_path / "network.pt2")
    edges, nodes = awkward_graph_edges()
    for count in (edges.shape[1], 9):
        some = edges[:, torch.randperm(edges.shape[1])[:count]]
        x = torch.randn(nodes + count, 5)
        expected = network.eval()(x, Graph.from_edges(some, nodes=len(x)))
        torch.testing.assert_close(program(x, some), expected)


def test_a_saved_network_on_point_clouds_gives_the_same(tmp_path):
    network = build_network("tiny-points-student", features=3, outputs=2)
    program = exported(network, tmp_path / "network.pt2")
    for clouds, points in ((1, 9), (3, 20)):
        x = torch.randn(clouds, points, 3)
        torch.testing.assert_close(program(x), network.eval()(x))
