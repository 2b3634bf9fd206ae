"""The loss against its slow form: values, gradients, policies, refusals and warnings."""

import math
import warnings

import pytest
import torch
from slow_structure import distinct_edges, slow_log_probabilities, slow_loss, slow_similarity
from torch import Tensor

from lsp_distillation.graph import Graph
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.local_structure import (
    InactiveLossWarning,
    LocalStructureLoss,
    local_log_probabilities,
    local_structure_loss,
    renormalized,
)

NODES = 12
KERNELS = [
    KernelConfig(name="euclidean"),
    KernelConfig(name="euclidean", sign=1, normalize=False),
    KernelConfig(name="linear"),
    KernelConfig(name="linear", normalize=False),
    KernelConfig(name="polynomial", offset=0.5),
    KernelConfig(name="polynomial", degree=3, normalize=False),
    KernelConfig(name="rbf"),
    KernelConfig(name="rbf", bandwidth=1.5),
    KernelConfig(name="gaussian"),
    KernelConfig(name="gaussian", bandwidth=2.0),
    KernelConfig(name="laplacian"),
    KernelConfig(name="laplacian", bandwidth=100.0),
    KernelConfig(name="cosine"),
]


def _draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _awkward_edges() -> Tensor:
    """Directed edges: duplicates, self-loops, reverses, a node without in-edges and an isolated node."""
    edges = torch.randint(0, NODES - 1, (2, 50), generator=torch.Generator().manual_seed(0))
    edges = edges[:, edges[1] != 3]
    return torch.cat([edges, edges[:, :8], edges[:, :5].flip(0), torch.tensor([[1, 2], [1, 2]])], 1)


def _awkward_embedding(seed: int, width: int) -> Tensor:
    """Rows that coincide, and zero rows."""
    z = _draw(seed, NODES, width)
    edges = _awkward_edges()
    z[edges[0, 0]] = z[edges[1, 0]]
    z[[4, 5]] = 0
    return z


def _quiet(kernel: KernelConfig, direction: str, policy: str) -> LocalStructureLoss:
    return LocalStructureLoss(kernel, direction=direction, self_loops=policy, check_every=10**9)


@pytest.mark.parametrize("policy", ["keep", "add", "remove"])
@pytest.mark.parametrize("direction", ["teacher", "student"])
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_loss_and_gradient_are_those_of_the_slow_form(
    kernel: KernelConfig, direction: str, policy: str
) -> None:
    graph = Graph.from_edges(_awkward_edges(), nodes=NODES)
    edges = distinct_edges(_awkward_edges(), NODES, policy)
    teacher, values = _awkward_embedding(1, 7), _awkward_embedding(2, 4)
    student, slow_student = (values.clone().requires_grad_() for _ in range(2))
    term = _quiet(kernel, direction, policy)
    term._calls = 1
    loss = term(student, teacher, graph)
    expected = slow_loss(slow_student, teacher, edges, kernel, direction=direction)
    loss.backward()
    expected.backward()
    assert expected > 0
    assert math.isclose(loss.item(), expected.item(), rel_tol=1e-9)
    assert student.grad is not None
    assert slow_student.grad is not None
    error = (student.grad - slow_student.grad).abs().max()
    assert error <= 1e-9 * slow_student.grad.abs().max()


@pytest.mark.parametrize("direction", ["teacher", "student"])
@pytest.mark.parametrize("name", ["euclidean", "linear", "polynomial"])
def test_logits_of_ten_thousand(name: str, direction: str) -> None:
    kernel = KernelConfig(name=name, normalize=False)
    edges = distinct_edges(_awkward_edges(), NODES, "keep")
    power = 0.5 if name == "polynomial" else 1.0
    teacher, values = _awkward_embedding(1, 7), _awkward_embedding(2, 4)
    values[:6] *= 100**power
    similarity = slow_similarity(values, edges[0], edges[1], kernel)
    assert similarity.abs().max() > 1e4
    assert torch.isinf(slow_log_probabilities(similarity, edges[1]).exp().log()).any()
    student, slow_student = (values.clone().requires_grad_() for _ in range(2))
    graph = Graph.from_edges(edges, nodes=NODES)
    log_t = local_log_probabilities(teacher, graph, kernel)
    loss = local_structure_loss(student, log_t, graph, kernel=kernel, direction=direction)
    expected = slow_loss(slow_student, teacher, edges, kernel, direction=direction)
    loss.backward()
    expected.backward()
    assert student.grad is not None
    assert slow_student.grad is not None
    assert math.isclose(loss.item(), expected.item(), rel_tol=1e-9)
    error = (student.grad - slow_student.grad).abs().max()
    assert error <= 1e-9 * slow_student.grad.abs().max()


