"""PyG's layers for tests, whose import warns of torch's own plans."""

import warnings

import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch_geometric.nn as pyg

__all__ = ["awkward_graph_edges", "pyg", "weight_gradients"]


def awkward_graph_edges() -> tuple[torch.Tensor, int]:
    """Return distinct edges and the number of nodes: isolated ones, sinks, sources and some self-loops."""
    generator = torch.Generator().manual_seed(3)
    edges = torch.randint(0, 9, (2, 40), generator=generator)
    edges = torch.cat([edges, torch.tensor([[1, 4, 11], [1, 4, 2]])], dim=1)
    return edges.unique(dim=1), 13


def weight_gradients(module: torch.nn.Module) -> list[torch.Tensor]:
    """Return the gradients of all parameters."""
    return [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
