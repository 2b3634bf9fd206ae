"""`train`: a network from contents and styles, or the shipped one on styles of one's own."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from din_style.config import Preset, TrainingConfig, preset_network
from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses

SHIPPED = ("fast", "mobile")


@dataclass(frozen=True, kw_only=True)
class Train(Options):
    """Settings of `train`."""

    contents: Annotated[Path, tyro.conf.Positional]
    """Folder or zip archive of content pictures."""

    styles: Path
    """Folder or zip archive of style pictures."""

    preset: Preset | None = None
    """Network that a name stands for; without it, --network.* describe it."""

    from_shipped: str | None = None
    """`fast` or `mobile`: go on from the weights that are shipped, with the style encoder that they read."""

    data: Path | None = None
    """Data folder with the offline VGG, if not that of TENFOLD_DATA."""

    settings: Annotated[TrainingConfig, tyro.conf.arg(name="")] = field(
        default_factory=TrainingConfig
    )
    """All settings of the training."""

    def __post_init__(self) -> None:
        """Check what cannot be meant together."""
        super().__post_init__()
        if self.from_shipped is not None and self.from_shipped not in SHIPPED:
            raise ValueError(f"from_shipped must be fast or mobile, got {self.from_shipped!r}")
        if self.from_shipped is not None and (self.preset or self.settings.init):
            raise ValueError("from_shipped names the network already; leave out preset and init")


@refuses
def train(config: Train) -> None:
    """Train a network, or go on with a training that was interrupted.

    --out is the run folder (default: run); the network is run/network.safetensors. Ten styles of your own take
    minutes with --from-shipped fast.
    """
    from din_style.network_files import NETWORK_FILE
    from din_style.training import train as train_network

    out = config.out or Path("run")
    result = train_network(
        training_settings(config),
        out,
        contents=config.contents,
        styles=config.styles,
        seed=config.seed,
        device=config.device,
        data=config.data,
    )
    row = {"network": str(out / NETWORK_FILE)}
    if result.scores is not None:
        row |= result.scores._asdict()
    emit([row], json=config.json)


def training_settings(config: Train) -> TrainingConfig:
    """Return the settings with the network that was named."""
    from din_style.shipped import load_weights, shipped_path

    settings = config.settings
    if config.preset is not None:
        settings = replace(settings, network=preset_network(config.preset))
    if config.from_shipped is not None:
        with shipped_path(config.from_shipped) as path, shipped_path("encoder") as encoder:
            # What the network reads in training is what it reads in use.
            settings = replace(settings, init=path, encoder=settings.encoder or encoder)
    if settings.init is not None:
        settings = replace(settings, network=load_weights(settings.init).config)
    return settings
