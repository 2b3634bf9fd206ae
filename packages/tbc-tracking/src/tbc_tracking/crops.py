"""Random training crops, each a pure function of seed and number, in whatever process it is made."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tbc_tracking.data import AnnotatedFrames, to_frame, to_map
from tbc_tracking.density import density_from_points, interval_mass
from tbc_tracking.inputs import stack_channels
from tbc_tracking.training_config import TrainingConfig
from tenfold_shared.distributed import World, shard
from tenfold_shared.seeds import epoch_order, numpy_stream

Gray = NDArray[np.float32]
Distort = Callable[[Gray, np.random.Generator], Gray]
"""Changes the gray values of a crop and nothing about where things are."""

_BACKGROUND_SHARE = 0.2
"""Share of the brightness jitter by which a frame may drift from its background."""
_AT_BORDER = 0.5
"""A window that ends this close to the frame's border, in pixels, ends there."""


class Crop(NamedTuple):
    """One training example, or a batch of them."""

    image: Tensor
    """Input channels, (channels, height, width)."""
    target: Tensor
    """Density, unscaled, (1, map_height, map_width)."""
    weight: Tensor
    """1 where the target counts, (1, map_height, map_width)."""


class Axis(NamedTuple):
    """How one axis of a crop lies in the frame."""

    start: float
    """First edge of the window, in frame pixels, 0 at the frame's edge."""
    size: int
    """Pixels of the crop."""
    zoom: float
    """Crop pixels per frame pixel."""
    reverse: bool
    """Whether the crop runs backwards."""

    def to_crop(self, place: NDArray) -> NDArray[np.float64]:
        """Return where frame coordinates lie in the crop."""
        inside = (place + 0.5 - self.start) * self.zoom - 0.5
        return self.size - 1 - inside if self.reverse else inside

    def cared_for(self, size: int, frame: int, *, margin: float) -> Gray:
        """Return 0 for the map pixels within `margin` of a side that is no side of the frame, else 1.

        Args:
            size: map pixels along the axis.
            frame: pixels of the frame along the axis.
            margin: in map pixels.
        """
        place = np.arange(size) + 0.5
        before, after = (place, size - place) if not self.reverse else (size - place, place)
        cut_before = self.start > _AT_BORDER
        cut_after = self.start + self.size / self.zoom < frame - _AT_BORDER
        careless = (cut_before & (before < margin)) | (cut_after & (after < margin))
        return (~careless).astype(np.float32)

    def to_frame(self, place: NDArray) -> NDArray[np.float64]:
        """Return where crop coordinates lie in the frame: the inverse of `to_crop`."""
        inside = self.size - 1 - place if self.reverse else place
        return (inside + 0.5) / self.zoom + self.start - 0.5


class View(NamedTuple):
    """A window of the frame as the network is shown it."""

    vertical: Axis
    """The rows."""
    horizontal: Axis
    """The columns."""

    def picture(self, plane: Gray) -> Gray:
        """Return the window of a frame by linear interpolation, (rows, columns)."""
        for number, axis in enumerate(self):
            last = plane.shape[number] - 1
            places = np.clip(axis.to_frame(np.arange(axis.size)), 0, last)
            before = np.floor(places).astype(np.int64)
            share = (places - before).astype(np.float32)
            picked = plane.take(before, axis=number)
            if share.any():
                after = plane.take(np.minimum(before + 1, last), axis=number)
                share = share[:, None] if number == 0 else share
                picked = (picked * (1 - share) + after * share).astype(np.float32)
            plane = picked
        return plane

    def target(self, points: NDArray[np.float64], frames: AnnotatedFrames) -> Gray:
        """Return the density map of the window; objects grow with the zoom.

        Args:
            points: (x, y) rows on the map of the frame.
            frames: whose border completes the objects that it cuts.
        """
        x, y = points.T
        sigma = frames.size.at(y)
        rows, columns = frames.weights.shape
        inside = interval_mass(-0.5, columns - 0.5, x, sigma) * interval_mass(
            -0.5, rows - 0.5, y, sigma
        )
        x, y = (
            to_map(axis.to_crop(to_frame(place, stride=frames.stride)), stride=frames.stride)
            for axis, place in ((self.horizontal, x), (self.vertical, y))
        )
        return density_from_points(
            self._map_size(frames.stride),
            x=x,
            y=y,
            sigma=np.clip(sigma * self.vertical.zoom, frames.size.minimum, frames.size.maximum),
            mass=1 / np.maximum(inside, 1e-6),
            complete=False,
        )

    def weights(self, frames: AnnotatedFrames, *, margin: float = 0.0) -> Gray:
        """Return the part of the weights that belongs to the window, by the nearest map pixel.

        Args:
            frames: what the window is cut from.
            margin: map pixels along the sides that cut through the frame where nobody cares: there objects
                are cut in another way than by the frame's own border, which completes them.
        """
        picked = frames.weights
        for number, (axis, size) in enumerate(
            zip(self, self._map_size(frames.stride), strict=True)
        ):
            places = axis.to_frame(to_frame(np.arange(size), stride=frames.stride))
            nearest = np.rint(to_map(places, stride=frames.stride)).astype(np.int64)
            picked = picked.take(np.clip(nearest, 0, picked.shape[number] - 1), axis=number)
            cared = axis.cared_for(size, frames.images.shape[1 + number], margin=margin)
            picked = picked * (cared[:, None] if number == 0 else cared)
        return np.ascontiguousarray(picked)

    def _map_size(self, stride: int) -> tuple[int, int]:
        """Return rows and columns of the map of the window."""
        return -(-self.vertical.size // stride), -(-self.horizontal.size // stride)


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
        points = self.frames.points[index]
        if background is not None and random.random() < self.config.overlay:
            other = int(random.integers(len(self.frames)))
            gray = lay_over(gray, self.frames.gray(other), background)
            points = np.concatenate([points, self.frames.points[other]])
        view = self._view(random)
        gray, background = self._jitter(
            view.picture(gray), None if background is None else view.picture(background), random
        )
        if self.distort is not None:
            gray = self.distort(gray, random)
        return Crop(
            torch.from_numpy(stack_channels(gray, background)),
            torch.from_numpy(view.target(points, self.frames)[None]),
            torch.from_numpy(view.weights(self.frames, margin=self.config.margin)[None]),
        )

    def _view(self, random: np.random.Generator) -> "View":
        """Return a random window, zoom and mirroring."""
        grain, (height, width) = self.frames.stride, self.frames.images.shape[1:]
        smallest, largest = -np.log(self.config.shrink), np.log(self.config.zoom)
        zoom = float(np.exp(random.uniform(smallest, largest)))
        zoom = max(zoom, self.rows / height, self.columns / width)
        free = height - self.rows / zoom, width - self.columns / zoom
        beyond = [self.config.overshoot * side / zoom for side in (self.rows, self.columns)]
        top, left = (
            min(max(share * (room + 2 * more) - more, 0.0), room)
            for share, room, more in zip(random.random(2), free, beyond, strict=True)
        )
        if zoom == 1:  # whole pixels stay what they are
            top, left = round(top / grain) * grain, round(left / grain) * grain
            top, left = min(top, height - self.rows), min(left, width - self.columns)
        sides = random.random(2) < 0.5
        mirrored = bool(sides[0]) and self.config.flips != "none"
        upside_down = bool(sides[1]) and self.config.flips == "both"
        return View(
            vertical=Axis(float(top), self.rows, zoom, upside_down),
            horizontal=Axis(float(left), self.columns, zoom, mirrored),
        )

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
