"""`demo`: the method beside its baseline, on what the package ships."""

from dataclasses import dataclass
from pathlib import Path

from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses


@dataclass(frozen=True, kw_only=True)
class Demo(Options):
    """Settings of `demo`."""


@refuses
def demo(config: Demo) -> None:
    """Track real colloids and a simulated crowd, beside peaks + Hungarian on the same maps.

    --out is a folder (default: demo) for the pictures. The column `value` is tracking by counting,
    `reference` the baseline; in the rows of the map sum, `value` is what the maps alone count.
    """
    from tbc_tracking.demo import run_demo

    out = config.out or Path("demo")
    emit(run_demo(out, seed=config.seed, device=config.device), json=config.json)
