import subprocess
import sys

import pytest

from lsp_distillation.network_config import NETWORKS, NetworkConfig, PointNetworkConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "cnn"}, "kind must be one of gat, gcn, sage, gin, mlp, got 'cnn'"),
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"residual": "identity"}, "residual must be one of none, linear"),
    ],
)
def test_settings_that_are_no_network(settings, message):
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**settings)


def test_point_settings_that_are_no_network():
    with pytest.raises(ValueError, match="neighbors must be at least 1"):
        PointNetworkConfig(neighbors=0)
    with pytest.raises(ValueError, match="at least one edge convolution"):
        PointNetworkConfig(widths=())


def test_the_papers_networks_have_names():
    assert {"ppi-teacher", "ppi-student", "dgcnn-teacher", "dgcnn-student"} <= set(NETWORKS)


def test_names_are_there_without_torch():
    code = "import sys, lsp_distillation.network_config; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
