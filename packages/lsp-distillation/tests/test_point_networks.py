import copy

import pytest
import torch
from torch import nn

from lsp_distillation.networks import build_network
from tenfold_shared import distributed


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_of_the_papers_networks():
    assert parameters(build_network("dgcnn-teacher", features=3, outputs=40)) == 1_809_576
    assert parameters(build_network("dgcnn-student", features=3, outputs=40)) == 109_800


def test_the_order_of_points_does_not_matter():
    network = build_network("tiny-points-teacher", features=3, outputs=2).eval().double()
    points = torch.randn(2, 20, 3, dtype=torch.float64)
    torch.testing.assert_close(network(points[:, torch.randperm(20)]), network(points))


def test_global_batch_normalization_gives_the_same_step():
    one = build_network("tiny-points-student", features=2, outputs=3).double()
    other = distributed.synchronize_batchnorm(copy.deepcopy(one))
    assert any(isinstance(m, distributed.SynchronizedBatchNorm) for m in other.modules())
    assert not any(isinstance(m, nn.BatchNorm1d) for m in other.modules())
    points = torch.randn(3, 12, 2, dtype=torch.float64)
    for network in (one, other):
        network(points).square().sum().backward()
    for own, others in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(own.grad, others.grad)
    torch.testing.assert_close(one.eval()(points), other.eval()(points))


def test_clouds_that_do_not_fit():
    network = build_network("tiny-points-student", features=3, outputs=2)
    with pytest.raises(ValueError, match="more points than neighbors"):
        network(torch.randn(1, 4, 3))
    with pytest.raises(ValueError, match=r"points must be \(clouds, points, 3\)"):
        network(torch.randn(1, 9, 2))
