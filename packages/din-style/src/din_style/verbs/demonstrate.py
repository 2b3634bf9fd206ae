"""`demo`: the method beside its baseline, on what the package ships."""

from dataclasses import dataclass
from pathlib import Path

from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses


@dataclass(frozen=True, kw_only=True)
class Demo(Options):
    """Settings of `demo`."""

    weights: str = "fast"
    """`fast` or `mobile`, which are shipped; or a network file or run folder of a training."""

    encoder: str = "compact"
    """What reads styles: `compact`, `vgg` or a VGG file."""


@refuses
def demo(config: Demo) -> None:
    """Stylize photographs of scikit-image with styles drawn by program, beside color transfer.

    --out is a folder (default: demo) for the pictures. The column `value` is din-style, `reference`
    the transfer of color means and deviations.
    """
    from din_style.demo import run_demo

    rows = run_demo(
        config.out or Path("demo"),
        weights=config.weights,
        encoder=config.encoder,
        seed=config.seed,
        device=config.device,
    )
    emit(rows, json=config.json)
