"""Noise with the spectrum of photographs: where the `natural` generator begins.

The amplitude of photographs falls as 1 / frequency (Field 1987; Ruderman and Bialek 1994), and their channels go
together. White noise has the same energy at all frequencies, so nearly all of it is finer than what a network that
was trained on photographs looks for. No picture is needed to know this.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dfad_distillation.config import CONTROLS

TINT = 0.35
"""Size of what differs between channels beside what they share."""
CONTRAST = (0.25, 0.75)
"""Least and largest standard deviation of a picture, where black is -1 and white is 1."""
BRIGHTNESS = 0.4
"""Standard deviation of a picture's mean, in the same units."""
_LEAST = 1e-6
"""Of a deviation that is divided by: pictures of one pixel have none."""


class NaturalNoise(nn.Module):
    """Filter white noise to the spectrum of photographs; contrast and brightness differ between pictures.

    Args:
        shape: Channels, height and width.
    """

    gain: Tensor

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape
        _, height, width = shape
        rows = torch.fft.fftfreq(height)[:, None] * height
        columns = torch.fft.rfftfreq(width) * width
        gain = 1 / torch.hypot(rows, columns).clamp_min(
            1
        )  # what is slower than one wave counts as one
        self.register_buffer("gain", gain, persistent=False)

    def forward(self, noise: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch c h w"]:
        """Return pictures around [-1, 1].

        Args:
            noise: Standard normal; `CONTROLS` numbers for contrast and brightness, then one for each value.
        """
        contrast, brightness = noise[:, :CONTROLS, None, None, None].unbind(1)
        white = noise[:, CONTROLS:].unflatten(1, self.shape)
        exact = torch.promote_types(
            noise.dtype, torch.float32
        )  # there is no transform in half precision
        waves = torch.fft.rfft2(white.to(exact)) * self.gain
        filtered = torch.fft.irfft2(waves, s=self.shape[1:]).to(noise.dtype)
        shared = filtered.mean(1, keepdim=True)
        # Times the root of their number, the mean of the channels varies as each of them does.
        values = self.shape[0] ** 0.5 * shared + TINT * (filtered - shared)
        values = values / values.std((1, 2, 3), correction=0, keepdim=True).clamp_min(_LEAST)
        low, high = CONTRAST
        size = low + (high - low) * torch.special.ndtr(contrast)
        return size * values + BRIGHTNESS * brightness
