"""How alike the local structures of two networks are, by one fixed ruler, whatever they were trained with."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from lsp_distillation.dynamic_structure import union_neighborhoods
from lsp_distillation.edge_similarity import similarities
from lsp_distillation.graph import Graph
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.local_structure import check_embedding
from lsp_distillation.neighborhoods import ABSENT, Neighborhoods, neighborhoods_of

RULER = KernelConfig(name="rbf", bandwidth="auto")
"""The kernel of the ruler (section 7.2); self-loops are removed."""


class StructureFidelity(NamedTuple):
    """Of a student to its teacher."""

    kl: float
    """Mean KL(teacher || student) over nodes of at least two neighbors, in nats."""
    uniform_kl: float
    """The same of a student that finds all neighbors alike: what a constant embedding reaches."""
    correlation: float
    """Of log p + log degree over the edges to nodes of more than two neighbors; 0 for a constant embedding."""
    top1_agreement: float
    """Share of nodes of at least two neighbors whose nearest neighbor is the teacher's; ties are drawn by lot."""
    nodes: int
    """That have at least two neighbors."""


def structure_fidelity(
    student: Float[Tensor, "nodes student_width"],
    teacher: Float[Tensor, "nodes teacher_width"],
    graph: Graph,
) -> StructureFidelity:
    """Compare local structures on a graph (section 7.2: raw log p would only measure the degrees).

    Args:
        student: Its embedding of each node.
        teacher: Its embedding, of any width.
        graph: Self-loops are left out.

    Raises:
        ValueError: Shapes do not fit the graph, or it has no edges but self-loops.
    """
    graph = graph.with_self_loops("remove")
    for embedding in (student, teacher):
        check_embedding(embedding, graph)
    return _fidelity(student, teacher, neighborhoods_of(graph))


def dynamic_structure_fidelity(
    student: Float[Tensor, "clouds points student_width"],
    teacher: Float[Tensor, "clouds points teacher_width"],
    student_neighbors: Int[Tensor, "clouds points k"],
    teacher_neighbors: Int[Tensor, "clouds points m"],
) -> StructureFidelity:
    """Compare local structures over the union of two dynamic graphs; a point is not its own neighbor here.

    Args:
        student: Embeddings of its layer.
        teacher: Embeddings of the matched layer.
        student_neighbors: In-neighbors of each point for the student's layer.
        teacher_neighbors: The same for the teacher's.

    Raises:
        ValueError: The tables do not fit each other, or point outside their cloud.
    """
    around = union_neighborhoods(teacher_neighbors, student_neighbors, self_loops=False)
    return _fidelity(student.flatten(0, 1), teacher.flatten(0, 1), around)


def _fidelity(student: Tensor, teacher: Tensor, around: Neighborhoods) -> StructureFidelity:
    """Apply the ruler."""
    for name, embedding in (("student", student), ("teacher", teacher)):
        if not bool(torch.isfinite(embedding).all()):
            raise ValueError(
                f"the {name}'s embedding must be finite to be compared; look for the layer that is not"
            )
    with torch.no_grad():
        log_s, log_t = (
            around.log_softmax(
                around.to_edges(similarities(z, around.pairs, RULER, counts=around.counts).values)
            )
            for z in (student, teacher)
        )
        degrees = around.degrees.double()
        several = degrees >= 2
        count = int(several.sum())
        kl = around.sums(log_t.exp() * (log_t - log_s))[several].sum() / max(count, 1)
        known = around.sums(log_t.exp() * log_t) + degrees.clamp(min=1).log()
        agreement = _agreement(log_s, log_t, around)[several].sum() / max(count, 1)
        logs = around.spread(degrees.clamp(min=1).log())
        many = (around.spread(degrees) > 2) & (log_t > ABSENT)
        return StructureFidelity(
            kl=float(kl),
            uniform_kl=float(known[several].sum() / max(count, 1)),
            correlation=_correlation((log_s + logs)[many], (log_t + logs)[many]),
            top1_agreement=float(agreement),
            nodes=count,
        )


def _agreement(log_s: Tensor, log_t: Tensor, around: Neighborhoods) -> Float64[Tensor, " nodes"]:
    """Return the chance of each node that one of the student's nearest neighbors is one of the teacher's."""
    best_s, best_t = (log_p >= around.spread(around.maxima(log_p)) for log_p in (log_s, log_t))
    return around.sums((best_s & best_t).double()) / around.sums(best_s.double()).clamp(min=1)


def _correlation(a: Tensor, b: Tensor) -> float:
    """Return Pearson's correlation, 0 where a side does not vary beyond rounding."""
    if len(a) < 2:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    lengths = a.norm(), b.norm()
    if min(lengths) <= 1e-12 * len(a):
        return 0.0
    return float(a @ b / (lengths[0] * lengths[1]))
