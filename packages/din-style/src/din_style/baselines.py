"""What every method is compared with in the same run: nothing, color transfer, MicroAST, optimization."""

from collections.abc import Sequence

import torch
from torch import Tensor

from din_style.color import match_histogram, match_moments
from din_style.controls import STYLE_SIZE
from din_style.evaluation import Method
from din_style.gatys import optimize_pixels
from din_style.inference import StyleTransfer
from din_style.microast import MicroAST
from din_style.vgg import VGG


def trivial_methods(styles: Tensor) -> dict[str, Method]:
    """Return the methods that need no training.

    Args:
        styles: pictures (number, 3, height, width).
    """
    return {
        "identity": lambda content, _: content,
        "color mean/std": lambda content, j: match_moments(content, styles[j : j + 1]),
        "color histogram": lambda content, j: match_histogram(content, styles[j : j + 1]),
    }


def microast_method(network: MicroAST, styles: Tensor) -> Method:
    """Return MicroAST with every style encoded once."""
    with torch.no_grad():
        codes = [network.encode(style[None]) for style in styles]

    @torch.no_grad()
    def stylize(content: Tensor, style: int) -> Tensor:
        return network(content, codes[style])

    return stylize


def gatys_method(vgg: VGG, styles: Tensor, *, steps: int) -> Method:
    """Return the optimization of pixels, in few steps."""
    return lambda content, j: optimize_pixels(vgg, content, styles[j : j + 1], steps=steps)


def transfer_method(
    transfer: StyleTransfer, styles: Sequence[Tensor] | Tensor, *, style_size: int = STYLE_SIZE
) -> Method:
    """Return our own, with every style encoded once."""
    codes = [transfer.encode(style, size=style_size) for style in styles]
    return lambda content, j: transfer.stylize(content, codes[j])[None]
