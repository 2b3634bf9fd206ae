"""The loss written as its formulas: arrays of edges x width, loops over nodes, float64, autograd."""

import torch
from torch import Tensor

from lsp_distillation.kernel_config import KernelConfig


def slow_similarity(
    embedding: Tensor, sources: Tensor, targets: Tensor, kernel: KernelConfig
) -> Tensor:
    """Return SIM of each edge in float64."""
    z = embedding.double()
    a, b = z[sources], z[targets]
    squared, products = (a - b).square().sum(1), (a * b).sum(1)
    if kernel.name in ("rbf", "gaussian"):
        given = kernel.bandwidth
        scale = squared.detach().mean() if given == "auto" else torch.tensor(2 * given**2)
        argument = squared / scale if scale > 0 else squared * 0
        return (-argument).exp() if kernel.name == "rbf" else -argument
    if kernel.name == "laplacian":
        absolute = (a - b).abs().sum(1)
        scale = absolute.detach().mean() if kernel.bandwidth == "auto" else kernel.bandwidth
        return (-absolute / scale).exp() if scale > 0 else absolute * 0
    if kernel.name == "cosine":
        lengths = _length(a) * _length(b)
        fits = lengths > 0
        return torch.where(fits, products / lengths.where(fits, torch.ones(())), 0.0)
    values = {
        "euclidean": kernel.sign * squared,
        "linear": products,
        "polynomial": (products + kernel.offset) ** kernel.degree,
    }[kernel.name]
    mean = values.detach().abs().mean()
    if not kernel.normalize:
        return values
    return values / mean if mean > 0 else values * 0


def _length(rows: Tensor) -> Tensor:
    """Return |row|, with gradient 0 where it is 0."""
    squared = rows.square().sum(1)
    return torch.where(squared > 0, squared.where(squared > 0, torch.ones(())).sqrt(), 0.0)


def slow_log_probabilities(similarity: Tensor, targets: Tensor) -> Tensor:
    """Return log LS of each edge, one node after the other."""
    found = torch.zeros_like(similarity)
    for node in targets.unique():
        mine = targets == node
        found = found.masked_scatter(mine, similarity[mine].log_softmax(0))
    return found


def slow_loss(
    student: Tensor,
    teacher: Tensor,
    edges: Tensor,
    kernel: KernelConfig,
    *,
    direction: str = "teacher",
    node_weights: Tensor | None = None,
) -> Tensor:
    """Return the weighted mean over all nodes of KL between the local structures of distinct edges."""
    sources, targets = edges
    log_s = slow_log_probabilities(slow_similarity(student, sources, targets, kernel), targets)
    log_t = slow_log_probabilities(slow_similarity(teacher, sources, targets, kernel), targets)
    weights = torch.ones(len(student)) if node_weights is None else node_weights
    weights = weights.double() / weights.double().sum()
    terms = log_t.exp() * (log_t - log_s)
    if direction == "student":
        terms = log_s.exp() * (log_s - log_t)
    return (terms * weights[targets]).sum()


def distinct_edges(edges: Tensor, nodes: int, self_loops: str) -> Tensor:
    """Return the edges once each under a policy for self-loops, in no special order."""
    found = {(int(a), int(b)) for a, b in edges.T}
    if self_loops != "keep":
        found = {(a, b) for a, b in found if a != b}
    if self_loops == "add":
        found |= {(a, a) for a in range(nodes)}
    return torch.tensor(sorted(found, reverse=True)).T
