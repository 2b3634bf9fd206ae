"""Random training crops, each a pure function of seed and number, in whatever process it is made."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tbc_tracking.data import AnnotatedFrames
from tbc_tracking.inputs import stack_channels
from tbc_tracking.training_config import TrainingConfig
from tenfold_shared.distributed import World, shard
from tenfold_shared.seeds import epoch_order, numpy_stream

Gray = NDArray[np.float32]
Distort = Callable[[Gray, np.random.Generator], Gray]
"""Changes the gray values of a crop and nothing about where things are."""

_BACKGROUND_SHARE = 0.2
"""Share of the brightness jitter by which a frame may drift from its background."""


class Crop(NamedTuple):
    """One training example, or a batch of them."""

    image: Tensor
    """Input channels, (channels, height, width)."""
    target: Tensor
    """Density, unscaled, (1, map_height, map_width)."""
    weight: Tensor
    """1 where the target counts, (1, map_height, map_width)."""


class RandomCrops(Dataset[Crop]):
    """Endless random crops; item n depends on the seed, n and the data alone.

    Each epoch shows every frame once, in random order.

    Args:
        frames: what to cut from.
        config: size and variation of the crops.
        seed: of everything random.
        distort: a further change of the gray values, or None.
    """

    def __init__(
        self,
        frames: AnnotatedFrames,
        config: TrainingConfig,
        *,
        seed: int,
        distort: Distort | None = None,
    ) -> None:
        self.frames, self.config, self.seed, self.distort = frames, config, seed, distort
        grain = frames.stride
        self.rows, self.columns = (
            size if size <= config.crop else max(config.crop // grain, 1) * grain
            for size in frames.images.shape[1:]
        )

    def __len__(self) -> int:
        """Return the number of crops of the whole training."""
        return self.config.steps * self.config.batch

    def __getitem__(self, number: int) -> Crop:
        """Return one crop."""
        random = numpy_stream(self.seed, "crop", int(number))
        epoch, place = divmod(int(number), len(self.frames))
        index = int(_order(len(self.frames), self.seed, epoch)[place])
        gray, background = self.frames.gray(index), self.frames.statistics.background
        target = self.frames.target(index)
        if background is not None and random.random() < self.config.overlay:
            other = int(random.integers(len(self.frames)))
            gray = lay_over(gray, self.frames.gray(other), background)
            target = target + self.frames.target(other)
        window = self._window(random)
        gray, target, weight = (window(plane) for plane in (gray, target, self.frames.weights))
        background = None if background is None else window(background)
        gray, background = self._jitter(gray, background, random)
        if self.distort is not None:
            gray = self.distort(gray, random)
        return Crop(
            torch.from_numpy(stack_channels(gray, background)),
            torch.from_numpy(np.ascontiguousarray(target[None])),
            torch.from_numpy(np.ascontiguousarray(weight[None])),
        )

    def _window(self, random: np.random.Generator) -> Callable[[Gray], Gray]:
        """Return what cuts one random window out of frames and maps alike, and mirrors it."""
        grain, (height, width) = self.frames.stride, self.frames.images.shape[1:]
        top = int(random.integers((height - self.rows) // grain + 1)) * grain
        left = int(random.integers((width - self.columns) // grain + 1)) * grain
        flips = self.config.flips
        mirror = flips != "none" and random.random() < 0.5
        upside_down = flips == "both" and random.random() < 0.5
        # An odd side is mirrored about another axis than its map: such sides keep their direction.
        mirror, upside_down = (
            mirror and self.columns % grain == 0,
            upside_down and self.rows % grain == 0,
        )

        def cut(plane: Gray) -> Gray:
            scale = grain if plane.shape != (height, width) else 1
            rows = slice(top // scale, -(-(top + self.rows) // scale))
            columns = slice(left // scale, -(-(left + self.columns) // scale))
            part = plane[rows, columns]
            part = part[:, ::-1] if mirror else part
            return part[::-1] if upside_down else part

        return cut

    def _jitter(
        self, gray: Gray, background: Gray | None, random: np.random.Generator
    ) -> tuple[Gray, Gray | None]:
        """Change brightness and contrast of a frame and, almost alike, of its background."""
        contrast = np.float32(1 + self.config.contrast * random.uniform(-1, 1))
        shift = np.float32(self.config.brightness * random.uniform(-1, 1))
        drift = np.float32(_BACKGROUND_SHARE * self.config.brightness * random.uniform(-1, 1))
        middle = np.float32(0.5)
        changed = (gray - middle) * contrast + (middle + shift)
        if background is None:
            return changed, None
        return changed, (background - middle) * contrast + (middle + shift + drift)


class _StepSampler(Sampler[int]):
    """The numbers of the crops of the steps to come, this process's share of each batch."""

    def __init__(self, config: TrainingConfig, *, first_step: int, world: World | None) -> None:
        self.config, self.first_step, self.world = config, first_step, world

    def __iter__(self) -> Iterator[int]:
        """Yield crop numbers step by step."""
        for step in range(self.first_step, self.config.steps + 1):
            batch = np.arange((step - 1) * self.config.batch, step * self.config.batch)
            yield from shard(batch, self.world).tolist()


def load_crops(
    crops: RandomCrops, *, first_step: int, world: World, pin_memory: bool = False
) -> Iterator[Crop]:
    """Return batches for the steps from `first_step` on; workers change nothing but the speed.

    Args:
        crops: what to load.
        first_step: number of the next step; the first step of a training is 1.
        world: which share of each batch this process takes.
        pin_memory: for copies to a GPU.
    """
    workers = crops.config.workers
    loader = DataLoader(
        crops,
        batch_size=crops.config.batch // world.size,
        sampler=_StepSampler(crops.config, first_step=first_step, world=world),
        num_workers=workers,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # its base seed must not be drawn from the global state
    )
    return iter(loader)


def lay_over(gray: Gray, other: Gray, background: Gray) -> Gray:
    """Return a frame with the foreground of another one of the same camera laid over it.

    A pixel is taken from whichever frame differs more from the background: two frames become one with the
    objects of both, occlusions included, and their density maps add up.
    """
    return np.where(np.abs(other - background) > np.abs(gray - background), other, gray)


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of the frames in an epoch."""
    return epoch_order(count, seed, epoch)
