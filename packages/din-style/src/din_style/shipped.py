"""Networks and style encoders by name: those that the wheel ships, and files of one's own trainings."""

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

from torch import Tensor

from din_style.compact_encoder import CompactEncoder, load_encoder
from din_style.config import LossConfig, TrainingConfig
from din_style.network_files import NETWORK_FILE, load_network
from din_style.networks import TransferNetwork
from din_style.style_cache import describe_styles
from din_style.vgg import VGG, load_vgg

SHIPPED = ("fast", "mobile")
"""Presets whose weights are in the wheel."""
Encoder = Callable[[Tensor], Tensor]
"""Style pictures (batch, 3, height, width) -> what weight- and bias-nets read."""


def load_shipped(
    weights: Path | str = "fast", *, encoder: Path | str = "compact"
) -> tuple[TransferNetwork, Encoder]:
    """Return a network and the encoder of its styles.

    Args:
        weights: a name in `SHIPPED`, a network file or a run folder.
        encoder: `compact`, `vgg` (the offline VGG-16 of the data folder) or a VGG file.

    Raises:
        UserError: if a file is missing, damaged or of another kind.
    """
    network = load_weights(weights)
    if encoder == "compact" and network.config.style_input == "statistics":
        return network, _shipped_encoder()
    path = None if encoder in ("compact", "vgg") else Path(encoder)
    return network, VGGEncoder(load_vgg(path), network)


def load_weights(weights: Path | str = "fast") -> TransferNetwork:
    """Return a network; see `load_shipped`."""
    if weights in SHIPPED:
        with as_file(files("din_style") / "assets" / f"{weights}.safetensors") as path:
            return load_network(path)
    path = Path(weights)
    return load_network(path / NETWORK_FILE if path.is_dir() else path)


def _shipped_encoder() -> CompactEncoder:
    """Return the encoder that was taught VGG's moments."""
    with as_file(files("din_style") / "assets" / "encoder.safetensors") as path:
        return load_encoder(path)


class VGGEncoder:
    """What training itself uses: VGG's moments, or its pooled map, as the network reads."""

    def __init__(self, vgg: VGG, network: TransferNetwork) -> None:
        self.vgg = vgg
        self.config = TrainingConfig(network=network.config, loss=LossConfig())

    def __call__(self, images: Tensor) -> Tensor:
        """Return what weight- and bias-nets read of style pictures."""
        self.vgg = self.vgg.to(images.device)
        return describe_styles(self.vgg, images, self.config).inputs()
