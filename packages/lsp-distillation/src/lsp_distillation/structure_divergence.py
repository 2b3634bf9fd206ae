"""The divergence of local structures and its gradient in closed form: equations of arXiv:2003.10477."""

from typing import Any, NamedTuple, get_args

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.autograd.function import once_differentiable

from lsp_distillation.edge_similarity import Reduce, similarities, similarity_gradient
from lsp_distillation.kernel_config import Direction, KernelConfig
from lsp_distillation.neighborhoods import Neighborhoods


class Divergence(NamedTuple):
    """The loss and what tells whether it does anything; only the loss has a gradient."""

    loss: Float64[Tensor, ""]
    """Mean over nodes of KL between the two local structures."""
    student_uniform: Float64[Tensor, ""]
    """Mean over nodes of at least two neighbors of KL(student's || uniform)."""
    teacher_uniform: Float64[Tensor, ""]
    """The same of the teacher's."""
    bandwidth: Float64[Tensor, ""]
    """That the student's kernel used; 0 if all neighbors coincide."""


def structure_divergence(
    student: Float[Tensor, "nodes width"],
    teacher_log_p: Float64[Tensor, " edges"],
    neighborhoods: Neighborhoods,
    kernel: KernelConfig,
    *,
    direction: Direction = "teacher",
    node_weights: Float[Tensor, " nodes"] | None = None,
    count: float | Tensor | None = None,
    bandwidth: float | Tensor | None = None,
    reduce: Reduce | None = None,
) -> Divergence:
    """Return sum_i w_i KL_i / count, KL_i between the local structures of node i.

    Args:
        student: Its embedding of each node.
        teacher_log_p: The teacher's log-probability of each edge.
        neighborhoods: Of the nodes.
        kernel: Of the student.
        direction: teacher: KL(teacher || student), which the released code computes; student: KL(student || teacher),
            which the paper prints.
        node_weights: w. None: 1 for every node.
        count: What the sum is divided by. None: the sum of w, which is the number of nodes without weights.
        bandwidth: Instead of the kernel's.
        reduce: Adds the sums behind an automatic bandwidth over processes.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction must be one of {get_args(Direction)}, got {direction!r}")
    nodes = len(neighborhoods.degrees)
    if count is None:
        # a batch without a node that counts has loss 0
        count = nodes if node_weights is None else node_weights.double().sum().clamp(min=1e-300)
    weights = torch.ones(nodes, dtype=torch.float64, device=student.device)
    weights = (weights if node_weights is None else node_weights.double()) / count
    return Divergence(
        *_StructureDivergence.apply(
            student,
            teacher_log_p.double(),
            neighborhoods,
            kernel,
            direction == "teacher",
            weights,
            bandwidth,
            reduce,
        )
    )


class _StructureDivergence(torch.autograd.Function):
    """The slopes of the loss per pair are found in the forward pass; the backward pass is one sparse product."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        student: Tensor,
        log_t: Tensor,
        around: Neighborhoods,
        kernel: KernelConfig,
        by_teacher: bool,
        weights: Tensor,
        bandwidth: float | Tensor | None,
        reduce: Reduce | None,
    ) -> tuple[Tensor, ...]:
        """Return the fields of `Divergence`."""
        with torch.autocast(student.device.type, enabled=False):
            found = similarities(
                student,
                around.pairs,
                kernel,
                counts=around.counts,
                bandwidth=bandwidth,
                reduce=reduce,
            )
            log_s = around.log_softmax(around.to_edges(found.values))
            p_s, p_t = log_s.exp(), log_t.exp()
            terms, slopes = _terms(log_s, log_t, p_s, p_t, around, by_teacher=by_teacher)
            edge_weights = around.spread(weights)
            loss = terms @ edge_weights
            pair_slopes = around.to_pairs(slopes.mul_(edge_weights)).mul_(found.slopes)
            uniform = [_from_uniform(p @ q, around) for p, q in ((p_s, log_s), (p_t, log_t))]
        ctx.around, ctx.kernel = around, kernel
        ctx.save_for_backward(student, pair_slopes)
        bandwidth = found.bandwidth.clone()
        ctx.mark_non_differentiable(*uniform, bandwidth)
        return loss, *uniform, bandwidth

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Return the gradient of the student's embedding."""
        student, weights = ctx.saved_tensors
        with torch.autocast(student.device.type, enabled=False):
            gradient = similarity_gradient(
                student, ctx.around.pairs, ctx.kernel, weights * gradients[0]
            )
        return gradient, *[None] * 7


def _terms(
    log_s: Tensor,
    log_t: Tensor,
    p_s: Tensor,
    p_t: Tensor,
    around: Neighborhoods,
    *,
    by_teacher: bool,
) -> tuple[Tensor, Tensor]:
    """Return what KL adds up over edges, and its derivative with respect to the student's similarities (section 1.3).

    dKL_i/dq_ij = p_s - p_t for KL(teacher || student), p_s (log p_s - log p_t - KL_i) for KL(student || teacher).
    """
    if by_teacher:
        return p_t * (log_t - log_s), p_s - p_t
    terms = p_s * (log_s - log_t)
    return terms, terms - p_s * around.spread(around.sums(terms))


def uniform_divergence(log_p: Tensor, around: Neighborhoods) -> Float64[Tensor, ""]:
    """Return the mean KL(p || uniform) over nodes of at least two neighbors; 0 if there are none.

    Args:
        log_p: Log-probability of each edge.
        around: The neighborhoods over which it is one.
    """
    return _from_uniform(log_p.exp() @ log_p, around)


def _from_uniform(negative_entropy: Tensor, around: Neighborhoods) -> Tensor:
    """Return it from sum p log p over all edges."""
    degrees = around.degrees
    total = negative_entropy + degrees.clamp(min=1).double().log().sum()
    return total / (degrees >= 2).sum().clamp(min=1)
