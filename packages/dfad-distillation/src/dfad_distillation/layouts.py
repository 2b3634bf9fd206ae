"""In which memory layout networks are computed: channels_last is faster, but code with `view` reads only the plain one.

`x.view(len(x), -1)` on the map of a convolution is usual in networks of users, and torch refuses it for maps that lie
with their channels last.
"""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def fastest_layout(
    networks: Iterable[nn.Module], shape: tuple[int, int, int]
) -> torch.memory_format:
    """Return channels_last if all networks can be computed in it, otherwise the plain layout; changes nothing.

    Args:
        networks: On any device, in any mode.
        shape: Channels, height and width of what they read.
    """
    for network in networks:
        copied = copy.deepcopy(network).eval()
        like = next(copied.parameters(), torch.empty(0))
        pictures = torch.zeros(2, *shape, dtype=like.dtype, device=like.device)
        try:
            copied.to(memory_format=torch.channels_last)(  # pyright: ignore[reportCallIssue]
                pictures.to(memory_format=torch.channels_last)
            )
        except Exception:  # whatever a foreign forward raises
            return torch.contiguous_format
    return torch.channels_last


def paint_plainly(generator: nn.Module) -> None:
    """Let a generator, and its copies, answer in the plain layout, whatever its layers compute in."""

    def plain(_generator: nn.Module, _inputs: tuple[Tensor, ...], pictures: Tensor) -> Tensor:
        return pictures.contiguous()

    generator.register_forward_hook(plain)
