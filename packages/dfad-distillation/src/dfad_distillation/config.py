"""Settings of the distillation: frozen, documented, checked; nothing heavy is imported here."""

import math
from dataclasses import dataclass, field
from typing import Literal

Discrepancy = Literal["mae", "mse", "kl"]
GenerationLoss = Literal["mae", "log_mae", "mse", "kl"]
GeneratorName = Literal["shuffle", "a", "b", "natural"]
Task = Literal["classification", "segmentation"]
Schedule = Literal["constant", "steps", "cosine", "held"]
Precision = Literal["fp32", "bf16"]
CONTROLS = 2
"""Numbers of a `natural` generator's noise that say how bright a picture is, and of what contrast."""


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


def _require_at_least(settings: object, least: float, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        _require(value >= least, f"{name} must be at least {least}, got {value}")
        _require(value < math.inf, f"{name} must be finite, got {value}")


def _require_positive(settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        _require(
            0 < value < math.inf, f"{name} must be positive and finite, got {value}; 0.01 is usual"
        )


@dataclass(frozen=True, kw_only=True)
class InputSpace:
    """What a teacher reads: (picture - mean) / std of pictures in [0, 1].

    Without mean and std the teacher reads pictures in [0, 1] as they are.
    """

    shape: tuple[int, int, int] = (1, 32, 32)
    """Channels, height and width."""
    mean: tuple[float, ...] = ()
    """One value, or one per channel; empty: 0."""
    std: tuple[float, ...] = ()
    """One value, or one per channel; empty: 1."""

    def __post_init__(self) -> None:
        """Check that the lengths fit."""
        _require(
            len(self.shape) == 3 and min(self.shape) >= 1,
            f"shape must be channels, height and width, all at least 1, got {self.shape}",
        )
        _require(
            bool(self.mean) == bool(self.std),
            f"mean and std must be given together, got mean {self.mean} and std {self.std}",
        )
        for name in ("mean", "std"):
            values = getattr(self, name)
            _require(
                len(values) in (0, 1, self.shape[0]),
                f"{name} must have one value or one per channel ({self.shape[0]}), got {values}",
            )
            _require(
                all(math.isfinite(value) for value in values),
                f"{name} must be finite, got {values}",
            )
        _require(all(value > 0 for value in self.std), f"std must be positive, got {self.std}")

    @property
    def is_normalized(self) -> bool:
        """Tell whether mean and std are known and change anything: 0 and 1 leave pictures in [0, 1] as they are."""
        return bool(self.mean) and not (set(self.mean) == {0.0} and set(self.std) == {1.0})


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """The network that paints pictures from noise."""

    name: GeneratorName = "shuffle"
    """`a`: the paper's for 32 px (nearest upsampling, from DAFL); `b`: the paper's for 128 px (transposed
    convolutions, from DCGAN); `shuffle`: 40 times fewer multiply-adds than `a`, for small teachers; `natural`: alters
    noise that has the spectrum of photographs, for teachers of photographs."""
    width: int = 32
    """Channels of the widest picture-sized layer; the paper's generators have 64."""
    latent: int = 100
    """Length of the noise vector; `natural` takes a number for each value of the picture instead."""
    output: Literal["standardized", "range"] = "standardized"
    """`standardized`: each channel has mean 0 and variance 1 over the batch, as normalized pictures have;
    `range`: tanh, mapped to the values that pictures in [0, 1] have after normalization."""
    crop: bool = True
    """Paint the next size that the layers allow and cut out the center; off: other sizes are refused."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _require_at_least(self, 1, "width", "latent")

    def noise_length(self, space: InputSpace) -> int:
        """Return how many numbers a picture of this space is painted from."""
        return math.prod(space.shape) + CONTROLS if self.name == "natural" else self.latent


@dataclass(frozen=True, kw_only=True)
class RegularizerConfig:
    """Terms added to the generator's loss (DAFL, DFQ); the paper has none of them."""

    batch_statistics: float = 0.0
    """Weight of the distance to the running statistics of the teacher's batch normalizations."""
    one_hot: float = 0.0
    """Weight of the teacher's uncertainty: cross-entropy with its own most likely class."""
    balance: float = 0.0
    """Weight of the imbalance of classes over the batch: log(classes) - entropy of the mean prediction."""
    smoothness: float = 0.0
    """Weight of the total variation of the pictures."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _require_at_least(self, 0, "batch_statistics", "one_hot", "balance", "smoothness")

    @property
    def is_empty(self) -> bool:
        """Tell whether no term is asked for."""
        return not (self.batch_statistics or self.one_hot or self.balance or self.smoothness)


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """One distillation without data: `rounds` times k imitation steps and one generation step."""

    input: InputSpace = field(default_factory=InputSpace)
    """What the teacher reads."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The generator."""
    rounds: int = 1000
    """Rounds of the game; the budget."""
    batch: int = 128
    """Generated pictures in a batch."""
    student_steps: int = 5
    """Updates of the student in a round: k of the paper."""
    pool: int = 1
    """Fresh batches in a round, from 1 to k; the k updates take them in turn. k: the paper; 1: half the cost."""
    loss: Discrepancy = "mae"
    """What the student minimizes: mean absolute error of logits (the paper), squared error, or KL divergence."""
    generation_loss: GenerationLoss = "mae"
    """What the generator maximizes; `log_mae` is the paper's adaptive loss, log(1 + MAE)."""
    student_rate: float = 0.01
    """Learning rate of the student's SGD."""
    warmup: int = 0
    """Rounds in which the student's rate rises to its value; without them a high one can kill its units at once."""
    momentum: float = 0.9
    """Momentum of the student's SGD."""
    weight_decay: float = 1e-4
    """Weight decay of the student's SGD."""
    generator_rate: float = 1e-3
    """Learning rate of the generator's Adam."""
    schedule: Schedule = "cosine"
    """How both rates fall: not at all, by `decay` at each of `milestones`, along a half cosine to 0, or, `held`, along
    one in the last fifth of the rounds only."""
    milestones: tuple[int, ...] = ()
    """Rounds after which the rates are multiplied by `decay`."""
    decay: float = 0.1
    """Factor of the rates at milestones."""
    regularizers: RegularizerConfig = field(default_factory=RegularizerConfig)
    """Further terms of the generator's loss."""
    replay: int = 0
    """Batches of earlier rounds that are kept; 0: none. From the time it is half full on, each student step
    sees one of them besides the fresh one."""
    replay_every: int = 4
    """Rounds between batches that go into the memory."""
    occlusion: float = 0.0
    """Share of a lesson's pictures of which only a random rectangle is kept; 0: the paper."""
    average: float = 0.0
    """Share of the averaged student that a round keeps; the averaged student is the result. 0: the latest is."""
    reestimate: int = 0
    """Generated batches from which the result's batch normalizations are measured anew; 0: as trained."""
    states: int = 16
    """Students kept at equal distances, scored by the data-free measure at the end; 0: none."""
    snapshots: int = 8
    """Generators kept at equal distances; they paint the pictures of the measure."""
    bank: int = 256
    """Noise vectors per snapshot."""
    select: bool = False
    """Write the student that the data-free measure prefers instead of the last."""
    patience: int = 0
    """Stop when the measure has not improved for so many states; 0: never."""
    precision: Precision = "fp32"
    """bf16 is for GPUs; losses stay in float32."""
    compile: bool = False
    """Compile the networks, for long runs on GPUs."""
    log_every: int = 1
    """Rounds between losses in the metrics; on a GPU each waits for the computation, so that 20 is better."""
    checkpoint_every: int = 200
    """Rounds between checkpoints."""

    def __post_init__(self) -> None:
        """Check the ranges and what must fit together."""
        _require_at_least(self, 1, "rounds", "student_steps", "pool", "snapshots", "bank")
        _require_at_least(self, 1, "replay_every", "log_every", "checkpoint_every")
        _require_at_least(
            self, 0, "warmup", "replay", "reestimate", "states", "patience", "weight_decay"
        )
        _require_positive(self, "student_rate", "generator_rate", "decay")
        _require(
            self.batch >= 2,
            f"batch must be at least 2, because batch normalization needs two, got {self.batch}",
        )
        _require(
            self.pool <= self.student_steps,
            f"pool must be at most student_steps ({self.student_steps}), got {self.pool}",
        )
        _require(0 <= self.momentum < 1, f"momentum must be in [0, 1), got {self.momentum}")
        _require(0 <= self.occlusion <= 1, f"occlusion must be in [0, 1], got {self.occlusion}")
        _require(0 <= self.average < 1, f"average must be in [0, 1), got {self.average}")
        _require(
            list(self.milestones) == sorted(set(self.milestones))
            and min(self.milestones, default=1) > 0,
            f"milestones must be positive rounds in rising order, got {self.milestones}",
        )
        _require(
            self.states > 0 or not (self.select or self.patience),
            "select and patience need states to choose from; set states to 16",
        )
