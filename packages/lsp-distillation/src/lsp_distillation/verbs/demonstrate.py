"""`demo`: students with and without local structure, on what the package's dependencies embed."""

from dataclasses import dataclass
from pathlib import Path

from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses


@dataclass(frozen=True, kw_only=True)
class Demo(Options):
    """Settings of `demo`."""

    seeds: int = 3
    """Splits, teachers and first weights."""

    def __post_init__(self) -> None:
        """Check the range."""
        super().__post_init__()
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")


@refuses
def demo(config: Demo) -> None:
    """Train teachers on scikit-learn's digits as a graph of neighbors, and students by four methods.

    --out is a folder (default: demo) for the table, the pictures and a student.
    """
    from lsp_distillation.demo import run_demo

    rows = run_demo(
        config.out or Path("demo"), seed=config.seed, seeds=config.seeds, device=config.device
    )
    emit(rows, json=config.json)
