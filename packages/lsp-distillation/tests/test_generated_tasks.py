import pytest
import torch

from lsp_distillation.generated_tasks import block_task, digits_task


def test_digits_are_joined_to_those_that_look_like_them():
    task = digits_task(neighbors=8)
    degrees = task.graph.in_degrees
    assert (task.nodes, task.features, int(degrees.min())) == (1797, 64, 8)
    same = (task.y[task.graph.sources] == task.y[task.graph.targets]).float().mean()
    assert same > 0.9
    distances = torch.cdist(task.x[:1], task.x).flatten()
    distances[0] = torch.inf
    nearest = set(distances.topk(8, largest=False).indices.tolist())
    neighbors = set(task.graph.sources[: int(degrees[0])].tolist())
    assert nearest <= neighbors


def test_blocks_depend_on_the_seed_alone_and_join_their_own():
    task, again, other = block_task(), block_task(), block_task(seed=1)
    assert task.graph.fingerprint == again.graph.fingerprint != other.graph.fingerprint
    assert torch.equal(task.x, again.x)
    same = (task.y[task.graph.sources] == task.y[task.graph.targets]).float().mean()
    assert 0.5 < same < 0.9
    assert torch.equal(
        task.graph.edge_index.flip(0).unique(dim=1), task.graph.edge_index.unique(dim=1)
    )


def test_two_graphs_cannot_be_split_in_three():
    with pytest.raises(ValueError, match="at least 3"):
        block_task(graphs=2)
