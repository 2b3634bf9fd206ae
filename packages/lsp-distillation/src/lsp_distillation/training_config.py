"""Settings of a training, of a teacher or of a student; no torch here."""

from dataclasses import dataclass, field

from lsp_distillation.network_config import NetworkConfig, PointNetworkConfig
from lsp_distillation.terms_config import TermsConfig


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a network on graphs is trained."""

    epochs: int = 200
    """Passes over the training nodes, graphs or clouds."""
    learning_rate: float = 0.01
    """Of Adam."""
    weight_decay: float = 5e-4
    """L2 penalty of Adam."""
    cosine: bool = False
    """Let the rate fall to zero along half a cosine."""
    batch_graphs: int = 0
    """Graphs per step, where there are several; 0: all."""
    fanouts: tuple[int, ...] = ()
    """Sampled in-neighbors per layer, outermost first; none: whole graphs."""
    batch_nodes: int = 1024
    """Labeled nodes per step, with fanouts."""
    balance: float = 0.0
    """Of labels that are yes or no: the weight of a yes is (count of no / count of yes) to this power."""
    patience: int = 0
    """Stop when the validation score has not risen for so many epochs; 0: never."""
    threshold: float = 0.0
    """Logit above which a label counts as predicted; the released code: 0.5."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("epochs", "batch_nodes", "checkpoint_every"):
            _require_at_least(name, getattr(self, name), 1)
        for name in ("weight_decay", "batch_graphs", "patience"):
            _require_at_least(name, getattr(self, name), 0)
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
        if not 0 <= self.balance <= 1:
            raise ValueError(f"balance must be between 0 and 1, got {self.balance}")
        if not abs(self.threshold) < float("inf"):
            raise ValueError(f"threshold must be a finite number, got {self.threshold}")
        if any(count < 1 for count in self.fanouts):
            raise ValueError(f"fanouts must be at least 1, got {self.fanouts}")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A network and how it learns from labels."""

    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(width=32, heads=8))
    """On graphs."""
    points: PointNetworkConfig = field(default_factory=PointNetworkConfig)
    """On point clouds, in place of `network`."""
    training: TrainingConfig = field(default_factory=TrainingConfig)


@dataclass(frozen=True, kw_only=True)
class DistillConfig(TrainConfig):
    """A student, and how it learns from labels and a teacher."""

    terms: TermsConfig = field(default_factory=TermsConfig)


def _require_at_least(name: str, value: float, least: float) -> None:
    """Refuse what is too small."""
    if not least <= value < float("inf"):
        raise ValueError(f"{name} must be at least {least}, got {value}")
