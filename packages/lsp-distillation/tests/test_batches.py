"""Steps of a training: who is in them, and where the teacher's entries lie."""

import pytest
import torch
from tiny_training import blocks, of_graphs, unequal_graphs

from lsp_distillation import batches
from lsp_distillation.batches import SampledNodes, SeveralGraphs, WholeTask, batches_of
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.local_structure import local_log_probabilities, renormalized
from lsp_distillation.training_config import TrainingConfig
from tenfold_shared.distributed import World

POLICIES = ("keep", "add", "remove")


def embedding_of(task, width=3):
    return torch.randn(
        task.nodes, width, generator=torch.Generator().manual_seed(5), dtype=torch.float64
    )


def bandwidth_of(embedding, graph):
    """Return the automatic one by its definition: sigma^2 is half the mean squared distance."""
    ends = embedding[graph.sources], embedding[graph.targets]
    return float(((ends[0] - ends[1]).square().sum(1).mean() / 2).sqrt())


def two_processes(monkeypatch, rank=0):
    monkeypatch.setattr(batches, "current_world", lambda: World(rank, 2))


def test_a_single_graph_is_the_same_batch_in_every_step():
    task = blocks()
    whole = batches_of(task, TrainingConfig(), "remove", seed=0)
    assert isinstance(whole, WholeTask)
    assert whole.steps_per_epoch == 1
    batch = whole.at(1)
    assert batch is whole.at(7)
    rows = torch.arange(task.nodes)
    assert batch.of_nodes(rows) is batch.of_items(rows) is batch.counted(rows) is rows
    assert torch.equal(batch.labeled, task.mask("train"))


def test_an_epoch_has_each_training_graph_once_in_another_order():
    task = unequal_graphs()
    several = batches_of(task, TrainingConfig(batch_graphs=3), "remove", seed=0)
    assert isinstance(several, SeveralGraphs)
    assert several.steps_per_epoch == 2  # four graphs: three and one
    orders = []
    for epoch in range(6):
        found = [several.at(2 * epoch + step) for step in (1, 2)]
        assert [batch.graphs for batch in found] == [3, 1]
        nodes = torch.cat([batch.nodes for batch in found])
        assert torch.equal(nodes.sort().values, task.mask("train").nonzero().flatten())
        orders.append(tuple(nodes.tolist()))
    assert len(set(orders)) > 1
    again = batches_of(task, TrainingConfig(batch_graphs=3), "remove", seed=0).at(5)
    assert torch.equal(again.nodes, several.at(5).nodes)
    other = batches_of(task, TrainingConfig(batch_graphs=3), "remove", seed=1)
    assert any(not torch.equal(other.at(s).nodes, several.at(s).nodes) for s in (1, 3, 5, 7))


def test_without_a_size_all_training_graphs_and_no_others_are_one_step():
    task = unequal_graphs()
    several = batches_of(task, TrainingConfig(), "remove", seed=0)
    assert several.steps_per_epoch == 1
    nodes = several.at(1).nodes
    assert torch.equal(nodes.sort().values, task.mask("train").nonzero().flatten())


@pytest.mark.parametrize("policy", POLICIES)
def test_edges_of_a_batch_point_at_the_teachers_entries(policy):
    task = unequal_graphs()
    z, kernel = embedding_of(task), KernelConfig()
    whole = task.graph.with_self_loops(policy)
    known = local_log_probabilities(z, whole, kernel)
    sigma = bandwidth_of(z, whole)
    several = batches_of(task, TrainingConfig(batch_graphs=2), policy, seed=3)
    for step in range(1, 5):
        batch = several.at(step)
        part = z[batch.nodes]
        expected = local_log_probabilities(part, batch.structure, kernel, bandwidth=sigma)
        torch.testing.assert_close(batch.of_edges(known), expected, rtol=0, atol=1e-12)
        # with the batch's own bandwidth it would be another distribution
        own = local_log_probabilities(part, batch.structure, kernel)
        assert not torch.allclose(batch.of_edges(known), own, atol=1e-6)
        assert torch.equal(batch.x, task.x[batch.nodes])
        assert torch.equal(batch.y, batch.of_items(task.y))
        ends = batch.nodes[batch.graph.edge_index]
        keys = {tuple(pair) for pair in task.graph.edge_index.T.tolist()}
        assert all(tuple(pair) in keys for pair in ends.T.tolist())


