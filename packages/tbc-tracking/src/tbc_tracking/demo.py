"""The demonstration: real colloids and a simulated crowd, tracked from density maps, beside a baseline.

What it needs is shipped: `assets/` holds 30 frames of real colloids, reference points and small weights; the
crowd is simulated. The baseline takes the peaks of the same maps and links them by one assignment per frame pair; its
threshold is chosen where nothing is scored, on the first frames of the colloids and on another crowd.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.baselines import BaselineConfig, detect, link_detections
from tbc_tracking.config import LinkConfig, TrackConfig
from tbc_tracking.crowd import CrowdConfig, simulate_crowd
from tbc_tracking.density_network import DensityNetwork
from tbc_tracking.figures import (
    counts_picture,
    space_time_picture,
    tracks_picture,
)
from tbc_tracking.formats import read_tracks
from tbc_tracking.frames import open_frames
from tbc_tracking.inference import track_density
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.point_metrics import PointScores, evaluate_points
from tbc_tracking.simulation import simulate_density
from tbc_tracking.tracks import Tracks
from tenfold_shared.files import make_folder
from tenfold_shared.plots import save_figure

CROWD_SHAPE = (90, 120)
CROWD_LENGTH = 80
CROWD_SIZE = ObjectSize(intercept=2.0)
CROWD_DISTANCE = 4.0
"""Two sigma: at most so far from the truth, a point is right."""
COLLOID_DISTANCE = 3.0
TUNING_FRAMES = 6
"""First frames of the colloids: they choose the baseline's threshold and are not scored."""
THRESHOLDS = np.arange(0.05, 0.91, 0.05)
SCORES = (
    ("mota", "MOTA"), ("idf1", "IDF1"), ("hota", "HOTA"), ("recall", "recall"),
    ("precision", "precision"), ("count_mae", "count MAE"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Tracks and scores of the method and of the baseline on one sequence."""

    truth: Tracks
    """What is true, or the reference."""
    ours: Tracks
    """Tracking by counting."""
    baseline: Tracks
    """Peaks and Hungarian."""
    map_counts: NDArray[np.float64]
    """Sum of each map."""
    distance: float
    """Largest distance of a match, in pixels."""

    def rows(self, name: str, *, against: str) -> list[dict[str, object]]:
        """Return one row per score, ours as value, and one for the sum of the map; the baseline's as reference."""
        ours, baseline = (
            evaluate_points(self.truth, tracks, distance=self.distance)
            for tracks in (self.ours, self.baseline)
        )
        figures = [
            (label, getattr(ours, score), getattr(baseline, score)) for score, label in SCORES
        ]
        of_maps = float(np.abs(self.map_counts - self.truth.counts()).mean())
        figures.append(("count MAE of the map sum", of_maps, baseline.count_mae))
        return [
            {
                "name": f"{name}: {label} {against}",
                "value": value,
                "unit": "objects" if "count" in label else "",
                "reference": reference,
                "ratio": _ratio(value, reference),
            }
            for label, value, reference in figures
        ]


def run_demo(folder: Path, *, seed: int = 0, device: str = "auto") -> list[dict[str, object]]:
    """Track both sequences, write four pictures into a folder and return the table.

    Args:
        folder: where the pictures go.
        seed: of the crowd, its maps and the path search.
        device: where the network runs.
    """
    make_folder(folder)
    frames, colloids = compare_on_colloids(seed=seed, device=device)
    crowd_maps, crowd = compare_on_crowd(seed=seed)
    last = len(frames) - 1
    pictures = {
        "1_colloids_tracks": tracks_picture(
            frames[last],
            colloids.ours,
            frame=last,
            tail=last,
            truth=colloids.truth,
            title="Real colloids: tracked by counting (dots, paths), reference (rings)",
        ),
        "2_crowd_tracks": tracks_picture(
            np.sqrt(crowd_maps[CROWD_LENGTH // 2]),
            crowd.ours,
            frame=CROWD_LENGTH // 2,
            truth=crowd.truth,
            title="Simulated crowd: tracks over the density map (dots, paths), truth (rings)",
        ),
        "3_crowd_space_time": space_time_picture(
            {
                "truth": crowd.truth,
                "tracking by counting": crowd.ours,
                "peaks + Hungarian": crowd.baseline,
            },
            truth=crowd.truth,
            distance=CROWD_DISTANCE,
        ),
        "4_crowd_counts": counts_picture(
            {
                "truth": crowd.truth.counts(),
                "tracking by counting": crowd.ours.counts(),
                "peaks + Hungarian": crowd.baseline.counts(),
                "sum of the map": crowd.map_counts,
            }
        ),
    }
    for name, figure in pictures.items():
        save_figure(figure, folder / f"{name}.png")
    return [
        *colloids.rows("real colloids", against="against the reference"),
        *crowd.rows("simulated crowd", against="against the truth"),
    ]


def compare_on_colloids(
    *, seed: int = 0, device: str = "auto"
) -> tuple[list[NDArray[np.float32]], Comparison]:
    """Track the shipped frames of real colloids; return the scored frames and the comparison.

    The reference was made by trackpy, so the scores are agreement with it.
    """
    with as_file(files("tbc_tracking") / "assets") as assets:
        frames = list(open_frames(assets / "colloids.tif"))
        reference = read_tracks(assets / "colloids.csv", length=len(frames))
        network = DensityNetwork.load(assets / "colloids.safetensors", device=device)
    maps = network.predict_all(frames, seed=seed)
    size, stride = network.size, network.stride
    config = BaselineConfig(reach=2.5)
    points = _in_frame_pixels(detect(maps, "peaks", size=size), stride)
    wide = size.scaled(stride)
    chosen = tune_threshold(
        points[points[:, 0] < TUNING_FRAMES],
        reference.between(0, TUNING_FRAMES),
        size=wide,
        config=config,
        distance=COLLOID_DISTANCE,
    )
    scored = points[points[:, 0] >= TUNING_FRAMES] - [TUNING_FRAMES, 0, 0, 0]
    length = len(frames) - TUNING_FRAMES
    # Diffusion has no velocity, and a sphere out of focus is missing from the reference as well.
    settings = TrackConfig(links=LinkConfig(relink_passes=0, stitch_frames=0))
    result = track_density(
        maps[TUNING_FRAMES:], size=size, stride=float(stride), config=settings, seed=seed
    )
    comparison = Comparison(
        truth=reference.between(TUNING_FRAMES, len(frames)),
        ours=result.tracks,
        baseline=link_detections(scored, length, size=wide, config=chosen),
        map_counts=result.map_counts,
        distance=COLLOID_DISTANCE,
    )
    return frames[TUNING_FRAMES:], comparison


def compare_on_crowd(*, seed: int = 0) -> tuple[NDArray[np.float32], Comparison]:
    """Track a simulated crowd; return its density maps and the comparison."""
    truth, maps = _crowd(seed)
    other_truth, other_maps = _crowd(seed + 1)
    chosen = tune_threshold(
        detect(other_maps, "peaks", size=CROWD_SIZE),
        other_truth,
        size=CROWD_SIZE,
        config=BaselineConfig(),
        distance=CROWD_DISTANCE,
    )
    points = detect(maps, "peaks", size=CROWD_SIZE)
    result = track_density(maps, size=CROWD_SIZE, seed=seed)
    comparison = Comparison(
        truth=truth,
        ours=result.tracks,
        baseline=link_detections(points, len(maps), size=CROWD_SIZE, config=chosen),
        map_counts=result.map_counts,
        distance=CROWD_DISTANCE,
    )
    return maps, comparison


def tune_threshold(
    points: NDArray[np.float64],
    truth: Tracks,
    *,
    size: ObjectSize,
    config: BaselineConfig,
    distance: float,
    thresholds: Sequence[float] | NDArray[np.float64] = THRESHOLDS,
) -> BaselineConfig:
    """Return the baseline with the threshold of the best MOTA on a sequence that is not scored.

    Args:
        points: all peaks, columns frame, x, y, score.
        truth: true tracks of that sequence.
        size: sigma of the objects, in the pixels of the points.
        config: everything else about the baseline.
        distance: largest distance of a match.
        thresholds: to choose from.
    """

    def score(threshold: float) -> PointScores:
        tracks = link_detections(
            points, truth.length, size=size, config=replace(config, threshold=threshold)
        )
        return evaluate_points(truth, tracks, distance=distance)

    best = max(thresholds, key=lambda threshold: score(float(threshold)).mota)
    return replace(config, threshold=float(best))


def _crowd(seed: int) -> tuple[Tracks, NDArray[np.float32]]:
    """Return a crowd and the maps that an imperfect counter makes of it."""
    truth = simulate_crowd(
        CROWD_LENGTH, CROWD_SHAPE, size=CROWD_SIZE, seed=seed, config=CrowdConfig(people=20)
    )
    return truth, simulate_density(truth, CROWD_SHAPE, size=CROWD_SIZE, seed=seed)


def _in_frame_pixels(points: NDArray[np.float64], stride: int) -> NDArray[np.float64]:
    """Return detections on a map in pixels of the frames."""
    moved = points.copy()
    moved[:, 1:3] = (moved[:, 1:3] + 0.5) * stride - 0.5
    return moved


def _ratio(ours: float, baseline: float) -> float | None:
    """Return ours / baseline, None where that says nothing."""
    return ours / baseline if baseline > 0 else None
