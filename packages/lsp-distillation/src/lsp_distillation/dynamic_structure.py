"""LSP on graphs that change at every step: both local structures over the union of the edges (section 1.4)."""

import torch
from jaxtyping import Float
from torch import Tensor

from lsp_distillation.edge_similarity import Reduce, similarities
from lsp_distillation.graph import Graph
from lsp_distillation.kernel_config import Direction, KernelConfig
from lsp_distillation.neighbor_search import nearest_neighbors as nearest_neighbors
from lsp_distillation.neighborhoods import TableNeighborhoods
from lsp_distillation.structure_divergence import Divergence, structure_divergence


def union_graph(first: Graph, second: Graph) -> Graph:
    """Return the graph of the edges of either, each once and without weights.

    Args:
        first: Such as the teacher's.
        second: Such as the student's, on the same nodes.

    Raises:
        ValueError: They have different numbers of nodes.
    """
    if first.nodes != second.nodes:
        raise ValueError(
            f"a union needs graphs on the same nodes; they have {first.nodes} and {second.nodes}"
        )
    edges = torch.cat([first.edge_index, second.edge_index], 1)
    return Graph.from_edges(edges, nodes=first.nodes)


def union_neighborhoods(
    first: Tensor,
    second: Tensor,
    *,
    self_loops: bool = True,
) -> TableNeighborhoods:
    """Return the neighborhoods that hold the neighbors of either table, duplicates once.

    Args:
        first: In-neighbors of each point within its cloud.
        second: The same of another graph on these points.
        self_loops: Whether a point may be its own neighbor.

    Raises:
        ValueError: The tables do not fit each other, or point outside their cloud.
    """
    check_tables(first, second)
    clouds, points, _ = first.shape
    neighbors = torch.cat([first, second], 2).sort(2).values
    present = torch.ones_like(neighbors, dtype=torch.bool)
    torch.ne(neighbors[:, :, 1:], neighbors[:, :, :-1], out=present[:, :, 1:])
    if not self_loops:
        present &= neighbors != torch.arange(points, device=first.device)[:, None]
    begins = torch.arange(0, clouds * points, points, device=first.device)
    return TableNeighborhoods(
        (neighbors + begins[:, None, None]).flatten(0, 1), present.flatten(0, 1)
    )


def dynamic_divergence(
    student: Tensor,
    teacher: Tensor,
    student_neighbors: Tensor,
    teacher_neighbors: Tensor,
    *,
    kernel: KernelConfig,
    direction: Direction = "teacher",
    count: float | Tensor | None = None,
    reduce: Reduce | None = None,
) -> Divergence:
    """Return the loss of `dynamic_structure_loss` with what tells whether it does anything."""
    for name, embedding in (("student", student), ("teacher", teacher)):
        if embedding.ndim != 3 or embedding.shape[:2] != student_neighbors.shape[:2]:
            raise ValueError(
                f"the {name}'s embedding must be (clouds, points, width) of the clouds of its neighbors, "
                f"{tuple(student_neighbors.shape[:2])}; got {tuple(embedding.shape)}"
            )
    around = union_neighborhoods(teacher_neighbors, student_neighbors)
    with torch.no_grad(), torch.autocast(teacher.device.type, enabled=False):
        found = similarities(
            teacher.flatten(0, 1), around.pairs, kernel, counts=around.counts, reduce=reduce
        )
        log_t = around.log_softmax(found.values)
    return structure_divergence(
        student.flatten(0, 1),
        log_t,
        around,
        kernel,
        direction=direction,
        count=count,
        reduce=reduce,
    )


def dynamic_structure_loss(
    student: Tensor,
    teacher: Tensor,
    student_neighbors: Tensor,
    teacher_neighbors: Tensor,
    *,
    kernel: KernelConfig,
    direction: Direction = "teacher",
    count: float | Tensor | None = None,
    reduce: Reduce | None = None,
) -> Float[Tensor, ""]:
    """Return the mean over points of KL between local structures over the union of both graphs' edges.

    Args:
        student: Embeddings of its layer.
        teacher: Embeddings of the matched layer; no gradient flows.
        student_neighbors: In-neighbors of each point in the graph on which the student's layer worked.
        teacher_neighbors: The same of the teacher's layer.
        kernel: Which similarity.
        direction: teacher: KL(teacher || student); student: KL(student || teacher).
        count: What the sum over points is divided by. None: the number of points.
        reduce: Adds the sums behind an automatic bandwidth over processes.

    Raises:
        ValueError: Shapes do not fit each other, or neighbors lie outside their cloud.
    """
    return dynamic_divergence(
        student,
        teacher,
        student_neighbors,
        teacher_neighbors,
        kernel=kernel,
        direction=direction,
        count=count,
        reduce=reduce,
    ).loss


def check_tables(*tables: Tensor) -> None:
    """Refuse tables of neighbors that are no (clouds, points, k) of one cloud layout."""
    for table in tables:
        if table.ndim != 3 or table.dtype != torch.int64 or table.shape[:2] != tables[0].shape[:2]:
            raise ValueError(
                "neighbors must be int64 (clouds, points, k) of the same clouds for teacher and student; got "
                f"{table.dtype} of shape {tuple(table.shape)}"
            )
        # not on an accelerator, which would have to be waited for
        if not table.is_cuda and (table.min() < 0 or table.max() >= table.shape[1]):
            raise ValueError(
                f"neighbors must be points of their own cloud, 0 to {table.shape[1] - 1}; got {int(table.min())} to "
                f"{int(table.max())}"
            )
