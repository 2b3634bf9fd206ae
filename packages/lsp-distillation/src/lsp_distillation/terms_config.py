"""Settings of the terms that a student can learn from, beside its labels; no torch here."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from lsp_distillation.kernel_config import Direction, KernelConfig

SelfLoops = Literal["keep", "add", "remove"]
Schedule = Literal["validated", "always", "first", "linear"]
AUTO = -1.0
"""A weight that is set from the gradients."""


@dataclass(frozen=True, kw_only=True)
class StructureConfig:
    """The local-structure-preserving term (paper section 3.2)."""

    weight: float = AUTO
    """Lambda, the factor of the term; 0: not used; -1: from the gradients."""
    kernel: KernelConfig = field(default_factory=KernelConfig)
    """Similarity of two neighbors."""
    direction: Direction = "teacher"
    """`teacher`: KL(teacher || student), as the released code; `student`: the printed equation."""
    self_loops: SelfLoops = "remove"
    """Whether a node is a neighbor of itself in this term; the released code: keep."""
    layers: tuple[str, ...] = ()
    """Pairs `teacher_layer:student_layer`; none: the last hidden layers of both."""
    reduction: Literal["sum", "mean"] = "sum"
    """Over pairs of layers."""
    schedule: Schedule = "validated"
    """`validated`: the training is done twice, with the term and without it, and the state that is best on validation
    items is the result (of equals one with it); `always`; `first`: only in the first epochs, as the
    released code; `linear`: falls to zero over them."""
    epochs: int = 30
    """Of `first` and `linear`."""

    def __post_init__(self) -> None:
        """Check every value."""
        check_weight("structure.weight", self.weight)
        _check_choice("structure.direction", self.direction, get_args(Direction))
        _check_choice("structure.self_loops", self.self_loops, get_args(SelfLoops))
        _check_choice("structure.schedule", self.schedule, get_args(Schedule))
        _check_choice("structure.reduction", self.reduction, ("sum", "mean"))
        if self.epochs < 1:
            raise ValueError(f"structure.epochs must be at least 1, got {self.epochs}")
        for pair in self.layers:
            if len(pair.split(":")) != 2 or not all(pair.split(":")):
                raise ValueError(
                    f"structure.layers must be pairs teacher_layer:student_layer, got {pair!r}"
                )


_TERMS = ("soft_labels", "hints", "attention", "relations", "similarity")
"""Fields of `TermsConfig` that are factors of terms, beside the structure's."""


@dataclass(frozen=True, kw_only=True)
class TermsConfig:
    """What a student learns from: alpha labels + beta soft labels + lambda structure + the rivals' terms.

    Every weight may be -1: the term's gradient is then `share` of the labels' at the matched student layer, measured
    once: after `measure_after` epochs, as soon as labels are learned better than by a constant prediction.
    """

    labels: float = 1.0
    """Factor of the loss on true labels."""
    structure: StructureConfig = field(default_factory=StructureConfig)
    """Local structure; the paper's term."""
    soft_labels: float = 0.0
    """Factor of the teacher's softened predictions (Hinton et al., arXiv 1503.02531)."""
    temperature: float = 1.0
    """Of the soft labels."""
    hints: float = 0.0
    """Factor of FitNet's regression of the teacher's features (arXiv 1412.6550)."""
    attention: float = 0.0
    """Factor of attention transfer (arXiv 1612.03928)."""
    relations: float = 0.0
    """Factor of relational distillation, distances and angles of sampled nodes (arXiv 1904.05068)."""
    similarity: float = 0.0
    """Factor of global structure preservation, all similarities of sampled nodes (arXiv 2111.04964)."""
    sampled_nodes: int = 512
    """Nodes that relations and similarity look at in a step."""
    share: float = 0.3
    """Of the labels' gradient norm, for weights of -1."""
    measure_after: int = 5
    """Epochs at least without the terms whose weight is -1, before it is set."""

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("labels", *_TERMS):
            check_weight(name, getattr(self, name))
        if self.labels < 0:
            raise ValueError("labels must be at least 0; the other gradients are measured by it")
        automatic = [one for one in _TERMS if getattr(self, one) == AUTO]
        automatic += ["structure.weight"] if self.structure.weight == AUTO else []
        if self.labels == 0 and automatic:
            raise ValueError(
                f"with labels 0 there is no gradient to weigh by: give {', '.join(automatic)} a number, not -1"
            )
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        if not 0 < self.share < float("inf"):
            raise ValueError(f"share must be positive, got {self.share}")
        if self.measure_after < 0:
            raise ValueError(f"measure_after must be at least 0, got {self.measure_after}")
        if self.sampled_nodes < 3:
            raise ValueError(
                f"sampled_nodes must be at least 3, an angle; got {self.sampled_nodes}"
            )


def check_weight(name: str, value: float) -> None:
    """Refuse a factor that is neither a number from 0 on nor -1."""
    if not (value == AUTO or 0 <= value < float("inf")):
        raise ValueError(f"{name} must be at least 0, or -1 for automatic; got {value}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse an unknown name."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")


LABELS_ALONE = TermsConfig(structure=StructureConfig(weight=0.0))
"""Without a teacher."""
