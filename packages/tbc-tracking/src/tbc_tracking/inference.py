"""From a video or its density maps to tracks: `DensityTracker.load(path).track(video)`."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.checked_maps import checked_maps
from tbc_tracking.config import TrackConfig
from tbc_tracking.corrections import FixedPoints
from tbc_tracking.lineage import name_divisions
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.stitching import fill_gaps, relink_by_velocity, stitch
from tbc_tracking.time_blocks import BlockReport, BlockSolver, SettledBlock, split_into_blocks
from tbc_tracking.tracks import Tracks

if TYPE_CHECKING:
    from tbc_tracking.density_network import DensityNetwork

logger = logging.getLogger(__name__)

DISAGREEMENT = 0.15
"""Relative difference between map sum and tracks that is worth a warning."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LookHere:
    """A place where map and tracks disagree."""

    frame: int
    x: float
    """Column in pixels of the frames."""
    y: float
    """Row in pixels of the frames."""
    objects: float
    """Objects that the tracks miss there (positive) or have too many (negative)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackingResult:
    """Tracks and what is known about how good they are."""

    tracks: Tracks
    """The tracks, in pixels of the frames."""
    map_counts: NDArray[np.float64]
    """Sum of the density map of each frame, shape (length,)."""
    blocks: tuple[BlockReport, ...]
    """Objective, bound and solver of every time block."""
    look_here: tuple[LookHere, ...]
    """The strongest disagreements between map and tracks, strongest first."""
    warnings: tuple[str, ...]
    """What the user should know, in sentences."""


def track_density(
    maps: Iterable[NDArray[np.float32]],
    *,
    size: ObjectSize,
    config: TrackConfig | None = None,
    seed: int = 0,
    stride: float = 1.0,
    fixed: Tracks | None = None,
    look_here: int = 30,
) -> TrackingResult:
    """Track objects on density maps; the maps are read once, in order, a block at a time.

    Args:
        maps: non-negative maps (height, width) whose sum is a count.
        size: sigma of an object on the maps, in map pixels.
        config: settings; the default is kernel windows and path search.
        seed: of the path search.
        stride: frame pixels per map pixel: map pixel i covers the frame's pixels [i * stride, (i + 1) * stride).
        fixed: points settled by hand, in frame pixels, ids from 1 on; they stay as they are.
        look_here: longest list of disagreements.

    Raises:
        ValueError: if there is no frame, maps differ in size, have NaN or infinite values or are clearly
            negative, or a setting does not fit them.
    """
    config = config or TrackConfig()
    if not 0 < stride < float("inf"):
        raise ValueError(f"stride must be positive, got {stride}: give frame pixels per map pixel")
    settled = FixedPoints.of(_rescaled(fixed, 1 / stride)) if fixed is not None else None
    solver = BlockSolver(size, config, seed=seed, fixed=settled)
    blocks = [
        solver.settle(part, context=context, start=start, stop=stop, last=last)
        for context, start, stop, part, last in split_into_blocks(checked_maps(maps, size), config)
    ]
    if not blocks:
        raise ValueError("there is no frame to track in: give at least one density map")
    frames = blocks[-1].report.stop
    by_hand = settled is not None and bool((settled.frame < frames).any())  # not all too late
    tracks = _link(_assemble(blocks), size, config, keep_identities=by_hand)
    if not by_hand:
        tracks = _inside(tracks, solver.shape)
        tracks = name_divisions(
            tracks, config=config.flow, sigma=size.at(tracks.y), shape=solver.shape
        )
    counts = np.concatenate([block.map_counts for block in blocks])
    return TrackingResult(
        tracks=_rescaled(tracks, stride),
        map_counts=counts,
        blocks=tuple(block.report for block in blocks),
        look_here=_strongest_disagreements(blocks, stride)[:look_here],
        warnings=_warnings(tracks, counts, blocks, config=config, fixed=settled),
    )


def _strongest_disagreements(blocks: list[SettledBlock], stride: float) -> tuple[LookHere, ...]:
    """Return where map and tracks disagree in frame pixels, strongest first."""
    places = np.concatenate([block.residuals for block in blocks])
    places = places[np.argsort(-np.abs(places[:, 3]), kind="stable")]
    return tuple(
        LookHere(
            frame=int(t),
            x=float(_scale(x, stride)),
            y=float(_scale(y, stride)),
            objects=float(objects),
        )
        for t, x, y, objects in places
    )


def _scale(values: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Return coordinates on a grid that is `factor` times finer; pixel centers stay at integers."""
    return (values + 0.5) * factor - 0.5


