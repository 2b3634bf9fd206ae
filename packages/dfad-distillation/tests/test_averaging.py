"""The averaged student, and statistics measured anew."""

import copy

import pytest
import torch
from torch import nn

from dfad_distillation.averaging import follow_average, reestimate_statistics
from tenfold_shared.seeds import seed_global_state


def student() -> nn.Sequential:
    """Return a network with batch normalization."""
    seed_global_state(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(108, 2)
    )


def test_the_average_is_the_weighted_sum_of_all_rounds() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = copy.deepcopy(network)
    kept = network.weight.item()
    for number in range(1, 40):
        network.weight.data.fill_(float(number))
        follow_average(average, network, rounds=number, decay=0.75)
        share = max(0.25, 10 / (10 + number))
        kept += share * (number - kept)
    assert average.weight.item() == pytest.approx(kept, rel=1e-5)
    assert network.weight.item() == 39


def test_counters_are_copied() -> None:
    network = student().train()
    average = copy.deepcopy(network)
    network(torch.randn(4, 1, 8, 8))
    follow_average(average, network, rounds=100, decay=0.9)
    assert average[1].num_batches_tracked == 1


def test_new_statistics_are_those_of_the_batches() -> None:
    network = student()
    network(5 + torch.randn(4, 1, 8, 8))  # statistics of other pictures
    weights = [p.clone() for p in network.parameters()]
    batches = [torch.randn(8, 1, 8, 8) for _ in range(3)]
    network.train()
    assert reestimate_statistics(network, batches) == 1
    features = [network[0](batch) for batch in batches]
    mean = torch.stack([f.mean((0, 2, 3)) for f in features]).mean(0)
    variance = torch.stack([f.var((0, 2, 3)) for f in features]).mean(0)
    torch.testing.assert_close(network[1].running_mean, mean)
    torch.testing.assert_close(network[1].running_var, variance, rtol=1e-3, atol=1e-4)
    assert network.training
    assert network[1].momentum == 0.1
    assert all(torch.equal(a, b) for a, b in zip(weights, network.parameters(), strict=True))


def test_networks_without_normalization_are_left_alone() -> None:
    def never():
        raise AssertionError("no batch is needed")
        yield

    assert reestimate_statistics(nn.Linear(2, 2), never()) == 0
