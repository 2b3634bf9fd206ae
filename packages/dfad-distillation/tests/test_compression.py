import pytest
import torch
from torch import nn

from dfad_distillation.compression import compression_report, multiply_adds
from dfad_distillation.networks import lenet5, lenet5_half


def test_multiply_adds_are_counted_by_hand():
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3 * 16, 7))
    assert multiply_adds(network, (2, 6, 6)) == 3 * 16 * 2 * 9 + 48 * 7


def test_the_paper_pair_has_the_figures_of_the_paper():
    rows = {row["name"]: row for row in compression_report(lenet5(), lenet5_half(), (1, 32, 32), rounds=3)}  # fmt: skip
    assert (rows["parameters"]["reference"], rows["parameters"]["value"]) == (61_706, 15_738)
    assert rows["bytes"]["reference"] == 4 * 61_706
    assert rows["parameters"]["ratio"] == pytest.approx(15_738 / 61_706)
    assert 0.4e6 < rows["multiply_adds"]["reference"] < 0.434e6, "433 K in the paper"
    assert 0.12e6 < rows["multiply_adds"]["value"] < 0.14e6, "139 K in the paper"
    assert rows["latency"]["reference"] > 0


def test_measuring_changes_nothing():
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(16, 2)).train()
    compression_report(network, network, (1, 4, 4), rounds=1)
    assert network.training
    assert torch.equal(network[0].running_mean, torch.zeros(1))
