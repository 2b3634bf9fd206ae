"""`demo`: the method beside noise, on what the package's dependencies embed."""

from dataclasses import dataclass
from pathlib import Path

from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses


@dataclass(frozen=True, kw_only=True)
class Demo(Options):
    """Settings of `demo`."""

    rounds: int = 0
    """Rounds of the game; 0: those of the table on the results page."""


@refuses
def demo(config: Demo) -> None:
    """Train a teacher on scikit-learn's digits, compress it without them, and compare with noise.

    --out is a folder (default: demo) for the pictures.
    """
    from dfad_distillation.demo import run_demo

    rows = run_demo(
        config.out or Path("demo"), rounds=config.rounds, seed=config.seed, device=config.device
    )
    emit(rows, json=config.json)
