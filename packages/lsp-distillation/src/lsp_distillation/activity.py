"""Whether the term does anything: how far local structures are from uniform, and its share of the gradient."""

import math
from typing import NamedTuple

from jaxtyping import Float, Float64
from torch import Tensor

from lsp_distillation.graph import Graph
from lsp_distillation.local_structure import FLAT
from lsp_distillation.neighborhoods import neighborhoods_of
from lsp_distillation.structure_divergence import uniform_divergence
from lsp_distillation.term_weights import gradient_norm


class LossActivity(NamedTuple):
    """What decides whether a structure term is alive."""

    student_from_uniform: float
    """Mean KL(student's local structure || uniform) over nodes of at least two neighbors, in nats."""
    teacher_from_uniform: float
    """The same of the teacher's."""
    gradient_share: float
    """Norm of the term's gradient over that of the task's, at the matched layer; infinite if the task has none."""

    @property
    def is_active(self) -> bool:
        """Whether a structure is not flat and the term has a gradient."""
        return max(self[:2]) >= FLAT and self.gradient_share > 0


def loss_activity(
    structure_loss: Float[Tensor, ""],
    task_loss: Float[Tensor, ""],
    student: Float[Tensor, "nodes width"],
    *,
    student_log_p: Float64[Tensor, " edges"],
    teacher_log_p: Float64[Tensor, " edges"],
    graph: Graph,
) -> LossActivity:
    """Measure whether a structure term is alive beside a task's loss.

    Args:
        structure_loss: Times its weight.
        task_loss: Of the same forward pass.
        student: The embedding on which both depend.
        student_log_p: Its local structure.
        teacher_log_p: The teacher's.
        graph: Of both structures.
    """
    around = neighborhoods_of(graph)
    task = gradient_norm(task_loss, (student,))
    structure = gradient_norm(structure_loss, (student,))
    without_task = math.inf if structure > 0 else 0.0
    return LossActivity(
        student_from_uniform=float(uniform_divergence(student_log_p.detach(), around)),
        teacher_from_uniform=float(uniform_divergence(teacher_log_p, around)),
        gradient_share=structure / task if task > 0 else without_task,
    )
