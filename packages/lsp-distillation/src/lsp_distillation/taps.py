"""Embeddings of named layers of any module while it is called as usual."""

import inspect
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lsp_distillation.edge_convolution import EdgeConvolution
from lsp_distillation.graph import Graph
from lsp_distillation.sparse_features import Features, SparseFeatures


class LayerTaps:
    """Records what named submodules return; use it in a `with` block, or `attach` and `detach`.

    Args:
        module: Any module; wrappers such as DistributedDataParallel are looked through.
        names: Of submodules, as `module.named_modules()` has them.

    Raises:
        ValueError: A submodule does not exist.
    """

    def __init__(self, module: nn.Module, names: Iterable[str]) -> None:
        self.module, self.names = unwrapped(module), tuple(names)
        known = dict(self.module.named_modules())
        for name in self.names:
            if name not in known or not name:
                listed = ", ".join(filter(None, known))
                raise ValueError(f"the network has no layer {name!r}; its layers are {listed}")
        self.embeddings: dict[str, Tensor] = {}
        """By name: (nodes, width), or (clouds, points, width), with their gradients."""
        self.neighbors: dict[str, Int[Tensor, "clouds points k"]] = {}
        """By name: the in-neighbors with which an edge convolution was called."""
        self._handles: list[RemovableHandle] = []

    def attach(self) -> "LayerTaps":
        """Start to record."""
        self.detach()
        for name in self.names:
            hook = self._hook(name)
            self._handles.append(self.module.get_submodule(name).register_forward_hook(hook))
        return self

    def detach(self) -> None:
        """Stop recording; what was recorded stays."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def clear(self) -> None:
        """Forget what was recorded, and with it the graphs of autograd."""
        self.embeddings.clear()
        self.neighbors.clear()

    def __enter__(self) -> "LayerTaps":
        return self.attach()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.detach()

    def __getitem__(self, name: str) -> Float[Tensor, "*nodes width"]:
        """Return what the layer returned last.

        Raises:
            ValueError: It was not called, or is not recorded.
        """
        if name not in self.embeddings:
            raise ValueError(f"layer {name!r} gave no embeddings: it was not tapped, or not called")
        return self.embeddings[name]

    def _hook(self, name: str) -> Any:
        """Return the hook of one layer."""

        def record(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            dimensions = 3 if isinstance(module, EdgeConvolution) else 2
            if not isinstance(output, Tensor) or output.ndim != dimensions:
                found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise ValueError(
                    f"layer {name!r} must return node embeddings (nodes, width), got {found}; "
                    "choose another layer"
                )
            self.embeddings[name] = output
            if isinstance(module, EdgeConvolution):
                self.neighbors[name] = args[1]

        return record


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the module inside DistributedDataParallel or `torch.compile`; others as they are."""
    if isinstance(module, nn.parallel.DistributedDataParallel):
        return unwrapped(module.module)
    inner = getattr(module, "_orig_mod", None)
    return unwrapped(inner) if isinstance(inner, nn.Module) else module


def call_network(
    module: nn.Module,
    x: Features,
    graph: Graph,
    *,
    graph_of_node: Int[Tensor, " nodes"] | None = None,
    graphs: int | None = None,
) -> Float[Tensor, "rows outputs"]:
    """Call our own networks with a `Graph` and all others as PyG's: (x, edge_index).

    Others get `edge_weight` and `batch` if their `forward` has arguments of these names, and the weights
    or graphs exist.

    Args:
        module: Any network on nodes; own ones have a true attribute `takes_graph`.
        x: (nodes, features), dense or sparse.
        graph: Their edges.
        graph_of_node: (nodes,) for networks with one row per graph.
        graphs: Number of graphs.
    """
    inner = unwrapped(module)
    if getattr(inner, "takes_graph", False):
        if graph_of_node is None:
            return module(x, graph)
        return module(x, graph, graph_of_node, graphs=graphs)
    if (
        isinstance(x, SparseFeatures) or x.layout != torch.strided
    ):  # PyG's layers multiply dense ones
        x = x.to_dense()
    known = inspect.signature(inner.forward).parameters
    more: dict[str, Any] = {}
    if graph.weights is not None and "edge_weight" in known:
        more["edge_weight"] = graph.weights
    if graph_of_node is not None and "batch" in known:
        more["batch"] = graph_of_node
    return module(x, graph.edge_index, **more)


def last_hidden_layer(module: nn.Module) -> str:
    """Return the name of the layer whose embeddings feed the last layer.

    Of our own networks it is the last hidden one of `layers`; of others, the last but one of their PyG
    convolutions, or else of their linear layers.

    Raises:
        ValueError: There is no such layer.
    """
    module = unwrapped(module)
    layers = getattr(module, "layers", None)
    if isinstance(layers, nn.ModuleList) and _is_own(module, layers):
        hidden = len(layers) - (getattr(module, "level", "graph") == "node")
        if hidden:
            return f"layers.{hidden - 1}"
    for base in ("MessagePassing", "Linear"):
        found = [name for name, part in module.named_modules() if _has_base(part, base)]
        if len(found) > 1:
            return found[-2]
    names = ", ".join(name for name, _ in module.named_modules() if name)
    raise ValueError(
        f"the network has no hidden layer that can be guessed; name one of {names or 'its layers'}"
    )


def _is_own(module: nn.Module, layers: nn.ModuleList) -> bool:
    """Tell whether `layers` are those of one of our networks."""
    points = all(isinstance(layer, EdgeConvolution) for layer in layers)
    return points or getattr(module, "takes_graph", False)


def _has_base(module: nn.Module, base: str) -> bool:
    """Tell whether a class of that name is among the module's, without importing PyG."""
    return any(kind.__name__ == base for kind in type(module).__mro__)
