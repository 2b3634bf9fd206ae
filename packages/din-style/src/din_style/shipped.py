"""Networks and style encoders by name: those that the wheel ships, and files of one's own trainings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from torch import Tensor

from din_style.compact_encoder import CompactEncoder, load_encoder
from din_style.config import LossConfig, TrainingConfig
from din_style.network_files import NETWORK_FILE, load_network
from din_style.networks import TransferNetwork
from din_style.style_cache import MAP_LAYER, describe_styles
from din_style.vgg import VGG, load_vgg
from tenfold_shared.errors import UserError

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
        return network, _shipped_encoder(network)
    path = None if encoder in ("compact", "vgg") else Path(encoder)
    return network, VGGEncoder(load_vgg(path), network)


def load_weights(weights: Path | str = "fast") -> TransferNetwork:
    """Return a network; see `load_shipped`."""
    if weights in SHIPPED:
        with shipped_path(str(weights)) as path:
            return load_network(path)
    path = Path(weights)
    return load_network(path / NETWORK_FILE if path.is_dir() else path)


@contextmanager
def shipped_path(name: str) -> Iterator[Path]:
    """Yield a shipped file of weights: `fast`, `mobile` or `encoder`."""
    with as_file(files("din_style") / "assets" / f"{name}.safetensors") as path:
        yield path


def _shipped_encoder(network: TransferNetwork) -> CompactEncoder:
    """Return the encoder that was taught VGG's moments.

    Raises:
        UserError: if the network reads others.
    """
    with shipped_path("encoder") as path:
        encoder = load_encoder(path)
    if len(encoder.mean) != network.config.style_numbers:
        raise UserError(
            f"The network reads {network.config.style_numbers} numbers of a style, the compact encoder "
            f"gives {len(encoder.mean)}; use --encoder with the VGG file that it was trained with."
        )
    return encoder


class VGGEncoder:
    """What training itself uses: VGG's moments, or its pooled map, as the network reads.

    Args:
        vgg: normalized features.
        network: whose styles are read.

    Raises:
        UserError: if the network was trained with another VGG.
    """

    def __init__(self, vgg: VGG, network: TransferNetwork) -> None:
        self.vgg = vgg
        self.config = TrainingConfig(network=network.config, loss=LossConfig())
        found = 2 * sum(vgg.channels(name) for name in self.config.loss.style_layers)
        if network.config.style_input == "map":
            found = vgg.channels(MAP_LAYER)
        if found != network.config.style_numbers:
            raise UserError(
                f"The network reads {network.config.style_numbers} numbers of a style, this VGG gives "
                f"{found}; use --encoder with the VGG file that it was trained with."
            )

    def __call__(self, images: Tensor) -> Tensor:
        """Return what weight- and bias-nets read of style pictures."""
        self.vgg = self.vgg.to(images.device)
        return describe_styles(self.vgg, images, self.config).inputs()
