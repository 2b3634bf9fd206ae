"""Teacher, student and their trainings for kinds of graphs, chosen on validation nodes; nothing heavy is imported."""

from dataclasses import replace

from lsp_distillation.network_config import NETWORKS, NetworkConfig, PointNetworkConfig
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from lsp_distillation.training_config import DistillConfig, TrainConfig, TrainingConfig


def _graphs(name: str) -> NetworkConfig:
    """Return a named network on graphs."""
    network = NETWORKS[name]
    if not isinstance(network, NetworkConfig):
        raise TypeError(f"{name} is no network on graphs")
    return network


_FEW_LABELS = TrainingConfig(epochs=120, weight_decay=5e-3)
_PROTEINS = TrainingConfig(epochs=100, weight_decay=5e-5, balance=1.0)
_DIGITS = TrainingConfig(epochs=60, weight_decay=5e-4)
_POINTS = TrainingConfig(
    epochs=15, learning_rate=3e-3, weight_decay=1e-4, cosine=True, batch_graphs=32
)
THROUGHOUT = TermsConfig(structure=StructureConfig(schedule="always"))
"""The structure term stays: where there are labels enough and an epoch is long, nothing is done twice."""
_PPI = TrainingConfig(epochs=60, learning_rate=0.005, weight_decay=0.0, batch_graphs=2)

TEACHERS: dict[str, TrainConfig] = {
    "standard": TrainConfig(network=_graphs("gat-teacher"), training=_FEW_LABELS),
    "proteins": TrainConfig(
        network=NetworkConfig(layers=3, width=64, heads=4, residual="linear", norm="layer"),
        training=_PROTEINS,
    ),
    "ppi": TrainConfig(network=_graphs("ppi-teacher"), training=_PPI),
    "digits": TrainConfig(network=_graphs("gat-teacher"), training=_DIGITS),
    "points": TrainConfig(
        points=PointNetworkConfig(
            widths=(32, 32, 64, 128), embedding=256, head=(128,), neighbors=20
        ),
        training=_POINTS,
    ),
}
"""How teachers are trained: few labeled nodes of one graph, proteins with several labels, and the paper's PPI."""

STUDENTS: dict[str, DistillConfig] = {
    "standard": DistillConfig(network=_graphs("gat-student"), training=_FEW_LABELS),
    "proteins": DistillConfig(
        network=NetworkConfig(width=16, residual="linear", norm="layer"),
        training=replace(_PROTEINS, epochs=200),
    ),
    "ppi": DistillConfig(
        network=_graphs("ppi-student"),
        terms=THROUGHOUT,
        training=TrainingConfig(epochs=500, learning_rate=0.005, weight_decay=0.0, batch_graphs=2),
    ),
    "digits": DistillConfig(network=_graphs("gat-student"), training=_DIGITS),
    "points": DistillConfig(
        points=PointNetworkConfig(widths=(16, 16, 32), embedding=64, head=(), neighbors=10),
        training=_POINTS,
        terms=THROUGHOUT,
    ),
}
"""How students are trained."""
