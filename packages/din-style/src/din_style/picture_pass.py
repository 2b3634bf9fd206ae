"""One picture through a network: whole, or in strips where it is large; with masks for several styles."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from din_style.controls import Controls
from din_style.dynamic_normalization import Statistics
from din_style.memory import STRIPS_FROM
from din_style.networks import SHRINKING, TransferNetwork, pad_to_multiple
from din_style.operators import PLAIN, Geometry
from din_style.strips import Settle, SettledStatistics, keep_measured, stylize_in_strips
from din_style.style_code import StyleCode


class PicturePass:
    """Passes of one picture through a network: whole or in strips, the same result.

    Args:
        network: any preset.
        content: one picture.
        masks: share of each style in each pixel, where there are several.
        controls: strokes and sphere.
        settle: what to normalize with, given the statistics of the picture.

    Raises:
        ValueError: if the stroke map has another size than the picture.
    """

    def __init__(
        self,
        network: TransferNetwork,
        content: Tensor,
        masks: Tensor | None,
        controls: Controls,
        settle: Settle,
    ) -> None:
        stroke = controls.stroke
        self.size = content.shape[2:]
        if isinstance(stroke, Tensor):
            if tuple(stroke.shape) != tuple(self.size):
                raise ValueError(
                    f"the stroke map must have the content's size {tuple(self.size)}, "
                    f"got {tuple(stroke.shape)}"
                )
            stroke = pad_to_multiple(stroke.to(content)[None, None], SHRINKING)
        self.network, self.settle = network, settle
        plain = not isinstance(stroke, Tensor) and stroke == 1 and not controls.sphere
        self.geometry = PLAIN if plain else Geometry(stroke=stroke, sphere=controls.sphere)
        # Masks are padded with the content, so that both ways see the same.
        self.content = pad_to_multiple(content, SHRINKING, sphere=controls.sphere)
        self.masks = None if masks is None else pad_to_multiple(masks, SHRINKING)

    def __call__(
        self, codes: Sequence[StyleCode], *, part: str = ""
    ) -> Float[Tensor, "1 3 height width"]:
        """Return the picture in the styles; `part` stands before the names that `settle` sees."""

        def settle(name: str, measured: Statistics) -> Statistics:
            return self.settle(part + name, measured)

        given = codes if self.masks is not None else codes[:1]
        if self.content.shape[2] * self.content.shape[3] >= STRIPS_FROM:
            output = stylize_in_strips(
                self.network,
                self.content,
                given,
                masks=self.masks,
                geometry=self.geometry,
                settle=settle,
            )
        else:
            settles = self.settle is not keep_measured
            output = self.network(
                self.content,
                list(given),
                masks=self.masks,
                geometry=self.geometry,
                normalize=SettledStatistics(settle, sphere=self.geometry.sphere)
                if settles
                else None,
            )
        output = output[..., : self.size[0], : self.size[1]]
        if self.masks is None and _is_flat(self.content):
            # Nothing but rounding varies, and each normalization would amplify it 316 times.
            output = output.mean((2, 3), keepdim=True).expand_as(output)
        return output


def _is_flat(content: Float[Tensor, "1 3 height width"]) -> bool:
    """Tell whether a picture has one color, within half of the steps of 8 bits."""
    return bool((content.amax((2, 3)) - content.amin((2, 3))).max() < 0.5 / 255)


def mask_shares(
    masks: Tensor | Sequence[Tensor],
    count: int,
    content: Float[Tensor, "1 3 height width"],
) -> tuple[Tensor, Tensor]:
    """Return the share of each style in each pixel, and how much style there is at all.

    Args:
        masks: one (height, width) in [0, 1] for each style.
        count: number of styles.
        content: the picture that they mask.

    Raises:
        ValueError: if there are more or fewer masks than styles, or one has another size or no pixel.
    """
    if len(masks) != count:
        raise ValueError(f"need one mask per style, got {len(masks)} for {count} styles")
    size = tuple(content.shape[2:])
    for mask in masks:
        if tuple(mask.shape) != size:
            raise ValueError(f"masks must have the content's size {size}, got {tuple(mask.shape)}")
        if not (mask.isfinite().all() and mask.min() >= 0 and mask.max() > 0):
            raise ValueError("masks must be in [0, 1] and select some pixels, got none")
    stacked = torch.stack([mask.to(content).clamp(max=1) for mask in masks])[None]
    total = stacked.sum(1, keepdim=True)
    even = torch.full_like(stacked, 1 / count)
    shares = torch.where(total > 0, stacked / total.clamp(min=1e-6), even)
    return shares, total.clamp(max=1)
