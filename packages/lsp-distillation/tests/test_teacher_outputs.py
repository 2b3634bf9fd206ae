"""What a teacher said: kept, found again, and refused where it belongs to something else."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from tiny_training import PygTeacher, blocks, of_graphs, teacher_config, unequal_graphs
from torch import nn

from lsp_distillation.distillation import new_network
from lsp_distillation.graph import Graph
from lsp_distillation.inference import run_network
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.local_structure import local_log_probabilities
from lsp_distillation.network_config import NetworkConfig
from lsp_distillation.teacher_outputs import (
    compute_outputs,
    digest_of_module,
    load_outputs,
    move_outputs,
    origin_of,
    save_outputs,
)
from lsp_distillation.terms_config import StructureConfig
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal

LAYER = "layers.0"
STRUCTURE = StructureConfig()


def network_of(task, **changes):
    config = replace(NetworkConfig(width=4), **changes)
    return new_network(config, task, seed=0, role="teacher")


@contextmanager
def suppress_refusals(sentences):
    """Keep the sentences of refusals; everything else is an error."""
    try:
        yield
    except UserError as error:
        sentences.append(str(error))


def asked(teacher, task, structure=STRUCTURE):
    return compute_outputs(teacher, task, layers=[LAYER], structure=structure)


@pytest.mark.parametrize("policy", ["keep", "add", "remove"])
def test_outputs_are_those_of_the_network_in_evaluation_mode(policy):
    task = blocks()
    teacher = network_of(task, dropout=0.5).train()
    structure = StructureConfig(self_loops=policy, kernel=KernelConfig(name="laplacian"))
    outputs = asked(teacher, task, structure)
    assert teacher.training
    found = run_network(teacher, task, layers=[LAYER])
    assert torch.equal(outputs.logits, found.logits)
    assert torch.equal(outputs.features[LAYER], found.embeddings[LAYER])
    graph = task.graph.with_self_loops(policy)
    expected = local_log_probabilities(found.embeddings[LAYER], graph, structure.kernel)
    assert torch.equal(outputs.structures[LAYER], expected)
    assert outputs.structures[LAYER].dtype == torch.float64
    with torch.random.fork_rng():
        assert not torch.equal(teacher(task.x, task.graph), outputs.logits)  # dropout shows


def test_features_can_be_left_out():
    task = blocks()
    outputs = compute_outputs(
        network_of(task), task, layers=[LAYER], structure=STRUCTURE, features=False
    )
    assert outputs.features == {}
    assert list(outputs.structures) == [LAYER]


def test_a_file_gives_back_every_bit(tmp_path):
    task, path = blocks(), tmp_path / "cache.safetensors"
    teacher = network_of(task)
    outputs = asked(teacher, task)
    save_outputs(path, outputs)
    expected = origin_of(task, STRUCTURE) | {"teacher": digest_of_module(teacher)}
    again = move_outputs(load_outputs(path, expected=expected), "cpu")
    assert torch.equal(again.logits, outputs.logits)
    assert torch.equal(again.features[LAYER], outputs.features[LAYER])
    assert torch.equal(again.structures[LAYER], outputs.structures[LAYER])
    assert again.origin == outputs.origin


def other_weights(task):
    teacher = network_of(task)
    with torch.no_grad():
        next(teacher.parameters()).view(-1)[0] += 1e-6
    return teacher


def stale_cases():
    task = blocks()
    moved = task.x.clone()
    moved[3, 2] += 1e-6
    fewer = Graph.from_edges(task.graph.edge_index[:, 1:], nodes=task.nodes)
    weighted = Graph(task.graph.offsets, task.graph.sources, torch.full((task.graph.edges,), 2.0))
    return {
        "graph": (network_of(task), replace(task, graph=fewer), STRUCTURE),
        "graph ": (network_of(task), replace(task, graph=weighted), STRUCTURE),
        "features": (network_of(task), task.with_features(moved), STRUCTURE),
        "features ": (network_of(task), task.with_features(task.x.double()), STRUCTURE),
        "teacher": (other_weights(task), task, STRUCTURE),
        "teacher ": (network_of(task, activation="relu"), task, STRUCTURE),
        "teacher  ": (network_of(task, self_loops="keep"), task, STRUCTURE),
        "kernel": (network_of(task), task, StructureConfig(kernel=KernelConfig(bandwidth=3.0))),
        "kernel ": (network_of(task), task, StructureConfig(kernel=KernelConfig(name="cosine"))),
        "self-loops": (network_of(task), task, StructureConfig(self_loops="add")),
    }


@pytest.mark.parametrize("what", stale_cases())
def test_a_stale_file_is_refused_naming_what_differs(tmp_path, what):
    task, path = blocks(), tmp_path / "cache.safetensors"
    save_outputs(path, asked(network_of(task), task))
    teacher, other, structure = stale_cases()[what]
    expected = origin_of(other, structure) | {"teacher": digest_of_module(teacher)}
    sentence = refusal(lambda: load_outputs(path, expected=expected))
    assert f"another {what.strip()};" in sentence
    assert str(path) in sentence


def test_what_does_not_change_the_outputs_does_not_make_them_stale():
    task = blocks()
    teacher = network_of(task)
    digest = digest_of_module(teacher)
    assert digest_of_module(teacher.train()) == digest == digest_of_module(network_of(task))
    foreign = PygTeacher()
    assert digest_of_module(foreign) == digest_of_module(foreign.eval())
    assert digest_of_module(foreign) != digest_of_module(PygTeacher())
    other_split = replace(task, train_mask=task.val_mask, val_mask=task.train_mask)
    assert origin_of(task, STRUCTURE) == origin_of(other_split, STRUCTURE)


def test_the_same_edges_cut_into_other_graphs_are_another_graph():
    task = of_graphs(unequal_graphs())
    numbers = task.graph_of_node.clone()
    numbers[numbers == 1] = 0
    joined = replace(unequal_graphs(), graph_of_node=numbers.unique(return_inverse=True)[1])
    origins = [origin_of(one, STRUCTURE)["graph"] for one in (task, unequal_graphs(), joined)]
    assert len(set(origins)) == 3


def test_damaged_and_foreign_files_are_one_sentence(tmp_path):
    task, path = blocks(nodes_per_class=4), tmp_path / "cache.safetensors"
    save_outputs(path, asked(network_of(task, width=1), task))
    whole = path.read_bytes()
    expected = origin_of(task, STRUCTURE)
    sentences = []
    for content in damaged_files(whole, count=60, seed=0):
        path.write_bytes(content)
        with suppress_refusals(sentences):
            load_outputs(path, expected=expected)
    assert len(sentences) > 20
    assert all(str(path) in one for one in sentences)
    assert "is missing, damaged or no file" in refusal(
        lambda: load_outputs(tmp_path / "no", expected={})
    )
    for place in range(1, 120, 7):  # a flipped bit among the numbers
        path.write_bytes(
            whole[:-place] + bytes([whole[-place] ^ 4]) + whole[len(whole) - place + 1 :]
        )
        assert "is damaged" in refusal(lambda: load_outputs(path, expected=expected))
    other = tmp_path / "weights.safetensors"
    save_file({"w": torch.zeros(2)}, other)
    assert "no outputs of a teacher" in refusal(lambda: load_outputs(other, expected={}))


def test_a_teacher_of_pyg_says_what_it_says(tmp_path):
    task, teacher = blocks(), PygTeacher()
    outputs = compute_outputs(teacher, task, layers=["inner"], structure=STRUCTURE)
    expected = teacher.eval()(task.x, task.graph.edge_index)
    torch.testing.assert_close(outputs.logits, expected.detach())
    assert outputs.features["inner"].shape == (task.nodes, 7)
    assert teacher_config().network.width == 6


class Pair(nn.Module):
    """Answers two tensors."""

    def forward(self, x, edge_index):
        return x, edge_index


class Alone(nn.Module):
    """Takes no edges."""

    def forward(self, x):
        return x


@pytest.mark.parametrize("network", [Pair(), Alone(), PygTeacher(features=9)])
def test_a_network_that_does_not_fit_is_one_sentence(network):
    with pytest.raises(ValueError, match=r"must take x of 5 features and edge_index, and return"):
        compute_outputs(network, blocks(), layers=[], structure=STRUCTURE)