def test_released_loss_on_literal_numbers() -> None:
    # a path 0 - 1 - 2 with self-loops and node 3 alone; the two embeddings are 2 and 1 wide
    teacher = torch.tensor([[0.0, 0.0], [30.0, -40.0], [110.0, 60.0], [5.0, 5.0]])
    student = torch.tensor([[0.0], [50.0], [20.0], [1.0]])
    edges = torch.tensor([[0, 0, 1, 1, 1, 2, 2], [0, 1, 0, 1, 2, 1, 2]])
    # absolute differences of the teacher: |0-1| = 70, |1-2| = 180; of the student: 50 and 30
    k = {"t01": math.exp(-0.7), "t12": math.exp(-1.8), "s01": math.exp(-0.5), "s12": math.exp(-0.3)}

    def divergence(p: list[float], q: list[float]) -> float:
        p, q = [math.exp(x) for x in p], [math.exp(x) for x in q]
        p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]
        return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))

    expected = (
        divergence([1, k["t01"]], [1, k["s01"]])
        + divergence([k["t01"], 1, k["t12"]], [k["s01"], 1, k["s12"]])
        + divergence([k["t12"], 1], [k["s12"], 1])
    ) / 4
    term = LocalStructureLoss(KernelConfig(name="laplacian", bandwidth=100.0), self_loops="keep")
    graph = Graph.from_edges(edges, nodes=4)
    found = term(student.requires_grad_(), teacher, graph)
    assert math.isclose(found.item(), expected, rel_tol=1e-6)
    assert math.isclose(found.item(), 0.016497909, rel_tol=1e-6)


@pytest.mark.parametrize("name", ["rbf", "laplacian", "cosine", "polynomial"])
def test_gradcheck(name: str) -> None:
    kernel = KernelConfig(name=name, bandwidth=2.0, normalize=False)
    graph = Graph.from_edges(_awkward_edges(), nodes=NODES)
    log_t = local_log_probabilities(_draw(1, NODES, 5), graph, kernel)
    student = _draw(2, NODES, 3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: local_structure_loss(z, log_t, graph, kernel=kernel), (student,)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["rbf", "laplacian", "cosine"])
def test_lower_precision_of_embeddings(name: str, dtype: torch.dtype) -> None:
    kernel = KernelConfig(name=name)
    edges = distinct_edges(_awkward_edges(), NODES, "keep")
    graph = Graph.from_edges(edges, nodes=NODES)
    teacher = _draw(1, NODES, 7)
    # far from the origin products of float32 have lost the distances
    student = (_draw(2, NODES, 4) + 1000 * (name == "rbf" and dtype == torch.float32)).to(dtype)
    exact = student.double().requires_grad_()
    student.requires_grad_()
    log_t = local_log_probabilities(teacher, graph, kernel)
    loss = local_structure_loss(student, log_t, graph, kernel=kernel)
    expected = slow_loss(exact, teacher, edges, kernel)
    loss.backward()
    expected.backward()
    assert student.grad is not None
    assert exact.grad is not None
    assert student.grad.dtype == dtype
    assert math.isclose(loss.item(), expected.item(), rel_tol=1e-4)
    tolerance = max(1e-4, 2 * torch.finfo(dtype).eps)
    error = (student.grad.double() - exact.grad).abs().max()
    assert error <= tolerance * exact.grad.abs().max()


def test_float32_of_a_nearly_flat_kernel_is_no_noise() -> None:
    kernel = KernelConfig(name="rbf", bandwidth=1e3)
    edges = distinct_edges(_awkward_edges(), NODES, "keep")
    graph = Graph.from_edges(edges, nodes=NODES)
    teacher, student = _draw(1, NODES, 7).float(), _draw(2, NODES, 4).float()
    in_float32 = _float32_loss(student, teacher, graph)
    expected = slow_loss(student, teacher, edges, kernel).item()
    assert not math.isclose(in_float32, expected, rel_tol=0.5)
    log_t = local_log_probabilities(teacher, graph, kernel)
    found = local_structure_loss(student, log_t, graph, kernel=kernel).item()
    assert found > 0
    assert math.isclose(found, expected, rel_tol=1e-3)


