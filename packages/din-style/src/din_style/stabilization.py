"""Stylizing moving pictures with statistics that change slowly, so that nothing flickers.

Each frame would be normalized by its own statistics, which tremble with noise and with what enters the picture; a mean
that follows them slowly does not. At a cut it starts anew.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from din_style.controls import Controls
from din_style.dynamic_normalization import Statistics
from din_style.inference import StyleTransfer
from din_style.picture_measures import FlickerMeter
from din_style.style_code import StyleCode

MEMORY = 0.9
"""Share of the mean that the next frame keeps."""
CUT = 0.12
"""Mean absolute change between two frames, reduced to 32 x 32 pixels, that counts as a cut."""


class SlowStatistics:
    """A `Settle` that keeps an exponential mean over frames, and starts anew at cuts.

    Call `see` with each frame before it is stylized.

    Args:
        memory: share of the mean that a frame keeps; 0 is no memory.
    """

    def __init__(self, memory: float = MEMORY) -> None:
        if not 0 <= memory < 1:
            raise ValueError(f"memory must be in [0, 1), got {memory}")
        self.memory = memory
        self.known: dict[str, Statistics] = {}
        self._small: Tensor | None = None

    def see(self, frame: Float[Tensor, "1 3 height width"]) -> bool:
        """Take notice of the next frame; return whether it is the first of a scene."""
        small = torch.nn.functional.adaptive_avg_pool2d(frame, 32)
        cut = self._small is None or float((small - self._small).abs().mean()) > CUT
        self._small = small
        if cut:
            self.known.clear()
        return cut

    def __call__(self, name: str, measured: Statistics) -> Statistics:
        """Return the mean of one layer, moved by what was measured; asked once for each frame."""
        old = self.known.get(name, measured)
        self.known[name] = Statistics(
            torch.lerp(measured.mean, old.mean, self.memory),
            torch.lerp(measured.std, old.std, self.memory),
        )
        return self.known[name]


class VideoStylizer:
    """Stylizes frames one after another, and measures how they flicker.

    Args:
        transfer: network and encoder.
        codes: one style, or several with `mix_weights`.
        controls: strength, colors, strokes, sphere.
        mix_weights: one for each code.
        memory: share of the mean statistics that a frame keeps; 0 normalizes each frame by its own.
    """

    def __init__(
        self,
        transfer: StyleTransfer,
        codes: Sequence[StyleCode],
        *,
        controls: Controls | None = None,
        mix_weights: Sequence[float] | None = None,
        memory: float = MEMORY,
    ) -> None:
        self.transfer, self.codes, self.mix_weights = transfer, codes, mix_weights
        self.controls = controls or Controls()
        self.statistics = SlowStatistics(memory)
        self.flicker = FlickerMeter()
        """Its `value` is that of the result, its `reference` that of the input."""
        self.frames = 0
        """Frames so far."""
        self._own: StyleCode | None = None

    def __call__(self, frame: Float[np.ndarray, "3 height width"] | Tensor) -> Tensor:
        """Return the next frame, (3, height, width) in [0, 1]."""
        content = torch.as_tensor(frame, dtype=torch.float32)[None].to(self.transfer.device)
        first = self.statistics.see(content)
        if first and 0 < self.controls.strength < 1:
            self._own = self.transfer.encode(content)
        result = self.transfer.apply(
            content,
            self.codes,
            controls=self.controls,
            mix_weights=self.mix_weights,
            settle=self.statistics,
            own_code=self._own,
        )
        if first:
            self.flicker.start()
        self.flicker.add(content.cpu(), result[None])
        self.frames += 1
        return result

    def stylize(self, frames: Iterable[Float[np.ndarray, "3 height width"]]) -> Iterator[Tensor]:
        """Yield all frames."""
        for frame in frames:
            yield self(frame)
