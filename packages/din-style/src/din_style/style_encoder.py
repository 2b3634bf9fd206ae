"""Style encoders: pictures of styles to style codes, by VGG or by the compact network that is shipped."""

from importlib.resources import as_file, files
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from din_style.compact_encoder import CompactEncoder, load_encoder
from din_style.config import OFFLINE_STYLE_LAYERS
from din_style.losses import stack_moments
from din_style.network_files import load_network
from din_style.networks import TransferNetwork, pad_to_multiple
from din_style.style_cache import MAP_LAYER, MAP_SIDE
from din_style.style_code import StyleCode
from din_style.vgg import VGG

SHIPPED = ("fast", "mobile")
"""Presets whose weights are in the wheel."""


class StyleEncoder(nn.Module):
    """Pictures of styles to the codes of one network.

    Args:
        source: Reads pictures: VGG, or the compact encoder that imitates its moments.
        network: Its weight- and bias-nets make the codes.
        layers: Layers of VGG whose moments the network was trained on.

    Raises:
        ValueError: The network reads maps, which the compact encoder does not make, or moments of
            other layers.
    """

    def __init__(
        self,
        source: VGG | CompactEncoder,
        network: TransferNetwork,
        *,
        layers: tuple[str, ...] = OFFLINE_STYLE_LAYERS,
    ) -> None:
        super().__init__()
        self.source, self.network, self.layers = source, network, layers
        self.reads_maps = network.config.style_input == "map"
        self.calls = 0
        """How often pictures were encoded: n contents with one style need one."""
        if self.reads_maps and isinstance(source, CompactEncoder):
            raise ValueError(
                "a network that reads maps needs VGG as style encoder, got the compact one"
            )
        if isinstance(source, VGG):
            numbers = sum(
                source.channels(MAP_LAYER if self.reads_maps else n)
                for n in ([MAP_LAYER] if self.reads_maps else layers)
            )
            expected = numbers if self.reads_maps else 2 * numbers
            if expected != network.config.style_numbers:
                raise ValueError(
                    f"the network was trained on {network.config.style_numbers} style numbers, these "
                    f"layers give {expected}; pass the layers of its training"
                )

    @torch.no_grad()
    def forward(self, styles: Float[Tensor, "batch 3 height width"]) -> StyleCode:
        """Return the code of each style, for contents at the scale of these pictures.

        Raises:
            ValueError: Not a batch of RGB pictures of at least 32 pixels on a side.
        """
        if styles.ndim != 4 or styles.shape[1] != 3 or min(styles.shape[-2:]) < 32:
            raise ValueError(
                "styles must be (batch, 3, height, width) with at least 32 pixels on a side, got "
                f"{tuple(styles.shape)}"
            )
        self.calls += 1
        return StyleCode(
            self.network.predict_code(self._read(styles)).layers, self.network.fingerprint()
        )

    def _read(self, styles: Tensor) -> Tensor:
        """Return what the weight- and bias-nets read."""
        if isinstance(self.source, CompactEncoder):
            return self.source(pad_to_multiple(styles, 4))
        if self.reads_maps:
            return functional.adaptive_avg_pool2d(
                self.source(styles, [MAP_LAYER])[MAP_LAYER], MAP_SIDE
            )
        return stack_moments(self.source(styles, self.layers), self.layers)


class Shipped(NamedTuple):
    """What the wheel holds of one preset."""

    network: TransferNetwork
    """Ready for use."""
    encoder: StyleEncoder
    """The compact one, which needs no VGG."""


def load_shipped(preset: Literal["fast", "mobile"] = "fast") -> Shipped:
    """Return a network and its style encoder with the weights of the wheel.

    Raises:
        ValueError: There are no weights of this preset.
    """
    if preset not in SHIPPED:
        raise ValueError(
            f"weights are shipped for {' and '.join(SHIPPED)}, not for {preset!r}; train it"
        )
    folder = files("din_style") / "assets"
    with as_file(folder / f"{preset}.safetensors") as path:
        network = load_network(path)
    with as_file(folder / "encoder.safetensors") as path:
        encoder = load_encoder(path)
    return Shipped(network, StyleEncoder(encoder, network))