def _float32_loss(student: Tensor, teacher: Tensor, graph: Graph) -> float:
    """What float32 for the scalars of edges gives."""
    logs = []
    for z in (student, teacher):
        q = (z[graph.sources] - z[graph.targets]).square().sum(1).div(-2e6).exp().exp()
        logs.append((q / torch.zeros(NODES).index_add_(0, graph.targets, q)[graph.targets]).log())
    return ((logs[1].exp() * (logs[1] - logs[0])).sum() / NODES).item()


def test_seeds_only_and_sampled_neighbors() -> None:
    edges = distinct_edges(_awkward_edges(), NODES, "remove")
    graph, kernel = Graph.from_edges(edges, nodes=NODES), KernelConfig()
    teacher, student = _draw(1, NODES, 7), _draw(2, NODES, 4)
    chosen = torch.tensor([0, 6, 2])
    weights = torch.zeros(NODES).index_fill_(0, chosen, 1.0)
    expected = slow_loss(student, teacher, edges, kernel, node_weights=weights).item()
    for nodes in (chosen, weights.bool()):
        found = LocalStructureLoss(kernel)(student, teacher, graph, nodes=nodes)
        assert math.isclose(found.item(), expected, rel_tol=1e-9)
    nobody = LocalStructureLoss(kernel)(student, teacher, graph, nodes=torch.zeros(NODES) > 0)
    assert nobody == 0
    halves = [
        LocalStructureLoss(kernel)(student, teacher, graph, nodes=part, count=3)
        for part in (chosen[:1], chosen[1:])
    ]
    assert math.isclose(sum(halves).item(), expected, rel_tol=1e-9)
    kept = torch.arange(graph.edges) % 3 > 0
    sample = Graph.from_edges(graph.edge_index[:, kept], nodes=NODES)
    log_p = local_log_probabilities(teacher, graph, KernelConfig(bandwidth=3.0))
    direct = local_log_probabilities(teacher, sample, KernelConfig(bandwidth=3.0))
    assert not torch.allclose(log_p[kept], direct)
    assert torch.allclose(renormalized(log_p[kept], sample), direct, rtol=1e-12)


def test_two_processes_equal_one() -> None:
    from lsp_distillation.graph import join_graphs

    graphs = [
        Graph.from_edges(torch.randint(0, n, (2, 4 * n)), nodes=n, self_loops="remove")
        for n in (5, 9)
    ]
    z, log_t = [_draw(n, n, 3) for n in (5, 9)], []
    kernel, whole = KernelConfig(), join_graphs(graphs)
    log_t = local_log_probabilities(_draw(3, 14, 6), whole, kernel)
    one = local_structure_loss(torch.cat(z), log_t, whole, kernel=kernel)
    sums = [
        torch.stack([d.sum(), torch.tensor(float(len(d)))])
        for d in (
            (x[g.sources] - x[g.targets]).square().sum(1) for x, g in zip(z, graphs, strict=True)
        )
    ]
    parts = [
        local_structure_loss(x, t, g, kernel=kernel, count=14, reduce=lambda _: sums[0] + sums[1])
        for x, t, g in zip(z, log_t.split([g.edges for g in graphs]), graphs, strict=True)
    ]
    assert math.isclose(sum(parts).item(), one.item(), rel_tol=1e-12)


def test_a_teacher_that_is_run_on_a_part_has_the_bandwidth_of_all_parts() -> None:
    graph = Graph.from_edges(_awkward_edges(), nodes=NODES, self_loops="remove")
    student, teacher = _draw(1, NODES, 3), _draw(2, NODES, 5)

    def more(both: Tensor) -> Tensor:
        return both + torch.tensor([300.0, 7.0])

    module = LocalStructureLoss()
    known = local_log_probabilities(teacher, graph, module.kernel, reduce=more)
    assert not torch.allclose(known, module.teacher_log_probabilities(teacher, graph))
    expected = module(student, known, graph, reduce=more)
    torch.testing.assert_close(module(student, teacher, graph, reduce=more), expected)


def test_it_looks_again_whether_it_is_dead() -> None:
    graph = Graph.from_edges(_awkward_edges(), nodes=NODES)
    teacher, alive, dead = _draw(1, NODES, 5), _draw(2, NODES, 3), torch.ones(NODES, 3)
    loss = LocalStructureLoss(check_every=2)
    for student in (alive, dead):  # the second call is not looked at
        loss(student, teacher, graph)
    with pytest.warns(InactiveLossWarning, match="same embedding"):
        loss(dead, teacher, graph)


