"""Large pictures in strips of rows that equal the whole picture, because they share its statistics.

Features at a quarter of the size are kept whole, and what is small enough of the outer stages; the rest exists for one
strip at a time. A normalization needs the statistics of the whole picture, so the strips pass once for each of the
outer stages. Strips are as wide as the picture: 360-degree pictures then go on around it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from din_style.dynamic_normalization import (
    EPSILON,
    Statistics,
    measure_statistics,
    normalize_explicitly,
)
from din_style.layers import FrozenStatistics, Pass
from din_style.networks import SHRINKING, TransferNetwork
from din_style.operators import PLAIN, Geometry, row_areas
from din_style.stages import Stage
from din_style.style_code import StyleCode

Settle = Callable[[str, Statistics], Statistics]
"""(name of the layer, measured statistics) -> those to normalize with, such as a mean over frames."""

Rows = TypeVar("Rows", Tensor, None, Tensor | None)
"""Features, or masks where there are any."""

HALO = 32
"""Rows of pixels beyond a strip that its pixels may depend on, within the outer stages."""
STRIP_PIXELS = 2**20
"""About so many pixels make a strip."""
KEPT_BYTES = 64
"""Features of the outer stages that take no more for each pixel are kept, so that they are computed once."""


class Strip(NamedTuple):
    """Rows of a picture."""

    first: int
    """First row with halo."""
    last: int
    """Row after the last, with halo."""
    core: slice
    """Rows that are computed exactly."""

    def cut(self, features: Tensor) -> Tensor:
        """Return the core of features that were computed of the rows with halo, at any scale."""
        scale = features.shape[-2] / (self.last - self.first)
        start, stop = self.core.start - self.first, self.core.stop - self.first
        return features[..., round(start * scale) : round(stop * scale), :]


def keep_measured(name: str, statistics: Statistics) -> Statistics:
    """Return the measured statistics."""
    del name
    return statistics


@dataclass(frozen=True)
class SettledStatistics:
    """A `Normalize` that measures features and lets `settle` say what to normalize with."""

    settle: Settle
    """Maps what was measured to what is used."""
    sphere: bool = False
    """Pixels count by the area that they cover on a sphere."""

    def __call__(self, name: str, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Normalize features explicitly."""
        areas = row_areas(x.shape[-2], like=x).expand(x.shape[-2:]) if self.sphere else None
        measured = measure_statistics(x, position_weights=areas)
        return normalize_explicitly(x, self.settle(name, measured), weight=weight, bias=bias)


class StatisticsSum:
    """Statistics of features that come in parts, in double precision."""

    def __init__(self) -> None:
        self.count = 0.0
        self.mean: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    def add(self, x: Float[Tensor, "batch channels height width"], rows: Tensor | None) -> None:
        """Add a part; `rows` weighs its rows, shape (height, 1)."""
        if rows is None:
            count = float(x.shape[-2] * x.shape[-1])
            variance, mean = torch.var_mean(x, dim=(2, 3), correction=0)
        else:
            count = float(rows.double().sum()) * x.shape[-1]
            mean = (x * rows).sum((2, 3)) / count
            variance = ((x - mean[:, :, None, None]).square() * rows).sum((2, 3)) / count
        total = self.count + count
        step = mean.double() - self.mean  # Chan, Golub and LeVeque's rule for joining two parts
        joined = step.square() * (self.count * count / total)
        self.squares = self.squares + variance.double() * count + joined
        self.mean = self.mean + step * (count / total)
        self.count = total

    @property
    def statistics(self) -> Statistics:
        """Mean and standard deviation of all parts."""
        mean, squares = torch.as_tensor(self.mean), torch.as_tensor(self.squares)
        return Statistics(mean.float(), (squares / self.count + EPSILON).sqrt().float())