def _rescaled(tracks: Tracks, factor: float) -> Tracks:
    return replace(
        tracks,
        x=_scale(tracks.x, factor),
        y=_scale(tracks.y, factor),
        width=tracks.width * factor,
        height=tracks.height * factor,
    )


def _inside(tracks: Tracks, shape: tuple[int, int]) -> Tracks:
    """Return the tracks with points that were refined or interpolated across the border put back into the frame."""
    height, width = shape
    return replace(
        tracks, x=np.clip(tracks.x, -0.49, width - 0.51), y=np.clip(tracks.y, -0.49, height - 0.51)
    )


def _assemble(blocks: list[SettledBlock]) -> Tracks:
    """Join the blocks' points; identities that turned out to be the same become one where they do not overlap."""
    frame, x, y, mass, track = (
        np.concatenate([getattr(block, name) for block in blocks])
        for name in ("frame", "x", "y", "mass", "track")
    )
    for block in blocks:
        for source, target in block.merged.items():
            if not np.intersect1d(frame[track == source], frame[track == target]).size:
                track[track == source] = target
    length = blocks[-1].report.stop
    return Tracks.from_rows(frame, track, x=x, y=y, confidence=np.clip(mass, 0, 1), length=length)


def _link(
    tracks: Tracks, size: ObjectSize, config: TrackConfig, *, keep_identities: bool
) -> Tracks:
    """Relink and stitch; with corrections by hand the identities stay and only gaps are filled."""
    if keep_identities:
        # What lies between two points that were settled far apart is not known: no line is drawn there.
        longest = max(config.flow.gap_frames + 1, config.links.stitch_frames)
        return fill_gaps(tracks, longest=longest)
    if config.links.relink_passes:
        tracks = relink_by_velocity(tracks, sigma=size.at(tracks.y), config=config.links)
    if config.links.stitch_frames >= 2:
        tracks = stitch(tracks, sigma=size.at(tracks.y), config=config.links)
    return fill_gaps(tracks)


def _warnings(
    tracks: Tracks,
    counts: NDArray[np.float64],
    blocks: list[SettledBlock],
    *,
    config: TrackConfig,
    fixed: FixedPoints | None,
) -> tuple[str, ...]:
    found = []
    if not len(tracks):
        found.append(f"no object was found: the maps sum to {counts.mean():.2f} objects a frame")
    mean, tracked = float(counts.mean()), float(tracks.counts().mean())
    if abs(mean - tracked) > max(DISAGREEMENT * mean, 0.5):
        found.append(
            f"the maps count {mean:.1f} objects a frame, the tracks {tracked:.1f}: calibrate the maps or check sigma"
        )
    late = 0 if fixed is None else int((fixed.frame >= len(counts)).sum())
    if late:
        found.append(
            f"{late} points settled by hand lie after the last of {len(counts)} frames and were dropped"
        )
    exact = config.solver.solver != "paths" or config.solver.certify
    unproven = sum(not block.report.proven for block in blocks) if exact else 0
    if unproven:
        found.append(
            f"{unproven} of {len(blocks)} blocks are not proven within the gap: raise the time limit"
        )
    for sentence in found:
        logger.warning("%s", sentence)
    return tuple(found)


class DensityTracker:
    """A density network and tracking settings: the three-line interface."""

    def __init__(self, network: "DensityNetwork", config: TrackConfig | None = None) -> None:
        """Use a loaded network with these settings."""
        self.network = network
        self.config = config or TrackConfig()

    @classmethod
    def load(
        cls, path: Path | str, *, config: TrackConfig | None = None, device: str = "auto"
    ) -> "DensityTracker":
        """Load a checkpoint that `tbc-tracking train` wrote.

        Raises:
            UserError: if the file is no such checkpoint.
        """
        from tbc_tracking.density_network import DensityNetwork

        return cls(DensityNetwork.load(Path(path), device=device), config)

    def track(
        self, video: Path | str, *, seed: int = 0, fixed: Tracks | None = None
    ) -> TrackingResult:
        """Track the objects of a video file or a folder of images; frames are streamed.

        Args:
            video: what `open_frames` reads.
            seed: of the path search.
            fixed: points settled by hand, in frame pixels.

        Raises:
            UserError: if the video cannot be read.
        """
        from tbc_tracking.frames import open_frames

        frames = open_frames(Path(video))
        result = track_density(
            self.maps(frames),
            size=self.network.size,
            config=self.config,
            seed=seed,
            stride=self.network.stride,
            fixed=fixed,
        )
        return replace(result, tracks=replace(result.tracks, frame_interval=frames.frame_interval))

    def maps(self, frames: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the density map of every frame."""
        yield from self.network.predict(frames)
