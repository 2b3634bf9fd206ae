"""What a network says of a task, in pieces that fit into memory."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lsp_distillation.node_data import GraphTask
from lsp_distillation.taps import LayerTaps, call_network

PIECE = 50_000
"""Nodes of several graphs that go through a network at once; a single graph always goes as one."""


class NotFiniteError(ValueError):
    """A network predicts NaN or infinity."""


class Outputs(NamedTuple):
    """What a network says of all items of a task."""

    logits: Float[Tensor, "items outputs"]
    embeddings: dict[str, Float[Tensor, "nodes width"]]
    """Of the layers that were asked for."""


def run_network(network: nn.Module, task: GraphTask, *, layers: Sequence[str] = ()) -> Outputs:
    """Return logits and embeddings in evaluation mode, without gradients.

    Args:
        network: Any network on nodes or graphs, on the device of the task; its mode is left as it was.
        task: One graph, or several, which then go in pieces of `PIECE` nodes.
        layers: Names of submodules whose outputs are wanted.

    Raises:
        ValueError: A layer is unknown, or logits do not fit the task.
        NotFiniteError: Logits are not finite.
    """
    before = network.training
    network.eval()
    found: list[Outputs] = []
    try:
        # not in inference mode: graphs keep what is derived from them here, and training uses it again
        with torch.no_grad(), LayerTaps(network, layers) as taps:
            for piece in pieces_of(task):
                logits = pass_over(network, piece)
                found.append(Outputs(logits, {name: taps[name] for name in layers}))
    finally:
        network.train(before)
    logits = _joined([one.logits for one in found])
    _check_logits(logits, task)
    return Outputs(logits, {n: _joined([one.embeddings[n] for one in found]) for n in layers})


def _joined(parts: list[Tensor]) -> Tensor:
    """Return one tensor that autograd may use."""
    return (parts[0] if len(parts) == 1 else torch.cat(parts)).clone()


def pass_over(network: nn.Module, task: GraphTask) -> Tensor:
    """Return what a network says of a task, and nothing more is done."""
    return call_network(
        network,
        task.x,
        task.graph,
        graph_of_node=task.graph_of_node if task.level == "graph" else None,
        graphs=task.graphs,
    )


def pieces_of(task: GraphTask) -> Iterator[GraphTask]:
    """Yield the task in pieces of whole graphs, in order."""
    if task.graph_of_node is None or task.nodes <= PIECE:
        yield task
        return
    sizes = torch.bincount(task.graph_of_node, minlength=task.graphs).tolist()
    chosen: list[int] = []
    nodes = 0
    for number, size in enumerate(sizes):
        if chosen and nodes + size > PIECE:
            yield _select(task, chosen)
            chosen, nodes = [], 0
        chosen.append(number)
        nodes += size
    yield _select(task, chosen)


def _select(task: GraphTask, graphs: list[int]) -> GraphTask:
    """Return some graphs of a task."""
    numbers: Int[Tensor, " chosen"] = torch.tensor(graphs, device=task.graph.device)
    return task.select_graphs(numbers)


def _check_logits(logits: Tensor, task: GraphTask) -> None:
    """Refuse what are no predictions of the task."""
    if logits.shape != (task.items, task.outputs):
        raise ValueError(
            f"the network must return ({task.items}, {task.outputs}) for {task.name}, got "
            f"{tuple(logits.shape)}; it is for another number of classes, or another level"
        )
    if not bool(torch.isfinite(logits).all()):
        raise NotFiniteError(
            f"the network's predictions for {task.name} are not finite; train it with a lower rate"
        )
