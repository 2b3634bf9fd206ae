"""Networks in evaluation mode, in pieces."""

import pytest
import torch
from tiny_training import blocks, of_graphs, unequal_graphs

from lsp_distillation import inference
from lsp_distillation.distillation import new_network
from lsp_distillation.inference import NotFiniteError, run_network
from lsp_distillation.network_config import NetworkConfig


@pytest.mark.parametrize("make", [unequal_graphs, lambda: of_graphs(unequal_graphs())])
@pytest.mark.parametrize("piece", [1, 16, 40])
def test_pieces_are_the_whole(monkeypatch, make, piece):
    task = make()
    network = new_network(NetworkConfig(width=4, dropout=0.5), task, seed=0, role="student")
    whole = run_network(network, task, layers=["layers.0"])
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    monkeypatch.setattr(inference, "PIECE", piece)
    pieces = run_network(network, task, layers=["layers.0"])
    torch.testing.assert_close(pieces.logits, whole.logits)
    torch.testing.assert_close(pieces.embeddings["layers.0"], whole.embeddings["layers.0"])
    assert len(calls) == {1: 6, 16: 5, 40: 2}[piece]


def test_a_single_graph_is_never_cut(monkeypatch):
    monkeypatch.setattr(inference, "PIECE", 1)
    task = blocks()
    network = new_network(NetworkConfig(width=4), task, seed=0, role="student")
    assert run_network(network, task).logits.shape == (36, 3)


def test_mode_is_kept_and_autograd_may_use_what_comes_back():
    task = blocks()
    network = new_network(NetworkConfig(width=4, dropout=0.5), task, seed=0, role="student")
    for mode in (True, False):
        network.train(mode)
        found = run_network(network, task, layers=["layers.0"])
        assert network.training == mode
        assert torch.equal(found.logits, run_network(network, task).logits)  # no dropout
    weight = torch.ones(3, requires_grad=True)
    (found.logits * weight).sum().backward()
    assert weight.grad is not None


def test_mode_is_kept_after_a_refusal():
    task = blocks()
    network = new_network(NetworkConfig(width=4), task, seed=0, role="student").train()
    with pytest.raises(ValueError, match=r"no layer 'layers.7'; its layers are layers"):
        run_network(network, task, layers=["layers.7"])
    with torch.no_grad():
        next(network.parameters()).fill_(torch.inf)
    with pytest.raises(NotFiniteError, match="blocks are not finite"):
        run_network(network, task)
    assert network.training


def test_another_number_of_classes_is_refused():
    task = blocks()
    other = new_network(NetworkConfig(width=4), unequal_graphs(), seed=0, role="student")
    fewer = unequal_graphs()
    assert run_network(other, fewer).logits.shape == (55, 3)
    network = new_network(NetworkConfig(width=4), of_graphs(unequal_graphs()), seed=0, role="s")
    with pytest.raises(ValueError, match=r"must return \(55, 3\) for unequal, got"):
        run_network(network, fewer)
    assert task.outputs == 3
