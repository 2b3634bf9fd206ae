"""LSP, the local structure preserving loss of arXiv:2003.10477, on graphs that do not change."""

import warnings
from collections.abc import Sequence
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor, nn

from lsp_distillation.edge_similarity import Reduce, similarities
from lsp_distillation.graph import Graph, SelfLoops
from lsp_distillation.kernel_config import Direction, KernelConfig
from lsp_distillation.neighborhoods import neighborhoods_of
from lsp_distillation.structure_divergence import Divergence, structure_divergence
from tenfold_shared.errors import AdviceWarning

FLAT = 1e-4
"""Nats from uniform under which a local structure says nothing."""


class InactiveLossWarning(AdviceWarning):
    """The loss runs but cannot change the student."""


def local_log_probabilities(
    embedding: Float[Tensor, "nodes width"],
    graph: Graph,
    kernel: KernelConfig,
    *,
    bandwidth: float | Tensor | None = None,
    reduce: Reduce | None = None,
) -> Float64[Tensor, " edges"]:
    """Return log LS_ij of each edge j -> i, without a gradient: what is kept of a teacher (section 1.2).

    Args:
        embedding: One row per node.
        graph: Self-loops are neighbors like others.
        kernel: Which similarity.
        bandwidth: Instead of the kernel's.
        reduce: Adds the sums behind an automatic bandwidth over processes.

    Raises:
        ValueError: The embedding is not (nodes, width) or not finite, or the graph has no edges.
    """
    check_embedding(embedding, graph)
    around = neighborhoods_of(graph)
    with torch.no_grad(), torch.autocast(embedding.device.type, enabled=False):
        found = similarities(
            embedding,
            around.pairs,
            kernel,
            counts=around.counts,
            bandwidth=bandwidth,
            reduce=reduce,
        )
        if not bool(torch.isfinite(found.values).all()):
            raise ValueError(
                f"an embedding must be finite and its {kernel.name} similarities too; find the layer that gives "
                "infinities, or scale it down"
            )
        return around.log_softmax(around.to_edges(found.values))


def renormalized(log_p: Float[Tensor, " edges"], graph: Graph) -> Float64[Tensor, " edges"]:
    """Return log-probabilities over the in-edges that a sample kept; exact (section 7.3).

    Args:
        log_p: Log-probabilities over more in-edges, at the edges of the sampled graph.
        graph: The sampled graph.
    """
    return neighborhoods_of(graph).log_softmax(log_p.double())


def local_structure_loss(
    student: Float[Tensor, "nodes width"],
    teacher_log_p: Float[Tensor, " edges"],
    graph: Graph,
    *,
    kernel: KernelConfig,
    direction: Direction = "teacher",
    node_weights: Float[Tensor, " nodes"] | None = None,
    count: float | Tensor | None = None,
    bandwidth: float | Tensor | None = None,
    reduce: Reduce | None = None,
) -> Float[Tensor, ""]:
    """Return L_LSP = (1/N) sum_i KL_i, over all nodes; those with less than two neighbors count as 0 (section 1.2).

    Args:
        student: Its embedding of each node.
        teacher_log_p: Of each edge, from `local_log_probabilities`.
        graph: The one of the teacher's log-probabilities.
        kernel: Of the student.
        direction: teacher: KL(teacher || student), which the released code computes; student: KL(student || teacher),
            which the paper prints.
        node_weights: Of each node, such as 1 for the seeds of a sampled graph. None: 1 for all.
        count: What the sum is divided by. None: the sum of the weights.
        bandwidth: Instead of the kernel's.
        reduce: Adds the sums behind an automatic bandwidth over processes.

    Raises:
        ValueError: Shapes do not fit the graph, it has no edges, or the direction is unknown.
    """
    check_embedding(student, graph)
    found = _divergence(
        student,
        teacher_log_p,
        graph,
        kernel=kernel,
        direction=direction,
        node_weights=node_weights,
        count=count,
        bandwidth=bandwidth,
        reduce=reduce,
    )
    return found.loss


