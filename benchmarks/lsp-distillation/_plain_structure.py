"""The structure term as gathers of edges x width with autograd, both networks in every step, as its peers have it."""

import torch
from torch import Tensor

from lsp_distillation.kernel_config import KernelConfig


def plain_similarity(z: Tensor, sources: Tensor, targets: Tensor, kernel: KernelConfig) -> Tensor:
    """Return the similarity of each edge, in the type of the embedding."""
    a, b = z[targets], z[sources]
    if kernel.name == "laplacian":
        distance = (a - b).abs().sum(1)
        return (-distance / _scale(distance, kernel)).exp()
    if kernel.name in ("rbf", "gaussian"):
        distance = (a - b).square().sum(1)
        argument = -distance / _scale(distance, kernel, squared=True)
        return argument.exp() if kernel.name == "rbf" else argument
    if kernel.name == "cosine":
        lengths = _length(a) * _length(b)
        cosine = (a * b).sum(1) / torch.where(lengths > 0, lengths, 1.0)
        return torch.where(lengths > 0, cosine, 0.0)
    values = {
        "euclidean": lambda: kernel.sign * (a - b).square().sum(1),
        "linear": lambda: (a * b).sum(1),
        "polynomial": lambda: ((a * b).sum(1) + kernel.offset) ** kernel.degree,
    }[kernel.name]()
    return values / values.detach().abs().mean() if kernel.normalize else values


def plain_loss(
    student: Tensor,
    teacher: Tensor,
    edges: Tensor,
    kernel: KernelConfig,
    *,
    direction: str = "teacher",
) -> Tensor:
    """Return the mean over nodes of the divergence of local structures.

    Args:
        student: (nodes, width) embedding.
        teacher: Of any width.
        edges: (2, edges) distinct, sources above targets.
        kernel: Which similarity.
        direction: As the package has it.
    """
    sources, targets = edges
    with torch.no_grad():
        log_t = _log_softmax(plain_similarity(teacher, sources, targets, kernel), targets, student)
    log_s = _log_softmax(plain_similarity(student, sources, targets, kernel), targets, student)
    if direction == "student":
        return (log_s.exp() * (log_s - log_t)).sum() / len(student)
    return (log_t.exp() * (log_t - log_s)).sum() / len(student)


def plain_dynamic_loss(
    student: Tensor,
    teacher: Tensor,
    student_neighbors: Tensor,
    teacher_neighbors: Tensor,
    kernel: KernelConfig,
) -> Tensor:
    """Return the loss over the union of dynamic graphs, made by `torch.unique` of the edges' columns."""
    edges = torch.cat([_table_edges(teacher_neighbors), _table_edges(student_neighbors)], 1)
    union = torch.unique(edges, dim=1)
    return plain_loss(student.flatten(0, 1), teacher.flatten(0, 1), union, kernel)


def _table_edges(neighbors: Tensor) -> Tensor:
    """Return the edges of a (clouds, points, k) table, clouds one after the other."""
    clouds, points, k = neighbors.shape
    begins = torch.arange(0, clouds * points, points)[:, None, None]
    targets = torch.arange(clouds * points).repeat_interleave(k)
    return torch.stack([(neighbors + begins).flatten(), targets])


def _scale(distance: Tensor, kernel: KernelConfig, *, squared: bool = False) -> Tensor | float:
    """Return what a distance is divided by."""
    if kernel.bandwidth == "auto":
        return distance.detach().mean()
    return 2 * kernel.bandwidth**2 if squared else kernel.bandwidth


def _length(rows: Tensor) -> Tensor:
    """Return the length of each row, with gradient 0 where it is 0."""
    squares = rows.square().sum(1)
    return torch.where(squares > 0, torch.where(squares > 0, squares, 1.0).sqrt(), 0.0)


def _log_softmax(values: Tensor, targets: Tensor, student: Tensor) -> Tensor:
    """Return log-probabilities over the edges of each target."""
    empty = values.new_zeros(len(student))
    largest = empty.scatter_reduce(0, targets, values.detach(), "amax", include_self=False)
    centered = values - largest[targets]
    return centered - empty.index_add(0, targets, centered.exp()).log()[targets]
