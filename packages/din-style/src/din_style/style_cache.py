"""What training knows of each style, computed once: moments of VGG features at the judged scale.

A style never passes VGG inside the loop.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional

from din_style.augmentation import Pixels, central_square, random_view
from din_style.compact_encoder import CompactEncoder
from din_style.config import TrainingConfig
from din_style.data import Pictures, as_tensor
from din_style.losses import Moments, area_colors, gram_matrices, moments, stack_moments
from din_style.vgg import VGG
from tenfold_shared.distributed import any_rank, current_world
from tenfold_shared.files import write_atomically
from tenfold_shared.seeds import numpy_stream

CACHE_NAME = "styles.safetensors"
"""File in the run folder."""
MAP_LAYER = "relu3_1"
"""Layer of the maps that weight- and bias-nets may read instead of moments."""
MAP_SIDE = 8
"""Side to which these maps are pooled."""


class Styles(NamedTuple):
    """Views of styles, one a row."""

    moments: Float[Tensor, "views numbers"]
    """Means and deviations of all layers of the style loss, as `stack_moments`."""
    pixels: Float[Tensor, "views 6"]
    """Mean and deviation of red, green and blue."""
    maps: Float[Tensor, "views channels 8 8"] | None = None
    """Pooled relu3_1, where the network reads maps."""
    grams: Float[Tensor, "views numbers"] | None = None
    """Gram matrices of all layers side by side, where the loss needs them."""
    estimates: Float[Tensor, "views numbers"] | None = None
    """Moments as the compact encoder estimates them, where the network is trained on these."""
    colors: Float[Tensor, "views numbers"] | None = None
    """Colors of areas, where the loss needs them."""

    def rows(self, index: Tensor) -> "Styles":
        """Return some of the views."""
        return combine([self], lambda parts: parts[0][index])

    def inputs(self) -> Tensor:
        """Return what weight- and bias-nets read."""
        if self.estimates is not None:
            return self.estimates
        return self.moments if self.maps is None else self.maps

    def to(self, device: torch.device) -> "Styles":
        """Return the styles on another device."""
        return combine([self], lambda parts: parts[0].to(device))


def combine(styles: Sequence[Styles], how: Callable[[list[Tensor]], Tensor]) -> Styles:
    """Return what `how` makes of the moments of all `styles`, of their pixels and so on."""

    def optional(parts: list[Tensor | None]) -> Tensor | None:
        known = [part for part in parts if part is not None]
        return how(known) if known else None

    return Styles(
        how([s.moments for s in styles]),
        how([s.pixels for s in styles]),
        optional([s.maps for s in styles]),
        optional([s.grams for s in styles]),
        optional([s.estimates for s in styles]),
        optional([s.colors for s in styles]),
    )


@torch.no_grad()
def describe_styles(
    vgg: VGG,
    images: Float[Tensor, "batch 3 height width"],
    config: TrainingConfig,
    *,
    encoder: CompactEncoder | None = None,
) -> Styles:
    """Return what training knows of style pictures.

    Args:
        vgg: The network of the losses.
        images: RGB in [0, 1].
        config: Names the layers, and what beside moments is needed.
        encoder: Estimates what the network reads; VGG's own moments without it.
    """
    layers = config.loss.style_layers
    wants_map = config.network.style_input == "map"
    features = vgg(images, {*layers, *([MAP_LAYER] if wants_map else [])})
    grams = None
    if config.loss.style_loss == "gram":
        grams = torch.cat([gram_matrices(features[n]).flatten(1) for n in layers], 1)
    maps = functional.adaptive_avg_pool2d(features[MAP_LAYER], MAP_SIDE) if wants_map else None
    pixel = torch.cat(tuple(moments(images)), 1)
    estimates = None if encoder is None else encoder(images)
    colors = area_colors(images) if config.loss.color_weight else None
    return Styles(stack_moments(features, layers), pixel, maps, grams, estimates, colors)


def pixel_moments(styles: Styles) -> Moments:
    """Return mean and deviation of each color."""
    return Moments(*styles.pixels.chunk(2, dim=1))


def cache_styles(
    pictures: Pictures,
    config: TrainingConfig,
    *,
    vgg: VGG,
    folder: Path,
    seed: int,
    device: torch.device,
    encoder: CompactEncoder | None = None,
) -> Styles:
    """Return the views of all styles, from the run folder's cache if it has them.

    View 0 of a style is its middle, the others are random squares in slightly other colors. Under
    `torchrun` the first process computes.
    """
    path = folder / CACHE_NAME
    if current_world().is_first and not path.exists():
        parts = [
            describe_styles(vgg, as_tensor([view]).to(device), config, encoder=encoder)
            for view in _views(pictures, config, seed)
        ]
        stacked = combine(parts, torch.cat)._asdict()
        tensors = {name: part.cpu() for name, part in stacked.items() if part is not None}
        write_atomically(path, save(tensors))
    any_rank(False)  # the others wait for the file
    return Styles(**load_file(path)).to(device)


def _views(pictures: Pictures, config: TrainingConfig, seed: int) -> Iterator[Pixels]:
    """Yield the squares that are cached, style by style."""
    for index, name in enumerate(pictures.names):
        picture = pictures.read(index)
        for view in range(config.style_views):
            if view == 0:
                yield central_square(picture, config.style_crop)
            else:
                random = numpy_stream(seed, "style view", name, view)
                yield random_view(picture, config.style_crop, random=random)