def test_graphs_with_one_target_each_are_items():
    task = of_graphs(unequal_graphs())
    several = batches_of(task, TrainingConfig(batch_graphs=2), "remove", seed=0)
    batch = several.at(1)
    assert torch.equal(batch.y, task.y[batch.items])
    assert batch.labeled.all()
    assert batch.graph_of_node is not None
    sizes = torch.bincount(task.graph_of_node)[batch.items]
    assert torch.equal(torch.bincount(batch.graph_of_node), sizes)


@pytest.mark.parametrize("policy", POLICIES)
def test_sampled_edges_point_at_the_teachers_entries(policy):
    task = blocks()
    z, kernel = embedding_of(task), KernelConfig()
    whole = task.graph.with_self_loops(policy)
    known = local_log_probabilities(z, whole, kernel)
    sampled = batches_of(task, TrainingConfig(fanouts=(3, 2), batch_nodes=8), policy, seed=0)
    assert isinstance(sampled, SampledNodes)
    seen, fewer = [], 0
    for step in range(1, sampled.steps_per_epoch + 1):
        batch = sampled.at(step)
        ends = batch.nodes[batch.structure.edge_index]
        assert torch.equal(whole.edge_index[:, batch.edges], ends)
        restricted = batch.of_edges(known)
        log_p = renormalized(restricted, batch.structure)
        for node in range(batch.structure.nodes):
            first, last = batch.structure.offsets[node : node + 2].tolist()
            expected = restricted[first:last].softmax(0).log()
            torch.testing.assert_close(log_p[first:last], expected, rtol=0, atol=1e-12)
            fewer += last - first < int(whole.in_degrees[batch.nodes[node]])
        assert torch.equal(batch.labeled, batch.seeds)
        seen.append(batch.counted(batch.nodes))
        assert torch.equal(batch.x, task.x[batch.nodes])
    assert fewer
    assert torch.equal(torch.cat(seen).sort().values, task.mask("train").nonzero().flatten())


def test_two_processes_share_the_graphs_of_a_step(monkeypatch):
    task = unequal_graphs()
    alone = batches_of(task, TrainingConfig(batch_graphs=2), "remove", seed=0)
    expected = [set(alone.at(step).nodes.tolist()) for step in (1, 2, 3)]
    parts = []
    for rank in (0, 1):
        two_processes(monkeypatch, rank)
        mine = batches_of(task, TrainingConfig(batch_graphs=2), "remove", seed=0)
        parts.append([set(mine.at(step).nodes.tolist()) for step in (1, 2, 3)])
    for both, first, second in zip(expected, *parts, strict=True):
        assert first | second == both
        assert not first & second


def test_what_cannot_be_divided_is_refused(monkeypatch):
    task = unequal_graphs()
    with pytest.raises(ValueError, match="single graph; leave batch_graphs at 0"):
        batches_of(blocks(), TrainingConfig(batch_graphs=2), "remove", seed=0)
    with pytest.raises(ValueError, match="targets of graphs"):
        batches_of(of_graphs(task), TrainingConfig(fanouts=(2,)), "remove", seed=0)
    two_processes(monkeypatch)
    with pytest.raises(ValueError, match=r"single|processes needs a graph"):
        batches_of(blocks(), TrainingConfig(), "remove", seed=0)
    with pytest.raises(ValueError, match="choose another batch_graphs"):
        batches_of(task, TrainingConfig(batch_graphs=3), "remove", seed=0)
    with pytest.raises(ValueError, match="single process"):
        batches_of(task, TrainingConfig(fanouts=(2,)), "remove", seed=0)


def test_the_last_step_needs_a_graph_for_each_process_and_no_more(monkeypatch):
    monkeypatch.setattr(batches, "current_world", lambda: World(0, 2))
    task = unequal_graphs(sizes=(9, 8, 7, 6, 5, 4, 3, 8, 7))  # seven to train on
    assert batches_of(task, TrainingConfig(batch_graphs=4), "remove", seed=0).steps_per_epoch == 2
    with pytest.raises(ValueError, match="needs a graph in every step"):
        batches_of(task, TrainingConfig(batch_graphs=6), "remove", seed=0)