def test_layer_pairs_are_added_or_averaged() -> None:
    graph = Graph.from_edges(_awkward_edges(), nodes=NODES)
    teachers, students = [_draw(i, NODES, 5) for i in (1, 2)], [_draw(i, NODES, 3) for i in (3, 4)]
    total = LocalStructureLoss()(students, teachers, graph)
    apart = [LocalStructureLoss()(s, t, graph) for s, t in zip(students, teachers, strict=True)]
    assert math.isclose(total.item(), sum(apart).item(), rel_tol=1e-12)
    mean = LocalStructureLoss(reduction="mean")
    cached = [mean.teacher_log_probabilities(t, graph) for t in teachers]
    assert math.isclose(mean(students, cached, graph).item(), total.item() / 2, rel_tol=1e-12)


def test_warns_of_a_loss_that_does_nothing() -> None:
    graph = Graph.from_edges(_awkward_edges(), nodes=NODES)
    teacher, student = _draw(1, NODES, 5), torch.ones(NODES, 3, requires_grad=True)
    with pytest.warns(InactiveLossWarning, match="same embedding"):
        loss = LocalStructureLoss()(student, teacher, graph)
    loss.backward()
    assert torch.isfinite(loss)
    assert student.grad is not None
    assert not student.grad.any()
    flat = LocalStructureLoss(KernelConfig(bandwidth=100.0))
    with pytest.warns(InactiveLossWarning, match="lower the bandwidth"):
        flat(_draw(2, NODES, 3), teacher, graph)
    with pytest.warns(InactiveLossWarning) as caught:
        LocalStructureLoss()(_draw(2, NODES, 3), teacher, Graph.from_edges(_ring(), nodes=NODES))
    assert "12 of 12 nodes" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LocalStructureLoss()(_draw(2, NODES, 3), teacher, graph)


def _ring() -> Tensor:
    nodes = torch.arange(NODES)
    return torch.stack([nodes, nodes.roll(1)])


def test_graphs_are_not_kept_alive() -> None:
    import gc
    import weakref

    term = LocalStructureLoss()
    for edges in (_awkward_edges(), distinct_edges(_awkward_edges(), NODES, "remove")):
        graph = Graph.from_edges(edges, nodes=NODES)
        term(_draw(1, NODES, 3), _draw(2, NODES, 3), graph)
        known = weakref.ref(graph)
        del graph
        gc.collect()
        assert known() is None


@pytest.mark.filterwarnings("ignore::lsp_distillation.local_structure.InactiveLossWarning")
def test_refusals() -> None:
    graph = Graph.from_edges(_awkward_edges(), nodes=NODES)
    term, z = LocalStructureLoss(), _draw(1, NODES, 3)
    bad = z.clone()
    bad[0, 0] = math.inf
    empty = Graph.from_edges(torch.zeros(2, 0, dtype=torch.long), nodes=NODES)
    cases = [
        ("same nodes", lambda: term(z[1:], z, graph)),
        ("same nodes", lambda: term(z, z[1:], graph)),
        ("another layer", lambda: term(z[None], z, graph)),
        ("floating-point", lambda: term(z.long(), z, graph)),
        ("finite", lambda: term(z, bad, graph)),
        ("one per edge", lambda: term(z, z[:, 0], graph)),
        ("needs edges", lambda: term(z, z, empty)),
        ("in pairs", lambda: term([z, z], [z], graph)),
        ("in pairs", lambda: term([], [], graph)),
        ("mask of nodes", lambda: term(z, z, graph, nodes=torch.ones(3, dtype=torch.bool))),
        ("one device", lambda: term(z.to("meta"), z, graph)),
        ("teacher, student", lambda: LocalStructureLoss(direction="both")),
        ("keep, add, remove", lambda: LocalStructureLoss(self_loops="none")),
        ("sum, mean", lambda: LocalStructureLoss(reduction="max")),
    ]
    for match, case in cases:
        with pytest.raises(ValueError, match=match):
            case()


def test_nodes_that_were_sampled_for_others_are_no_reason_to_warn(recwarn):
    graph = Graph.from_edges(torch.tensor([[1, 2, 3], [0, 0, 0]]), nodes=4)
    z = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    LocalStructureLoss()(z, z + 1, graph, nodes=torch.tensor([0]))
    assert not [one for one in recwarn if "in-neighbors" in str(one.message)]
    with pytest.warns(InactiveLossWarning, match="3 of 4 nodes"):
        LocalStructureLoss()(z, z + 1, Graph(graph.offsets, graph.sources))
