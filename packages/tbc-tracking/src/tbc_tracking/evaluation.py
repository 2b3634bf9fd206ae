"""One table: the method and its baselines on the same maps, every setting chosen on validation sequences."""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.baselines import BaselineConfig, detect, link_detections
from tbc_tracking.config import TrackConfig
from tbc_tracking.division_metrics import division_scores
from tbc_tracking.inference import track_density
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.point_metrics import PointScores, evaluate_points, pool_scores
from tbc_tracking.tracks import Tracks

BASELINES: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "peaks + Hungarian": {
        "detector": ("peaks",),
        "smoothing": (0.15, 0.3, 0.5, 0.7),
        "threshold": (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7),
        "reach": (1.5, 2.5, 3.5),
    },
    "deconvolution + Hungarian": {
        "detector": ("deconvolution",),
        "threshold": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
        "reach": (1.5, 2.5, 3.5),
    },
    "peaks + LAP with gaps": {
        "detector": ("peaks",),
        "smoothing": (0.15, 0.3, 0.5, 0.7),
        "threshold": (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7),
        "reach": (1.5, 2.5, 3.5),
        "gap_frames": (1, 2, 4, 8),
    },
    "deconvolution + LAP with gaps": {
        "detector": ("deconvolution",),
        "threshold": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
        "reach": (1.5, 2.5, 3.5),
        "gap_frames": (1, 2, 4, 8),
    },
}
"""Grids of the baselines; the best on the validation sequences wins, by MOTA unless told otherwise."""


def by_mota(scores: PointScores) -> tuple[float, ...]:
    """Return what is largest for the setting with the highest MOTA."""
    return (scores.mota,)


def by_count(scores: PointScores) -> tuple[float, ...]:
    """Return what is largest for the setting with the smallest count error, the highest MOTA among equals."""
    return (-scores.count_mae, scores.mota)


@dataclass(frozen=True, kw_only=True, eq=False)
class MapSequence:
    """Density maps of one sequence with the truth about it."""

    maps: NDArray[np.float32]
    """Maps, shape (frames, height, width)."""
    truth: Tracks
    """True points, in map pixels."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What one method reached on all test sequences together."""

    method: str
    figures: Mapping[str, float]
    """MOTA, IDF1, HOTA, count errors and the rest of `PointScores`; the map sum has count errors only."""
    setting: BaselineConfig | TrackConfig | None
    """The setting that validation chose; None for the map sum."""
    cpu_seconds: float
    """From maps to tracks, all test sequences together."""

    def row(self) -> dict[str, Any]:
        """Return the figures as one row of a table."""
        return {"method": self.method, **self.figures, "cpu_seconds": self.cpu_seconds}


def evaluate_methods(
    test: Sequence[MapSequence],
    *,
    validation: Sequence[MapSequence],
    size: ObjectSize,
    distance: float,
    config: TrackConfig,
    seed: int = 0,
    choices: Sequence[TrackConfig] = (),
) -> list[Evaluation]:
    """Run tracking by counting and every baseline on the same maps.

    Args:
        test: sequences that are read once, each with identities of its own.
        validation: sequences on which every baseline (and `choices`) is tuned.
        size: sigma of the objects on the maps.
        distance: match distance in map pixels.
        config: settings of the method, when there are no `choices`.
        seed: of the path search.
        choices: settings of the method to choose from by MOTA on the validation sequences.

    Returns:
        The method first, then the baselines, then the map sum (counts only).
    """
    if choices:
        config = choose_setting(choices, validation, size=size, distance=distance, seed=seed)

    def method(sequence: MapSequence) -> Tracks:
        return track_density(sequence.maps, size=size, config=config, seed=seed).tracks

    results = [run_method("tracking by counting", method, test, distance, config)]
    for name, grid in BASELINES.items():
        chosen = tune_baseline(grid, validation, size=size, distance=distance)
        results.append(run_method(name, baseline_method(chosen, size), test, distance, chosen))
    return [*results, map_sum(test)]


