import numpy as np
import pytest
import torch

from lsp_distillation.generated_tasks import block_task
from lsp_distillation.graph import Graph
from lsp_distillation.neighbor_sampling import NeighborSampler, sample_neighborhood
from tenfold_shared.seeds import numpy_stream, torch_stream


def random_graph(nodes=60, edges=400):
    drawn = torch.randint(nodes, (2, edges), generator=torch_stream(0, "edges"))
    weights = torch.rand(edges, generator=torch_stream(0, "weights"))
    return Graph.from_edges(drawn, nodes=nodes, weights=weights)


GRAPH = random_graph()
SEEDS = torch.tensor([7, 3, 50, 12])


def sample(fanouts, *, seed=0, graph=GRAPH, seeds=SEEDS):
    return sample_neighborhood(graph, seeds, fanouts=fanouts, random=numpy_stream(seed, "test"))


@pytest.mark.parametrize("fanouts", [(3,), (4, 2), (-1, 5, 1), (1000, 1000)])
def test_sampled_edges_are_edges_of_the_full_graph(fanouts):
    part = sample(fanouts)
    assert torch.equal(part.nodes[: part.seeds], SEEDS)
    assert len(part.nodes.unique()) == len(part.nodes)
    assert torch.equal(part.nodes[part.graph.sources], GRAPH.sources[part.edges])
    assert torch.equal(part.nodes[part.graph.targets], GRAPH.targets[part.edges])
    assert torch.equal(part.graph.weights, GRAPH.weights[part.edges])
    rebuilt = Graph.from_edges(
        part.graph.edge_index, nodes=len(part.nodes), weights=part.graph.weights
    )
    assert rebuilt.fingerprint == part.graph.fingerprint
    for seed, degree in enumerate(part.graph.in_degrees[: part.seeds].tolist()):
        full = int(GRAPH.in_degrees[SEEDS[seed]])
        assert degree == (full if fanouts[0] < 0 else min(full, fanouts[0]))


def test_two_full_rounds_equal_brute_force():
    reached = set(SEEDS.tolist())
    edges = set()
    for _ in range(2):
        new = {(int(s), int(t)) for s, t in GRAPH.edge_index.T.tolist() if t in reached}
        edges |= new
        reached |= {s for s, _ in new}
    part = sample((-1, -1))
    assert set(part.nodes.tolist()) == reached
    found = part.nodes[part.graph.edge_index]
    assert set(map(tuple, found.T.tolist())) == edges


def test_isolated_seeds_have_no_neighborhood():
    graph = Graph.from_edges(torch.tensor([[0], [1]]), nodes=4)
    part = sample((2, 2), graph=graph, seeds=torch.tensor([3, 1]))
    assert part.nodes.tolist() == [3, 1, 0]
    assert part.graph.edge_index.tolist() == [[2], [1]]


def test_neighbors_are_drawn_evenly():
    star = Graph.from_edges(torch.stack([torch.arange(1, 9), torch.zeros(8).long()]), nodes=9)
    counts = np.zeros(9)
    for seed in range(400):
        drawn = sample((2,), graph=star, seeds=torch.tensor([0]), seed=seed).nodes[1:]
        assert len(drawn.unique()) == 2
        counts[drawn.numpy()] += 1
    assert counts[1:].min() > 65  # 100 expected, 9 the standard deviation
    assert counts[1:].max() < 135


def test_epochs_hold_every_item_once_and_depend_on_seed_and_epoch_alone():
    graph = block_task(nodes_per_class=20).graph
    items = torch.arange(0, 80, 2)
    sampler = NeighborSampler(graph, items, fanouts=(3, 3), batch_size=16, seed=5)
    batches = list(sampler.epoch(0))
    assert len(sampler) == len(batches) == 3
    seeds = torch.cat([batch.nodes[: batch.seeds] for batch in batches])
    assert torch.equal(seeds.sort().values, items)
    again = list(sampler.epoch(0, start=1))
    assert torch.equal(again[0].edges, batches[1].edges)
    assert not torch.equal(next(sampler.epoch(1)).nodes, batches[0].nodes)


def test_the_same_seeds_have_other_neighbors_in_another_epoch_and_batch():
    sampler = NeighborSampler(GRAPH, SEEDS, fanouts=(3,), batch_size=4, seed=5)
    drawn = [sampler.sample(SEEDS, epoch=e, batch=b).edges for e, b in ((0, 0), (1, 0), (0, 1))]
    assert torch.equal(drawn[0], sampler.sample(SEEDS, epoch=0, batch=0).edges)
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    ("seeds", "fanouts", "message"),
    [
        ([0, 60], (2,), "within 0 and 59"),
        ([0, 0], (2,), "distinct"),
        ([], (2,), "at least one"),
        ([0.0], (2,), "int64"),
        ([0], (), "one number per layer"),
        ([0], (2, 0), "at least 1 or -1"),
    ],
)
def test_refusals(seeds, fanouts, message):
    with pytest.raises(ValueError, match=message):
        sample(fanouts, seeds=torch.tensor(seeds))
    with pytest.raises(ValueError, match="batch_size"):
        NeighborSampler(GRAPH, SEEDS, fanouts=(2,), batch_size=0, seed=0)
