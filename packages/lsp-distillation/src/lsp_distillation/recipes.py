"""Teacher, student and their trainings for kinds of graphs, chosen on validation nodes; nothing heavy is imported."""

from lsp_distillation.network_config import NETWORKS, NetworkConfig, PointNetworkConfig
from lsp_distillation.training_config import DistillConfig, TrainConfig, TrainingConfig


def _graphs(name: str) -> NetworkConfig:
    """Return a named network on graphs."""
    network = NETWORKS[name]
    if not isinstance(network, NetworkConfig):
        raise TypeError(f"{name} is no network on graphs")
    return network


def _points(name: str) -> PointNetworkConfig:
    """Return a named network on point clouds."""
    network = NETWORKS[name]
    if not isinstance(network, PointNetworkConfig):
        raise TypeError(f"{name} is no network on point clouds")
    return network


_FEW_LABELS = TrainingConfig(epochs=120, weight_decay=5e-3)
_PROTEINS = TrainingConfig(epochs=300, weight_decay=5e-5)
_DIGITS = TrainingConfig(epochs=60, weight_decay=5e-4)
_PPI = TrainingConfig(epochs=60, learning_rate=0.005, weight_decay=0.0, batch_graphs=2)

TEACHERS: dict[str, TrainConfig] = {
    "standard": TrainConfig(network=_graphs("gat-teacher"), training=_FEW_LABELS),
    "proteins": TrainConfig(
        network=NetworkConfig(layers=3, width=64, heads=4, residual="linear"), training=_PROTEINS
    ),
    "ppi": TrainConfig(network=_graphs("ppi-teacher"), training=_PPI),
    "digits": TrainConfig(network=_graphs("gat-teacher"), training=_DIGITS),
}
"""How teachers are trained: few labeled nodes of one graph, proteins with several labels, and the paper's PPI."""

STUDENTS: dict[str, DistillConfig] = {
    "standard": DistillConfig(network=_graphs("gat-student"), training=_FEW_LABELS),
    "proteins": DistillConfig(
        network=NetworkConfig(layers=3, width=8, heads=2, residual="linear"), training=_PROTEINS
    ),
    "ppi": DistillConfig(
        network=_graphs("ppi-student"),
        training=TrainingConfig(epochs=500, learning_rate=0.005, weight_decay=0.0, batch_graphs=2),
    ),
    "digits": DistillConfig(network=_graphs("gat-student"), training=_DIGITS),
}
"""How students are trained."""
