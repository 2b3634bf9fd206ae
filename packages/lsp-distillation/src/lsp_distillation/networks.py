"""Networks on the nodes of a graph, from a configuration or a name."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from lsp_distillation.attention import GraphAttention
from lsp_distillation.convolutions import (
    GinConvolution,
    GraphConvolution,
    NodeLinear,
    SageConvolution,
)
from lsp_distillation.derived_graphs import looped
from lsp_distillation.edge_list import EdgeList
from lsp_distillation.graph import Graph
from lsp_distillation.network_config import NETWORKS, NetworkConfig, PointNetworkConfig
from lsp_distillation.point_networks import DynamicGraphNetwork
from lsp_distillation.pooling import pool_graphs
from lsp_distillation.sparse_features import Features, SparseFeatures, known_features


class GraphNetwork(nn.Module):
    """Layers of one kind with normalization, activation and dropout between them.

    `layers[i]` returns what layer i computes before normalization and activation: the embeddings whose
    local structure is compared. On nodes the last layer gives the outputs; on graphs all layers are hidden
    and `readout` maps the mean and the maximum over each graph's nodes.

    Args:
        config: What to build.
        features: Width of the node features.
        outputs: Number of outputs.
        level: Outputs per `node` or per `graph`.
    """

    takes_graph = True
    """Called with (features, `Graph`), not with PyG's edge index."""

    def __init__(
        self, config: NetworkConfig, *, features: int, outputs: int, level: str = "node"
    ) -> None:
        super().__init__()
        if features < 1 or outputs < 1:
            raise ValueError(
                f"features and outputs must be at least 1, got {features} and {outputs}"
            )
        if level not in ("node", "graph"):
            raise ValueError(f"level must be node or graph, got {level!r}")
        self.config, self.features, self.outputs, self.level = config, features, outputs, level
        hidden = config.layers - (level == "node")
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(hidden):
            self.layers.append(self._layer(features, config.width, last=False))
            features = config.width * (config.heads if config.kind == "gat" else 1)
            self.norms.append(_NORMS[config.norm](features))
        if level == "node":
            self.layers.append(self._layer(features, outputs, last=True))
        self.readout = nn.Linear(2 * features, outputs) if level == "graph" else None

    def _layer(self, features: int, width: int, *, last: bool) -> nn.Module:
        """Build the next layer."""
        config = self.config
        residual = config.residual if len(self.layers) else "none"
        if config.kind == "gat":
            return GraphAttention(
                features,
                width,
                heads=config.output_heads if last else config.heads,
                concat=not last,
                residual=residual,
                bias=config.bias,
                attention_dropout=config.attention_dropout,
            )
        layer = _LAYERS[config.kind](features, width, bias=config.bias)
        return WithResidual(layer) if residual == "linear" else layer

    def forward(
        self,
        x: Features,
        graph: Graph | None = None,
        graph_of_node: Int[Tensor, " nodes"] | None = None,
        *,
        graphs: int | None = None,
    ) -> Float[Tensor, "rows outputs"]:
        """Return (nodes, outputs), or (graphs, outputs) at graph level.

        Args:
            x: (nodes, features): dense, sparse CSR or COO, or `SparseFeatures`.
            graph: Their edges; an MLP needs none.
            graph_of_node: (nodes,) ascending; None: one graph. Only at graph level.
            graphs: Their number, if the last ones may have no nodes.

        Raises:
            ValueError: Features or graph do not fit.
        """
        value = known_features(x)
        graph = self._checked(value, graph)
        for index, layer in enumerate(self.layers):
            value = _dropped(value, self.config.dropout, training=self.training)
            value = layer(value, graph)
            if index < len(self.norms):
                value = ACTIVATIONS[self.config.activation](self.norms[index](value))
        if self.readout is None:
            return value  # pyright: ignore[reportReturnType]
        return self.readout(pool_graphs(value, graph_of_node, graphs=graphs))  # pyright: ignore[reportArgumentType]

    def _checked(self, x: Features, graph: Graph | None) -> Graph | None:
        """Return the graph with the loops that the layers want; refuse what does not fit."""
        if len(x.shape) != 2 or x.shape[1] != self.features:
            raise ValueError(
                f"features must be (nodes, {self.features}) for this network, got {tuple(x.shape)}"
            )
        if self.config.kind == "mlp":
            return None
        if graph is None:
            raise ValueError(f"a {self.config.kind} network needs a graph; only an mlp needs none")
        if graph.nodes != x.shape[0]:
            raise ValueError(f"the graph has {graph.nodes} nodes, the features {x.shape[0]} rows")
        if isinstance(graph, EdgeList) or self.config.kind not in ("gat", "gcn"):
            return graph
        return looped(graph, self.config.self_loops)


class WithResidual(nn.Module):
    """A layer plus a bias-free linear map of its input."""

    def __init__(
        self, layer: GraphConvolution | SageConvolution | GinConvolution | NodeLinear
    ) -> None:
        super().__init__()
        self.layer = layer
        width = layer.out_features
        features = layer.in_features if isinstance(layer, NodeLinear) else layer.features
        self.residual = NodeLinear(features, width, bias=False)

    def forward(self, x: Features, graph: Graph | None) -> Float[Tensor, "nodes width"]:
        """Return layer(x) + R x."""
        return self.layer(x, graph) + self.residual(x)


def build_network(
    config: NetworkConfig | PointNetworkConfig | str,
    *,
    features: int,
    outputs: int,
    level: str = "node",
) -> GraphNetwork | DynamicGraphNetwork:
    """Return a network with new weights, drawn with torch's generator.

    Args:
        config: What to build, or a name in `NETWORKS`.
        features: Width of the node features, or coordinates of a point.
        outputs: Number of outputs.
        level: Outputs per `node` or per `graph`; networks on point clouds always give one row per cloud.

    Raises:
        ValueError: There is no network of that name.
    """
    if isinstance(config, str):
        if config not in NETWORKS:
            raise ValueError(f"no network is called {config!r}; there are {', '.join(NETWORKS)}")
        config = NETWORKS[config]
    if isinstance(config, PointNetworkConfig):
        return DynamicGraphNetwork(config, features=features, outputs=outputs)
    return GraphNetwork(config, features=features, outputs=outputs, level=level)


def _dropped(x: Features, rate: float, *, training: bool) -> Features:
    """Drop entries of dense or sparse features in training."""
    if not rate or not training:
        return x
    if isinstance(x, SparseFeatures):
        return x.with_dropout(rate, training=training)
    return functional.dropout(x, rate)


def _no_norm(width: int) -> nn.Module:
    """Return the identity."""
    del width
    return nn.Identity()


_LAYERS = {
    "gcn": GraphConvolution,
    "sage": SageConvolution,
    "gin": GinConvolution,
    "mlp": NodeLinear,
}
_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": _no_norm,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": functional.elu,
    "relu": torch.relu,
}
"""By their names in `NetworkConfig`."""
