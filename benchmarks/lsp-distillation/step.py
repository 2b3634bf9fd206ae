"""CPU seconds of one training step of the paper's student on PPI-shaped graphs, beside PyG's layers, in turns.

    OMP_NUM_THREADS=1 python benchmarks/lsp-distillation/step.py

Two random graphs of 2,245 nodes with 30,659 undirected pairs and self-loops each, 50 features, 121 labels, one thread.
A step is forward, loss, backward and Adam. The reference of the step with the local-structure term is the plain one:
PyG's GATConv, the teacher's forward pass in every step, and gathers of edges x width. A ratio is of medians.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from _reference import (
    BANDWIDTHS,
    FEATURES,
    LABELS,
    PlainEdgeConvolution,
    PlainGat,
    local_structure_loss,
    ppi_shaped,
)
from torch import Tensor, nn
from torch.nn import functional

from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.local_structure import local_log_probabilities
from lsp_distillation.local_structure import local_structure_loss as fused_loss
from lsp_distillation.networks import GraphNetwork, build_network
from lsp_distillation.taps import LayerTaps
from tenfold_shared.result_rows import print_row

STUDENT_LAYER, TEACHER_LAYER = 2, 1
STUDENT_NAME, TEACHER_NAME = "layers.2", "layers.1"
WEIGHT = 100.0
CLOUDS = (32, 128)
Step = Callable[[], float]


def stepper(network: nn.Module, loss_of: Callable[[], Tensor]) -> Step:
    """Return one step of Adam on a loss, which returns the loss before it."""
    adam = torch.optim.Adam(network.parameters(), lr=0.005)

    def step() -> float:
        adam.zero_grad()
        loss = loss_of()
        loss.backward()
        adam.step()
        return float(loss.detach())

    return step


def our_steps(
    teacher: GraphNetwork, student_of: Callable[[], GraphNetwork], data: tuple
) -> dict[str, Step]:
    """Return our steps by name; the teacher's distributions are computed here, once."""
    graph, x, y = data
    steps = {}
    student = student_of()

    def labels_only(student: GraphNetwork = student) -> Tensor:
        return functional.binary_cross_entropy_with_logits(student(x, graph), y)

    steps["labels"] = stepper(student, labels_only)
    with torch.no_grad(), LayerTaps(teacher, [TEACHER_NAME]) as taps:
        teacher(x, graph)
    for name in BANDWIDTHS:
        kernel = KernelConfig(name=name, bandwidth=BANDWIDTHS[name])
        known = local_log_probabilities(taps[TEACHER_NAME], graph, kernel=kernel)
        student = student_of()
        watched = LayerTaps(student, [STUDENT_NAME]).attach()

        def with_term(
            student: GraphNetwork = student,
            watched: LayerTaps = watched,
            known: Tensor = known,
            kernel: KernelConfig = kernel,
        ) -> Tensor:
            loss = functional.binary_cross_entropy_with_logits(student(x, graph), y)
            term = fused_loss(watched[STUDENT_NAME], known, graph, kernel=kernel)
            return loss + WEIGHT * term

        steps[name] = stepper(student, with_term)
    return steps


def plain_steps(
    teacher: GraphNetwork, student_of: Callable[[], GraphNetwork], data: tuple
) -> dict[str, Step]:
    """Return the steps of the plain form by name."""
    graph, x, y = data
    edges = graph.edge_index
    steps, plain_teacher = {}, PlainGat(teacher)
    student = PlainGat(student_of())

    def labels_only(student: PlainGat = student) -> Tensor:
        return functional.binary_cross_entropy_with_logits(student(x, edges)[0], y)

    steps["labels"] = stepper(student, labels_only)
    for name in BANDWIDTHS:
        student = PlainGat(student_of())

        def with_term(student: PlainGat = student, name: str = name) -> Tensor:
            with torch.no_grad():
                target = plain_teacher(x, edges)[1][TEACHER_LAYER]
            logits, hidden = student(x, edges)
            loss = functional.binary_cross_entropy_with_logits(logits, y)
            term = local_structure_loss(hidden[STUDENT_LAYER], target, edges, kernel=name)
            return loss + WEIGHT * term

        steps[name] = stepper(student, with_term)
    return steps


def point_steps() -> tuple[Step, Step]:
    """Return our step of the DGCNN teacher and that of the plain form."""
    points, y = torch.randn(*CLOUDS, 2), torch.randint(0, 10, CLOUDS[:1])
    first = build_network("dgcnn-teacher", features=2, outputs=10)
    second = copy.deepcopy(first)
    for layer in second.layers:
        layer.__class__ = PlainEdgeConvolution

    def step_of(network: nn.Module) -> Step:
        def loss_of() -> Tensor:
            torch.manual_seed(0)  # noqa: TID251  (dropout)
            return functional.cross_entropy(network(points), y)

        return stepper(network, loss_of)

    return step_of(first), step_of(second)


def seconds(step: Step) -> float:
    """Return the CPU seconds of one step."""
    start = time.process_time()
    step()
    return time.process_time() - start


def take_turns(
    ours: dict[str, Step], plain: dict[str, Step], repeats: int, inner: int
) -> dict[str, float]:
    """Return the median CPU seconds of all steps, each plain turn followed by several of ours."""
    times: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name in ours:
            times.setdefault(f"plain {name}", []).append(seconds(plain[name]))
        for _ in range(inner):
            for name in ours:
                times.setdefault(f"our {name}", []).append(seconds(ours[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print one row per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--inner", type=int, default=5, help="our steps per turn, their median counts"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)  # noqa: TID251
    teacher = build_network("ppi-teacher", features=FEATURES, outputs=LABELS).eval()
    first = build_network("ppi-student", features=FEATURES, outputs=LABELS).state_dict()

    def student_of() -> GraphNetwork:
        student = build_network("ppi-student", features=FEATURES, outputs=LABELS)
        student.load_state_dict(first)
        return student

    data = ppi_shaped(0)
    ours, plain = our_steps(teacher, student_of, data), plain_steps(teacher, student_of, data)
    for name in ours:
        own, other = ours[name](), plain[name]()
        title = f"first-step loss, {name}: difference to the plain one"
        print_row(title, abs(own - other), reference=other)
    medians = take_turns(ours, plain, args.repeats, args.inner)
    for name in ours:
        own, other = medians[f"our {name}"], medians[f"plain {name}"]
        what = "labels-only step" if name == "labels" else f"step with LSP, {name}"
        print_row(f"{what}: CPU seconds, plain (reference: ours)", other, unit="s", reference=own)
    for name in BANDWIDTHS:
        own = medians[f"our {name}"]
        title = f"step with LSP, {name}: CPU seconds (reference: our labels-only step)"
        print_row(title, own, unit="s", reference=medians["our labels"])
    report_points(args.repeats)


def report_points(repeats: int) -> None:
    """Print the rows of networks on point clouds."""
    ours, plain = point_steps()
    own, other = ours(), plain()
    name = "first-step loss, DGCNN teacher: difference to the plain one"
    print_row(name, abs(own - other), reference=other)
    pairs = [(seconds(plain), seconds(ours)) for _ in range(repeats)]
    others, owns = zip(*pairs, strict=True)
    name = (
        "step of the DGCNN teacher, 32 clouds of 128 points: CPU seconds, plain (reference: ours)"
    )
    print_row(name, statistics.median(others), unit="s", reference=statistics.median(owns))


if __name__ == "__main__":
    main()