def stylize_in_strips(
    network: TransferNetwork,
    content: Float[Tensor, "1 3 height width"],
    codes: Sequence[StyleCode],
    *,
    masks: Float[Tensor, "1 codes height width"] | None = None,
    geometry: Geometry = PLAIN,
    settle: Settle = keep_measured,
    rows: int | None = None,
) -> Float[Tensor, "1 3 height width"]:
    """Return what the network makes of one picture, in little memory.

    Args:
        network: any preset.
        content: one picture, sizes multiples of 4.
        codes: one style, or one for each mask.
        masks: share of each style in each pixel.
        geometry: stroke and shape of the picture.
        settle: what to normalize with, given the statistics of the whole picture.
        rows: of a strip, a multiple of 4; about a megapixel if missing.
    """
    height, width = content.shape[-2:]
    rows = rows or max(16 * SHRINKING, STRIP_PIXELS // width // SHRINKING * SHRINKING)
    strips = list(_strips(height, rows))
    run = Pass(tuple(codes), masks=masks, geometry=geometry)
    features = _stream(network.encoder, content, strips, run, settle)
    whole = replace(run, normalize=SettledStatistics(settle, sphere=geometry.sphere))
    features = network.transform(features, whole)
    return network.colors(_stream(network.decoder, features, strips, run, settle))


def _strips(height: int, rows: int) -> Iterator[Strip]:
    """Yield strips that cover a height, each with halo inside the picture."""
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        yield Strip(max(0, start - HALO), min(height, stop + HALO), slice(start, stop))


def _stream(
    stages: nn.ModuleList, whole: Tensor, strips: list[Strip], run: Pass, settle: Settle
) -> Tensor:
    """Return the result of stages for a whole picture, strip by strip but for the last normalization."""
    known: dict[str, Statistics] = {}
    frozen = replace(run, normalize=FrozenStatistics(known))
    ordered = [cast("Stage", stage) for stage in stages]
    start, height = -1, strips[-1].last  # `whole` is what stage `start` is to finish
    for index, stage in enumerate(ordered):
        last = index == len(ordered) - 1
        if stage.norm is None and not last:
            continue
        total, kept = StatisticsSum(), None
        for strip in strips:
            local = replace(frozen, masks=_rows_of(run.masks, strip, height))
            x = _rows_of(whole, strip, height)
            x = ordered[start].finish(x, local) if start >= 0 else x
            for before in ordered[start + 1 : index]:
                x = before(x, local)
            features = strip.cut(stage.features(x, local))
            if stage.norm is not None:
                total.add(features, _areas(features, strip, height) if run.sphere else None)
            if last or _bytes_per_pixel(features, strip) <= KEPT_BYTES:
                kept = _with_rows(kept, features, strip, height)
        if stage.norm is not None:
            known[stage.norm.name] = settle(stage.norm.name, total.statistics)
        if kept is not None:
            start, whole = index, kept
    return ordered[start].finish(whole, frozen)


def _bytes_per_pixel(features: Tensor, strip: Strip) -> float:
    """Return the memory of the features of a core, divided by its pixels in the picture's height."""
    scale = features.shape[-2] / (strip.core.stop - strip.core.start)
    return features.shape[1] * scale**2 * features.element_size()


def _with_rows(kept: Tensor | None, features: Tensor, strip: Strip, height: int) -> Tensor:
    """Write the features of a core into those of the whole picture, made with the first core."""
    scale = features.shape[-2] / (strip.core.stop - strip.core.start)
    if kept is None:
        batch, channels, _, width = features.shape
        kept = features.new_empty(batch, channels, round(height * scale), width)
    kept[..., round(strip.core.start * scale) : round(strip.core.stop * scale), :] = features
    return kept


def _rows_of(features: Rows, strip: Strip, height: int) -> Rows:
    """Return the rows of a strip with halo, of features of a picture of so many rows."""
    if features is None:
        return features
    scale = features.shape[-2] / height
    return features[..., round(strip.first * scale) : round(strip.last * scale), :]


def _areas(features: Tensor, strip: Strip, height: int) -> Tensor:
    """Return the areas of the core's rows on the sphere."""
    scale = features.shape[-2] / (strip.core.stop - strip.core.start)
    areas = row_areas(round(height * scale), like=features)
    return areas[round(strip.core.start * scale) : round(strip.core.stop * scale)]