def choose_setting(
    choices: Sequence[TrackConfig],
    sequences: Sequence[MapSequence],
    *,
    size: ObjectSize,
    distance: float,
    seed: int = 0,
) -> TrackConfig:
    """Return the setting with the best sum of MOTA and half of IDF1 and HOTA on the sequences."""

    def value(config: TrackConfig) -> float:
        scores = pool_scores(
            [
                evaluate_points(
                    s.truth,
                    track_density(s.maps, size=size, config=config, seed=seed).tracks,
                    distance=distance,
                )
                for s in sequences
            ]
        )
        return scores.mota + 0.5 * scores.idf1 + 0.5 * scores.hota

    return max(choices, key=value)


def tune_baseline(
    grid: Mapping[str, Sequence[Any]],
    sequences: Sequence[MapSequence],
    *,
    size: ObjectSize,
    distance: float,
    value: Callable[[PointScores], tuple[float, ...]] = by_mota,
) -> BaselineConfig:
    """Return the setting of the grid with the largest `value` on the sequences; detections are made once."""
    best, chosen = (-np.inf,), BaselineConfig()
    for smoothing in grid.get("smoothing", (BaselineConfig().smoothing,)):
        detections = [
            detect(s.maps, grid["detector"][0], size=size, smoothing=smoothing) for s in sequences
        ]
        rest = {name: values for name, values in grid.items() if name != "smoothing"}
        for values in itertools.product(*rest.values()):
            setting = BaselineConfig(**dict(zip(rest, values, strict=True)), smoothing=smoothing)
            linked = [
                link_detections(found, len(s.maps), size=size, config=setting)
                for found, s in zip(detections, sequences, strict=True)
            ]
            reached = value(
                pool_scores(
                    [
                        evaluate_points(s.truth, tracks, distance=distance)
                        for s, tracks in zip(sequences, linked, strict=True)
                    ]
                )
            )
            if reached > best:
                best, chosen = reached, setting
    return chosen


def baseline_method(setting: BaselineConfig, size: ObjectSize) -> Callable[[MapSequence], Tracks]:
    """Return the baseline with a setting as a function from a sequence to tracks."""

    def run(sequence: MapSequence) -> Tracks:
        found = detect(sequence.maps, setting.detector, size=size, smoothing=setting.smoothing)
        return link_detections(found, len(sequence.maps), size=size, config=setting)

    return run


def run_method(
    name: str,
    method: Callable[[MapSequence], Tracks],
    sequences: Sequence[MapSequence],
    distance: float,
    setting: BaselineConfig | TrackConfig,
) -> Evaluation:
    """Run one method on every sequence and score all of them together.

    Args:
        name: how the table calls it.
        method: from a sequence to tracks in map pixels.
        sequences: each with identities of its own.
        distance: match distance in map pixels.
        setting: what validation chose.
    """
    start = time.process_time()
    tracks = [method(sequence) for sequence in sequences]
    elapsed = time.process_time() - start
    scores = [
        evaluate_points(sequence.truth, found, distance=distance)
        for sequence, found in zip(sequences, tracks, strict=True)
    ]
    figures = dict(pool_scores(scores).as_dict())
    if any(sequence.truth.parents for sequence in sequences):
        figures["division_f1"] = float(
            np.nanmean(
                [
                    division_scores(sequence.truth, found, distance=distance).f1
                    for sequence, found in zip(sequences, tracks, strict=True)
                ]
            )
        )
    return Evaluation(method=name, figures=figures, setting=setting, cpu_seconds=elapsed)


def map_sum(sequences: Sequence[MapSequence]) -> Evaluation:
    """Return how far the map sums alone are from the true counts."""
    errors = np.concatenate(
        [
            sequence.maps.sum(axis=(1, 2), dtype=np.float64)
            - np.bincount(sequence.truth.frame, minlength=len(sequence.maps))[: len(sequence.maps)]
            for sequence in sequences
        ]
    )
    figures = {"count_mae": float(np.abs(errors).mean()), "count_bias": float(errors.mean())}
    return Evaluation(method="map sum", figures=figures, setting=None, cpu_seconds=0.0)
