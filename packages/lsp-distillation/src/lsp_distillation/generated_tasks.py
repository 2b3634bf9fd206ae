"""Tasks that need no files: the digits of scikit-learn as a neighbor graph, and generated blocks."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lsp_distillation.graph import Graph
from lsp_distillation.node_data import GraphTask
from lsp_distillation.splits import Split
from tenfold_shared.seeds import numpy_stream


def digits_task(*, neighbors: int = 8) -> GraphTask:
    """Return the 1,797 digits of scikit-learn, each joined to those that look most like it.

    Features are the 64 pixels in [0, 1]; an edge joins two digits of which one is among the nearest of the other.

    Args:
        neighbors: How many nearest digits each chooses.
    """
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    pixels = torch.from_numpy(digits.data)
    return GraphTask(
        name="digits",
        x=(pixels / 16).float(),
        graph=Graph.from_edges(
            _nearest(pixels.long(), neighbors), nodes=len(pixels), symmetric=True
        ),
        y=torch.from_numpy(digits.target).long(),
        task="multiclass",
        classes=10,
        class_names=tuple(map(str, range(10))),
    )


def block_task(
    *,
    seed: int = 0,
    classes: int = 4,
    nodes_per_class: int = 100,
    features: int = 32,
    inside: float = 0.06,
    outside: float = 0.01,
    noise: float = 1.5,
    graphs: int = 1,
) -> GraphTask:
    """Return graphs of a stochastic block model: nodes of one class are joined more often than others.

    Args:
        seed: Chooses edges and features.
        classes: Number of blocks.
        nodes_per_class: Size of each block in each graph.
        features: Width; a node's are those of its class plus noise.
        inside: Probability of an edge within a block.
        outside: Probability of an edge between blocks.
        noise: Standard deviation of the noise; classes differ by 1 in each feature, on average.
        graphs: How many; with several, parts are whole graphs: the last quarter to test, the quarter before it to
            validate (at least one each).

    Raises:
        ValueError: There are too few graphs to split, or an argument is no size.
    """
    if min(classes, nodes_per_class, features, graphs) < 1 or graphs == 2:
        raise ValueError(
            "classes, nodes_per_class and features must be at least 1, and graphs 1 or at least 3"
        )
    random = numpy_stream(seed, "blocks")
    centers = random.standard_normal((classes, features)) / np.sqrt(2)
    size = classes * nodes_per_class
    labels = np.repeat(np.arange(classes), nodes_per_class)
    same = labels[:, None] == labels[None, :]
    edges: list[np.ndarray] = []
    for number in range(graphs):
        joined = random.random((size, size)) < np.where(same, inside, outside)
        edges.append(np.stack(np.nonzero(np.triu(joined, 1))) + number * size)
    y = np.tile(labels, graphs)
    x = centers[y] + noise * random.standard_normal((len(y), features))
    task = GraphTask(
        name="blocks",
        x=torch.from_numpy(x.astype(np.float32)),
        graph=Graph.from_edges(
            torch.from_numpy(np.concatenate(edges, axis=1)), nodes=len(y), symmetric=True
        ),
        y=torch.from_numpy(y),
        task="multiclass",
        classes=classes,
        graph_of_node=torch.arange(graphs).repeat_interleave(size) if graphs > 1 else None,
    )
    if task.graph_of_node is None:
        return task
    return task.with_split(_last_quarters(task.graph_of_node, graphs))


def _last_quarters(graph_of_node: Tensor, graphs: int) -> Split:
    """Return the last quarter of the graphs to test, the one before it to validate, the rest to train."""
    held_out = max(graphs // 4, 1)
    test = graph_of_node >= graphs - held_out
    train = graph_of_node < graphs - 2 * held_out
    return Split(train, ~train & ~test, test)


def _nearest(points: Tensor, neighbors: int) -> Tensor:
    """Return edges from the nearest points of each to it, exactly: of equally near ones the first."""
    exact = points.double()  # integers: every product and sum is exact
    squares = exact.square().sum(1)
    distances = (squares[:, None] + squares - 2 * exact @ exact.T).long()
    keys = distances * len(points) + torch.arange(len(points))
    keys.fill_diagonal_(torch.iinfo(torch.int64).max)
    sources = keys.topk(neighbors, dim=1, largest=False).indices
    targets = torch.arange(len(points)).repeat_interleave(neighbors)
    return torch.stack([sources.flatten(), targets])