class LocalStructureLoss(nn.Module):
    """Sum or mean of the loss over layer pairs; keeps what it derives from each graph.

    Args:
        kernel: Which similarity. None: rbf with automatic bandwidth.
        direction: teacher: KL(teacher || student), which the released code computes; student: KL(student || teacher),
            which the paper prints.
        self_loops: Whether a node is its own neighbor; the released code keeps the self-loops that a graph has.
        reduction: Over layer pairs.
        check_every: Calls after which it looks again whether the loss is dead; the look waits for an accelerator.

    Raises:
        ValueError: An option is unknown; the known ones are listed.
    """

    def __init__(
        self,
        kernel: KernelConfig | None = None,
        *,
        direction: Direction = "teacher",
        self_loops: SelfLoops = "remove",
        reduction: Literal["sum", "mean"] = "sum",
        check_every: int = 50,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("direction", direction, get_args(Direction)),
            ("self_loops", self_loops, get_args(SelfLoops)),
            ("reduction", reduction, ("sum", "mean")),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
        self.kernel = KernelConfig() if kernel is None else kernel
        self.direction: Direction = direction
        self.self_loops: SelfLoops = self_loops
        self.reduction, self.check_every, self._calls = reduction, check_every, 0
        self._graphs: WeakKeyDictionary[Graph, Graph | None] = WeakKeyDictionary()

    def structure_graph(self, graph: Graph, *, sampled: bool = False) -> Graph:
        """Return the graph under this loss's policy for self-loops.

        Args:
            graph: Any.
            sampled: Whether most nodes lack in-edges by construction, which is then no reason to warn.
        """
        if graph not in self._graphs:
            found = graph.with_self_loops(self.self_loops)
            if not sampled:
                _check_degrees(found)
            # None for the graph itself: a value that held its key would keep it forever
            self._graphs[graph] = None if found is graph else found
        return self._graphs[graph] or graph

    def teacher_log_probabilities(
        self, teacher: Float[Tensor, "nodes width"], graph: Graph
    ) -> Float64[Tensor, " edges"]:
        """Return what is kept of a teacher: log-probabilities at the edges of `structure_graph`."""
        return local_log_probabilities(teacher, self.structure_graph(graph), self.kernel)

    def forward(
        self,
        student: Tensor | Sequence[Tensor],
        teacher: Tensor | Sequence[Tensor],
        graph: Graph,
        *,
        nodes: Bool[Tensor, " nodes"] | Int[Tensor, " chosen"] | None = None,
        count: float | Tensor | None = None,
        reduce: Reduce | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss over layer pairs.

        Args:
            student: (nodes, width) embeddings of one layer, or a list of them.
            teacher: As many: (nodes, width) embeddings of any width, or log-probabilities that
                `teacher_log_probabilities` gave.
            graph: With any self-loops; the policy is applied here.
            nodes: Mask or indices of the nodes that count, the seeds of a sampled graph. None: all.
            count: What the sum over nodes is divided by. None: the number of nodes that count.
            reduce: Adds the sums behind an automatic bandwidth over processes.

        Raises:
            ValueError: Numbers of layers or shapes do not fit, or the graph has no edges.
        """
        pairs = _layer_pairs(student, teacher)
        graph = self.structure_graph(graph, sampled=nodes is not None)
        weights = None if nodes is None else _weights(nodes, graph)
        losses = [
            self._of_pair(one, other, graph, node_weights=weights, count=count, reduce=reduce)
            for one, other in pairs
        ]
        self._calls += 1
        total = torch.stack(losses)
        return total.sum() if self.reduction == "sum" else total.mean()

    def _of_pair(
        self, student: Tensor, teacher: Tensor, graph: Graph, **more: Any
    ) -> Float64[Tensor, ""]:
        """Return the loss of one layer pair on a graph under the policy."""
        check_embedding(student, graph)
        if teacher.ndim == 2:
            teacher = local_log_probabilities(
                teacher.detach(), graph, self.kernel, reduce=more.get("reduce")
            )
        found = _divergence(
            student, teacher, graph, kernel=self.kernel, direction=self.direction, **more
        )
        if self._calls % self.check_every == 0:
            warn_if_inactive(found, self.kernel)
        return found.loss

    def extra_repr(self) -> str:
        """Return the options, for printing."""
        return f"{self.kernel}, direction={self.direction!r}, self_loops={self.self_loops!r}"


def check_embedding(embedding: Tensor, graph: Graph) -> None:
    """Refuse an embedding that is no floating-point (nodes, width) on the graph's device, and a graph without edges."""
    if embedding.ndim != 2 or not embedding.is_floating_point():
        raise ValueError(
            f"an embedding must be floating-point (nodes, width); got {embedding.dtype} of shape "
            f"{tuple(embedding.shape)}; choose another layer"
        )
    if len(embedding) != graph.nodes:
        raise ValueError(
            f"an embedding must have one row for each of the graph's {graph.nodes} nodes; got {len(embedding)}: "
            "teacher, student and graph must be of the same nodes"
        )
    if embedding.device != graph.device:
        raise ValueError(
            f"embedding and graph must be on one device; got {embedding.device} and {graph.device}"
        )
    if graph.edges == 0:
        raise ValueError(
            "local structure needs edges, and this graph has none: nothing to preserve"
        )


def warn_if_inactive(found: Divergence, kernel: KernelConfig) -> None:
    """Warn of a loss that cannot change the student.

    Args:
        found: What the loss returned.
        kernel: Of the student.
    """
    if not bool(found.bandwidth > 0):
        warnings.warn(
            "LSP is inactive: all neighbors have the same embedding in the student (a dead layer?)",
            InactiveLossWarning,
            stacklevel=3,
        )
    elif bool((found.student_uniform < FLAT) & (found.teacher_uniform < FLAT)):
        warnings.warn(
            f"LSP is inactive: the local structures of teacher and student are within {FLAT:g} nats of uniform on "
            f"average with {kernel.name} and bandwidth {kernel.bandwidth}; lower the bandwidth or use 'auto'",
            InactiveLossWarning,
            stacklevel=3,
        )


def _divergence(
    student: Tensor, teacher_log_p: Tensor, graph: Graph, *, kernel: KernelConfig, **more: Any
) -> Divergence:
    """Return the divergence on a graph after checking that the teacher's side fits."""
    if teacher_log_p.shape != (graph.edges,):
        raise ValueError(
            f"the teacher's log-probabilities must be one per edge, ({graph.edges},) under the loss's policy for "
            f"self-loops; got {tuple(teacher_log_p.shape)}: they belong to another graph or policy"
        )
    around = neighborhoods_of(graph)
    return structure_divergence(student, teacher_log_p, around, kernel, **more)


def _layer_pairs(
    student: Tensor | Sequence[Tensor], teacher: Tensor | Sequence[Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Match the layers of two networks."""
    students = [student] if isinstance(student, Tensor) else list(student)
    teachers = [teacher] if isinstance(teacher, Tensor) else list(teacher)
    if not students or len(students) != len(teachers):
        raise ValueError(
            f"layers come in pairs, at least one; got {len(students)} of the student and {len(teachers)} of the teacher"
        )
    return list(zip(students, teachers, strict=True))


def _weights(nodes: Tensor, graph: Graph) -> Tensor:
    """Return 1 for the nodes that count and 0 for others."""
    if nodes.dtype == torch.bool:
        if nodes.shape != (graph.nodes,):
            raise ValueError(
                f"a mask of nodes must be ({graph.nodes},), one per node; got {tuple(nodes.shape)}"
            )
        return nodes.double()
    weights = torch.zeros(graph.nodes, dtype=torch.float64, device=graph.device)
    return weights.index_fill_(0, nodes, 1.0)


def _check_degrees(graph: Graph) -> None:
    """Warn where most nodes have no structure to preserve."""
    alone = int((graph.in_degrees <= 1).sum())
    if 2 * alone > graph.nodes:
        warnings.warn(
            f"{alone} of {graph.nodes} nodes have less than two in-neighbors: LSP says nothing about them",
            InactiveLossWarning,
            stacklevel=4,
        )
