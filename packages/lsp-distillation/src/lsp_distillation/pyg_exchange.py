"""Weights to and from torch-geometric's layers, exact in output.

PyG is imported when a function is called. `GATConv(concat=False, residual=True)` has one residual map for all
heads, where ours has one per head: the export holds their mean, the import repeats it, and outputs are equal.
"""

from copy import deepcopy
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lsp_distillation.attention import GraphAttention
from lsp_distillation.convolutions import (
    GinConvolution,
    GraphConvolution,
    NodeLinear,
    SageConvolution,
)
from lsp_distillation.network_config import NetworkConfig
from lsp_distillation.networks import ACTIVATIONS, GraphNetwork, WithResidual
from lsp_distillation.pooling import pool_graphs


class PygNetwork(nn.Module):
    """The same network in PyG's layers `convs`, called with (x, edge_index[, edge_weight, batch]).

    Made by `to_pyg`. Normalization, activation and dropout stand between the layers as in `GraphNetwork`.
    """

    def __init__(self, network: GraphNetwork) -> None:
        super().__init__()
        self.config, self.features, self.outputs = network.config, network.features, network.outputs
        add = network.config.self_loops == "add"
        layers = deepcopy(network.layers)
        self.convs = nn.ModuleList(layer_to_pyg(layer, add_self_loops=add) for layer in layers)
        self.residuals = nn.ModuleList(
            layer.residual if isinstance(layer, WithResidual) else Zero() for layer in layers
        )
        self.norms, self.readout = deepcopy(network.norms), deepcopy(network.readout)
        self.train(network.training)

    def forward(
        self,
        x: Float[Tensor, "nodes features"],
        edge_index: Int[Tensor, "2 edges"],
        edge_weight: Float[Tensor, " edges"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
    ) -> Float[Tensor, "rows outputs"]:
        """Return what the network returns on the graph of these edges."""
        for index, (conv, residual) in enumerate(zip(self.convs, self.residuals, strict=True)):
            x = nn.functional.dropout(x, self.config.dropout, training=self.training)
            x = self._call(conv, x, edge_index, edge_weight) + residual(x)
            if index < len(self.norms):
                x = ACTIVATIONS[self.config.activation](self.norms[index](x))
        return x if self.readout is None else self.readout(pool_graphs(x, batch))

    def _call(
        self, conv: nn.Module, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        """Call one layer; only GCN uses weights, and a linear layer no edges."""
        if self.config.kind == "mlp":
            return conv(x)
        return (
            conv(x, edge_index, edge_weight) if self.config.kind == "gcn" else conv(x, edge_index)
        )


class Zero(nn.Module):
    """What a layer without a residual adds."""

    def forward(self, x: Tensor) -> Tensor:
        """Return 0."""
        return x.new_zeros(())


def to_pyg(network: GraphNetwork) -> PygNetwork:
    """Return a copy of a network in PyG's layers, with equal outputs.

    Raises:
        ValueError: The network removes self-loops, which PyG's attention and GCN do not.
    """
    if network.config.self_loops == "remove" and network.config.kind in ("gat", "gcn"):
        raise ValueError(
            "PyG's layers keep or add self-loops, but this network removes them; remove them from the "
            "edges and set self_loops to keep"
        )
    return PygNetwork(network)


def layer_to_pyg(layer: nn.Module, *, add_self_loops: bool) -> nn.Module:
    """Return a layer of `GraphNetwork.layers`, without a residual beside it, as PyG's.

    Args:
        layer: Its weights are copied.
        add_self_loops: Whether attention and GCN add those that are missing.
    """
    inner = cast("Any", layer.layer if isinstance(layer, WithResidual) else layer)
    conv = _new_conv(inner, add_self_loops=add_self_loops)
    with torch.no_grad():
        for own, other in _pairs(inner, conv):
            other.copy_(own.mean(0) if own.ndim > other.ndim else own)
    return conv.to(next(inner.parameters()))


def from_pyg(module: nn.Module, *, activation: str | None = None) -> GraphNetwork:
    """Return our network with the weights of PyG's layers, with equal outputs.

    Args:
        module: A network of `to_pyg`, or one of PyG's `GAT`, `GCN` and `GraphSAGE` without normalization,
            jumping knowledge and options of its layers that ours do not have.
        activation: Between the layers of a PyG network, elu or relu. None: its own.

    Raises:
        ValueError: The layers cannot be ours.
    """
    if isinstance(module, PygNetwork):
        network = _same_network(module)
    else:
        convs = _checked_convs(module)
        own = type(getattr(module, "act", nn.ReLU())).__name__.lower()
        config = _config_of(module, convs, activation=activation or own)
        first, last = convs[0], convs[-1]
        network = GraphNetwork(config, features=first.in_channels, outputs=last.out_channels)
    with torch.no_grad():
        for layer, conv in zip(network.layers, cast("Any", module).convs, strict=True):
            inner = layer.layer if isinstance(layer, WithResidual) else layer
            for own, other in _pairs(inner, conv):
                own.copy_(other)  # one residual map for all heads is repeated
    return network.to(next(module.parameters())).train(module.training)


_KINDS = {"GATConv": "gat", "GCNConv": "gcn", "SAGEConv": "sage"}
_OPTIONS: dict[str, dict[str, object]] = {
    "gat": {"edge_dim": None, "negative_slope": 0.2, "aggr": "add"},
    "gcn": {"improved": False, "normalize": True, "aggr": "add"},
    "sage": {"project": False, "root_weight": True, "normalize": False, "aggr": "mean"},
}
"""What options of PyG's layers must be."""


def _new_conv(inner: Any, *, add_self_loops: bool) -> nn.Module:
    """Return a PyG layer of the same shape."""
    import torch_geometric.nn as pyg

    bias = getattr(inner, "bias", None) is not None
    if isinstance(inner, GraphAttention):
        return pyg.GATConv(
            inner.features,
            inner.width,
            heads=inner.heads,
            concat=inner.concat,
            negative_slope=inner.slope,
            dropout=inner.attention_dropout,
            add_self_loops=add_self_loops,
            bias=bias,
            residual=inner.residual is not None,
        )
    sizes = (
        inner.in_features if isinstance(inner, NodeLinear) else inner.features,
        inner.out_features,
    )
    if isinstance(inner, GraphConvolution):
        return pyg.GCNConv(*sizes, add_self_loops=add_self_loops, bias=bias)
    if isinstance(inner, SageConvolution):
        return pyg.SAGEConv(*sizes, bias=inner.neighbors.bias is not None)
    if isinstance(inner, GinConvolution):
        bias = inner.first.bias is not None
        last = nn.Linear(sizes[1], sizes[1], bias=bias)
        network = nn.Sequential(nn.Linear(*sizes, bias=bias), nn.ReLU(), last)
        return pyg.GINConv(network, train_eps=True)
    return nn.Linear(*sizes, bias=bias)


def _pairs(layer: Any, conv: Any) -> list[tuple[Tensor, Tensor]]:
    """Return corresponding weights, ours first; our residual of averaged heads has one dimension more."""
    if isinstance(layer, GraphAttention):
        heads, width = layer.heads, layer.width
        found: list[tuple[Tensor, Tensor]] = [
            (layer.weight, conv.lin.weight),
            (layer.attention_source, conv.att_src.view(heads, width)),
            (layer.attention_target, conv.att_dst.view(heads, width)),
        ]
        if layer.residual is not None:
            shape = (heads * width, -1) if layer.concat else (heads, width, layer.features)
            found.append((layer.residual.view(shape), conv.res.weight))
        return found + _pairs_of(layer, conv, "bias")
    if isinstance(layer, GraphConvolution):
        return [(layer.weight, conv.lin.weight), *_pairs_of(layer, conv, "bias")]
    if isinstance(layer, SageConvolution):
        found = _pairs_of(layer.neighbors, conv.lin_l, "weight", "bias")
        return found + _pairs_of(layer.root, conv.lin_r, "weight")
    if isinstance(layer, GinConvolution):
        found = _pairs_of(layer.first, conv.nn[0], "weight", "bias")
        found += _pairs_of(layer.second, conv.nn[2], "weight", "bias")
        return [(layer.epsilon, conv.eps.view(())), *found]
    return _pairs_of(layer, conv, "weight", "bias")


def _pairs_of(own: nn.Module, other: nn.Module, *names: str) -> list[tuple[Tensor, Tensor]]:
    """Return the parameters of these names that exist."""
    return [
        (getattr(own, name), getattr(other, name))
        for name in names
        if getattr(own, name) is not None
    ]


def _same_network(module: PygNetwork) -> GraphNetwork:
    """Return a network of the same configuration with what stands beside the layers copied."""
    level = "node" if module.readout is None else "graph"
    network = GraphNetwork(
        module.config, features=module.features, outputs=module.outputs, level=level
    )
    network.norms.load_state_dict(module.norms.state_dict())
    if network.readout is not None and module.readout is not None:
        network.readout.load_state_dict(module.readout.state_dict())
    for layer, residual in zip(network.layers, module.residuals, strict=True):
        if isinstance(layer, WithResidual):
            layer.residual.load_state_dict(residual.state_dict())
    return network


def _checked_convs(module: nn.Module) -> list[Any]:
    """Return the layers of a PyG network; refuse those that ours cannot be."""
    convs = list(getattr(module, "convs", None) or [])
    names = sorted({type(conv).__name__ for conv in convs})
    if len(names) != 1 or names[0] not in _KINDS:
        raise ValueError(
            f"convs must be layers of one kind of {', '.join(_KINDS)}; got {', '.join(names) or 'none'}"
        )
    norms = getattr(module, "norms", None) or []
    if getattr(module, "lin", None) is not None or not all(
        isinstance(n, nn.Identity) for n in norms
    ):
        raise ValueError("networks with normalization or jumping knowledge cannot be taken over")
    for conv in convs:
        for name, value in _OPTIONS[_KINDS[names[0]]].items():
            if getattr(conv, name) != value:
                raise ValueError(f"layers with {name}={getattr(conv, name)} cannot be taken over")
    if len({conv.out_channels for conv in convs[:-1]}) > 1:
        raise ValueError("hidden layers must be equally wide")
    if names == ["GATConv"] and not _are_our_heads(convs):
        raise ValueError(
            "attention layers must concatenate their heads but in the last layer, and have a residual "
            "in all layers but the first or in none"
        )
    return convs


def _are_our_heads(convs: list[Any]) -> bool:
    """Tell whether attention layers have heads and residuals as ours."""
    hidden = convs[:-1]
    residuals = [conv.res is not None for conv in convs]
    return (
        all(conv.concat and conv.heads == hidden[0].heads for conv in hidden)
        and (not convs[-1].concat or convs[-1].heads == 1)
        and (len(hidden) > 0 or not residuals[0])
        and residuals == [False, *[residuals[-1]] * len(hidden)][: len(convs)]
    )


def _config_of(module: nn.Module, convs: list[Any], *, activation: str) -> NetworkConfig:
    """Return the configuration of a PyG network."""
    first, last = convs[0], convs[-1]
    kind = _KINDS[type(first).__name__]
    dropout = getattr(module, "dropout", 0.0)
    return NetworkConfig(
        kind=cast("Any", kind),
        layers=len(convs),
        width=first.out_channels,
        heads=getattr(first, "heads", 1),
        output_heads=getattr(last, "heads", 1),
        residual="linear" if getattr(last, "res", None) is not None else "none",
        bias=(first.lin_l if kind == "sage" else first).bias is not None,
        activation=cast("Any", activation),
        dropout=float(dropout.p if isinstance(dropout, nn.Dropout) else dropout),
        attention_dropout=getattr(first, "dropout", 0.0),
        self_loops="add" if getattr(first, "add_self_loops", True) else "keep",
    )
