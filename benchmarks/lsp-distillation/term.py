"""Time, memory and gradients of the structure term alone, beside the plain gather form; sizes of the PPI networks.

    OMP_NUM_THREADS=1 python benchmarks/lsp-distillation/term.py

One thread, process CPU seconds of forward and backward pass. Both take turns, so that what else the machine does falls
on both alike; a number of times is the ratio of the medians. The graphs have the shape of a step on PPI: two of 2,245
nodes and 30,659 undirected pairs with self-loops, student 136 wide, teacher 1024 wide; ours keeps the teacher's local
structure as every step on a graph that does not change does, the plain form computes it as the released code does.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from _plain_structure import plain_dynamic_loss, plain_loss
from torch import Tensor

from lsp_distillation.dynamic_structure import dynamic_structure_loss
from lsp_distillation.graph import Graph, join_graphs
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.local_structure import local_log_probabilities, local_structure_loss
from lsp_distillation.neighbor_search import nearest_neighbors
from lsp_distillation.networks import build_network
from tenfold_shared.result_rows import print_row
from tenfold_shared.seeds import torch_stream

RELEASED = KernelConfig(name="laplacian", bandwidth=100.0)
"""What the released code runs."""

OURS_IN_A_ROW = 5
"""Passes of ours in a turn."""

KERNELS = [
    KernelConfig(name="euclidean"),
    KernelConfig(name="euclidean", sign=1, normalize=False),
    KernelConfig(name="linear"),
    KernelConfig(name="polynomial", offset=0.5),
    KernelConfig(name="rbf"),
    KernelConfig(name="rbf", bandwidth=3.0),
    KernelConfig(name="gaussian"),
    KernelConfig(name="laplacian"),
    RELEASED,
    KernelConfig(name="cosine"),
]


def random_graph(nodes: int, pairs: int, generator: torch.Generator) -> Graph:
    """Return a graph of that many undirected pairs, and self-loops."""
    keys = torch.randint(0, nodes * nodes, (4 * pairs,), generator=generator)
    low, high = keys % nodes, keys // nodes
    keys = (low * nodes + high)[low < high].unique()
    keys = keys[torch.randperm(len(keys), generator=generator)[:pairs]]
    edges = torch.stack([keys // nodes, keys % nodes])
    return Graph.from_edges(edges, nodes=nodes, self_loops="add", symmetric=True)


def gradient_step(loss: Callable[[], Tensor], student: Tensor) -> Tensor:
    """Compute a loss and its gradient."""
    student.grad = None
    found = loss()
    found.backward()
    return found.detach()


def compare(
    name: str, student: Tensor, ours: Callable[[], Tensor], plain: Callable[[], Tensor], turns: int
) -> None:
    """Print the seconds of both, and how many times ours fits into the plain form."""
    losses = [float(gradient_step(loss, student)) for loss in (ours, plain)]
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns):
        # the plain form leaves caches and memory as no training step does: ours has several passes in a row,
        # and the first of them has a row of its own
        for loss, passes, found in ((ours, OURS_IN_A_ROW, spent[0]), (plain, 1, spent[1])):
            for _ in range(passes):
                start = time.process_time()
                gradient_step(loss, student)
                found.append(time.process_time() - start)
    ours_median, plain_median = (statistics.median(side) for side in spent)
    first_median = statistics.median(spent[0][::OURS_IN_A_ROW])
    print_row(
        f"{name}: CPU seconds, reference the plain form",
        ours_median,
        unit="s",
        reference=plain_median,
    )
    print_row(f"{name}: plain form over ours", plain_median / ours_median, unit="times")
    print_row(
        f"{name}: plain form over ours, right after it", plain_median / first_median, unit="times"
    )
    print_row(f"{name}: loss, reference the plain form", losses[0], reference=losses[1])


def time_static(turns: int) -> None:
    """Compare on the graphs of a step on PPI."""
    draw = torch_stream(0, "graphs")
    graph = join_graphs([random_graph(2245, 30659, draw) for _ in range(2)])
    teacher = torch.randn(graph.nodes, 1024, generator=draw)
    student = torch.randn(graph.nodes, 136, generator=draw, requires_grad=True)
    for kernel in (KernelConfig(), RELEASED):
        log_p = local_log_probabilities(teacher, graph, kernel)
        compare(
            f"term, {kernel.name}, {graph.edges:,} edges",
            student,
            lambda kernel=kernel, log_p=log_p: local_structure_loss(
                student, log_p, graph, kernel=kernel
            ),
            lambda kernel=kernel: plain_loss(student, teacher, graph.edge_index, kernel),
            turns,
        )


def time_dynamic(turns: int) -> None:
    """Compare on unions of dynamic graphs: 8 clouds of 1,024 points, 20 and 10 neighbors, widths 128 and 64."""
    draw = torch_stream(0, "clouds")
    points = torch.randn(8, 1024, 3, generator=draw)
    near_t = nearest_neighbors(points, 20)
    near_s = nearest_neighbors(points + 0.1 * torch.randn(points.shape, generator=draw), 10)
    teacher = torch.randn(8, 1024, 128, generator=draw)
    student = torch.randn(8, 1024, 64, generator=draw, requires_grad=True)
    kernel = KernelConfig()
    compare(
        "dynamic union, rbf, 8 clouds of 1,024 points",
        student,
        lambda: dynamic_structure_loss(student, teacher, near_s, near_t, kernel=kernel),
        lambda: plain_dynamic_loss(student, teacher, near_s, near_t, kernel),
        turns,
    )


def gradient_error() -> float:
    """Return the largest difference of a gradient to autograd in float64, over the gradient's largest entry.

    The graph has duplicates, directed edges, isolated nodes; embeddings coincide or are zero; logits reach 1e4.
    """
    draw, nodes = torch_stream(0, "gradients"), 60
    errors: list[Tensor] = []
    edges = torch.randint(0, nodes - 3, (2, 400), generator=draw)
    edges = torch.cat([edges, edges[:, :50], edges[:, :30].flip(0)], 1)
    for kernel in KERNELS:
        for policy in ("keep", "add", "remove"):
            graph = Graph.from_edges(edges, nodes=nodes, self_loops=policy)
            for direction in ("teacher", "student"):
                teacher, first = (
                    torch.randn(nodes, width, generator=draw, dtype=torch.float64)
                    for width in (9, 5)
                )
                first[:20] *= 100 if kernel.name in ("euclidean", "linear") else 1
                first[edges[0, 0]], first[20:23] = first[edges[1, 0]], 0
                gradients = []
                for plain in (False, True):
                    student = first.clone().requires_grad_()
                    if plain:
                        loss = plain_loss(
                            student, teacher, graph.edge_index, kernel, direction=direction
                        )
                    else:
                        log_p = local_log_probabilities(teacher, graph, kernel)
                        loss = local_structure_loss(
                            student, log_p, graph, kernel=kernel, direction=direction
                        )
                    gradients.append(torch.autograd.grad(loss, student)[0])
                largest = gradients[1].abs().max()
                errors.append((gradients[0] - gradients[1]).abs().max() / largest)
    return float(torch.stack(errors).max())  # NaN if one is


def memory_beyond_inputs(name: str, plain: bool) -> float:
    """Return the MB by which the peak of this process grows over 10,000 x 256 with 500,000 edges."""
    draw = torch_stream(0, "memory")
    for nodes, edges in (
        (100, 500),
        (10_000, 500_000),
    ):  # the small one loads what is loaded on first use
        graph = Graph.from_edges(torch.randint(0, nodes, (2, edges), generator=draw), nodes=nodes)
        teacher = torch.randn(nodes, 256, generator=draw)
        student = torch.randn(nodes, 256, generator=draw, requires_grad=True)
        log_p, edge_index = torch.rand(graph.edges, dtype=torch.float64), graph.edge_index
        kernel = KernelConfig(name=name)
        before = resident_megabytes()
        if plain:
            plain_loss(student, teacher, edge_index, kernel).backward()
        else:
            local_structure_loss(student, log_p, graph, kernel=kernel).backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000 - before


def resident_megabytes() -> float:
    """Return the memory that this process holds now; Linux only."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def print_memory() -> None:
    """Print the peak memory of the term, each in a process of its own."""
    for name in ("rbf", "laplacian", "cosine"):
        found = [
            json.loads(
                subprocess.run(
                    [sys.executable, __file__, "--memory-of", name, *plain],
                    check=True,
                    capture_output=True,
                ).stdout
            )
            for plain in ([], ["--plain"])
        ]
        print_row(
            f"term, {name}, 10,000 x 256 and 500,000 edges: peak memory beyond the inputs, reference the plain form",
            found[0],
            unit="MB",
            reference=found[1],
        )


def print_weights() -> None:
    """Print how many weights the paper's networks for PPI have."""
    for name in ("ppi-teacher", "ppi-student"):
        network = build_network(name, features=50, outputs=121)
        print_row(f"{name}: weights", sum(p.numel() for p in network.parameters()))


def main() -> None:
    """Print all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--memory-of", help="print the memory of one kernel only; used by itself")
    parser.add_argument("--plain", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory_of:
        print(json.dumps(memory_beyond_inputs(arguments.memory_of, arguments.plain)))
        return
    print_weights()
    print_memory()
    print_row(
        "gradients, all kernels, directions, policies: largest relative error", gradient_error()
    )
    time_static(arguments.turns)
    time_dynamic(arguments.turns)


if __name__ == "__main__":
    main()
