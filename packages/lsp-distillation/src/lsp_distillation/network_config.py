"""Which network to build, and those that have names; nothing heavy is imported here."""

from dataclasses import dataclass
from typing import Literal, get_args

NetworkKind = Literal["gat", "gcn", "sage", "gin", "mlp"]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """A network on the nodes of a graph."""

    kind: NetworkKind = "gat"
    """Its layers: attention, GCN, GraphSAGE, GIN, or an MLP that does not look at the graph."""
    layers: int = 2
    """Number of layers, the one that gives the outputs included."""
    width: int = 64
    """Of each hidden layer; of each head in attention."""
    heads: int = 1
    """Attention: heads of each hidden layer, side by side."""
    output_heads: int = 1
    """Attention: heads of the last layer, averaged."""
    residual: Literal["none", "linear"] = "none"
    """`linear`: every layer but the first adds a linear map of its input."""
    bias: bool = True
    """Layers add a bias."""
    activation: Literal["elu", "relu"] = "elu"
    """After each hidden layer."""
    norm: Literal["none", "batch", "layer"] = "none"
    """Normalization after each hidden layer, before the activation."""
    dropout: float = 0.0
    """Probability to drop an input of a layer in training."""
    attention_dropout: float = 0.0
    """Probability to drop an attention weight in training."""
    self_loops: Literal["add", "keep", "remove"] = "add"
    """What attention and GCN do with edges i -> i; the other layers have a way for the node itself."""

    def __post_init__(self) -> None:
        """Refuse what is no network."""
        _check_choice("kind", self.kind, NetworkKind)
        _check_choice("residual", self.residual, Literal["none", "linear"])
        _check_choice("activation", self.activation, Literal["elu", "relu"])
        _check_choice("norm", self.norm, Literal["none", "batch", "layer"])
        _check_choice("self_loops", self.self_loops, Literal["add", "keep", "remove"])
        for name in ("layers", "width", "heads", "output_heads"):
            _check_positive(name, getattr(self, name))
        for name in ("dropout", "attention_dropout"):
            _check_probability(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class PointNetworkConfig:
    """A network on point clouds whose graphs are built again in each layer (DGCNN)."""

    widths: tuple[int, ...] = (64, 64, 128, 256)
    """Of the edge convolutions."""
    embedding: int = 1024
    """Width of the map of all of them side by side, which is pooled over the points."""
    head: tuple[int, ...] = (512, 256)
    """Widths of the hidden layers after the pooling."""
    neighbors: int = 20
    """Of each point, itself included."""
    dropout: float = 0.5
    """Probability to drop an output of the head's hidden layers in training."""

    def __post_init__(self) -> None:
        """Refuse what is no network."""
        if not self.widths:
            raise ValueError("widths must name at least one edge convolution, got none")
        for width in (*self.widths, *self.head):
            _check_positive("each of widths and head", width)
        for name in ("embedding", "neighbors"):
            _check_positive(name, getattr(self, name))
        _check_probability("dropout", self.dropout)


def _check_choice(name: str, value: object, choices: object) -> None:
    """Refuse an unknown word."""
    if value not in get_args(choices):
        raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, got {value!r}")


def _check_positive(name: str, value: int) -> None:
    """Refuse what is no count."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")


def _check_probability(name: str, value: float) -> None:
    """Refuse what is no probability below 1."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {value}")


def _released(*, layers: int, width: int, heads: int, output_heads: int) -> NetworkConfig:
    """Return attention as in the authors' released code: linear residuals, no biases, no dropout."""
    return NetworkConfig(
        kind="gat",
        layers=layers,
        width=width,
        heads=heads,
        output_heads=output_heads,
        residual="linear",
        bias=False,
    )


@dataclass(frozen=True, kw_only=True)
class OwnNetwork:
    """A network of a user's own code: files hold its weights, and only that code can build it."""

    name: str
    """Of its class."""


NETWORKS: dict[str, NetworkConfig | PointNetworkConfig] = {
    "ppi-teacher": _released(layers=3, width=256, heads=4, output_heads=6),
    "ppi-student": _released(layers=5, width=68, heads=2, output_heads=2),
    "gat-teacher": NetworkConfig(kind="gat", width=32, heads=8, residual="linear"),
    "gat-student": NetworkConfig(kind="gat", width=8, residual="linear"),
    "gcn-teacher": NetworkConfig(kind="gcn", width=256, activation="relu"),
    "gcn-student": NetworkConfig(kind="gcn", width=16, activation="relu"),
    "sage-teacher": NetworkConfig(kind="sage", width=256, activation="relu"),
    "sage-student": NetworkConfig(kind="sage", width=16, activation="relu"),
    "gin-teacher": NetworkConfig(kind="gin", layers=4, width=64, norm="batch", activation="relu"),
    "gin-student": NetworkConfig(kind="gin", layers=3, width=16, norm="batch", activation="relu"),
    "mlp-student": NetworkConfig(kind="mlp", layers=3, width=64, activation="relu"),
    "dgcnn-teacher": PointNetworkConfig(),
    "dgcnn-student": PointNetworkConfig(
        widths=(32, 32, 64, 128), embedding=256, head=(), neighbors=10
    ),
    "tiny-teacher": NetworkConfig(kind="gat", layers=2, width=8, heads=2, residual="linear"),
    "tiny-student": NetworkConfig(kind="gat", layers=2, width=4, residual="linear"),
    "tiny-points-teacher": PointNetworkConfig(
        widths=(16, 16, 32), embedding=64, head=(32,), neighbors=8
    ),
    "tiny-points-student": PointNetworkConfig(
        widths=(8, 8, 16), embedding=16, head=(), neighbors=4
    ),
}
"""Configurations by name: those of the paper (ppi, dgcnn), small ones, and tiny ones for trials."""
