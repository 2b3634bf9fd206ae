"""Nuclei (exact truth) and colloids (agreement with trackpy), settings chosen on validation frames.

    python benchmarks/tbc-tracking/microscopy.py

Nuclei: fit on frames 0-34, choose on 35-39, fit again on 0-39, read 40-64 once; match distance 8 px. Colloids: fit on
frames 0-15, calibrate and choose on 16-23, read 24-63; match distance 3 px. Of every method, ours and the baselines,
the setting is chosen that counts best on the validation frames, the highest MOTA among equals. Trainings (about 85
CPU s each) go to runs/benchmarks.
"""

import sys
from dataclasses import replace
from itertools import product

import numpy as np
from _data import data_folder
from _trainings import trained
from scipy.ndimage import gaussian_filter

from tbc_tracking.baselines import BaselineConfig, detect, link_detections
from tbc_tracking.config import TrackConfig
from tbc_tracking.data import to_map
from tbc_tracking.evaluation import (
    BASELINES,
    MapSequence,
    baseline_method,
    by_count,
    map_sum,
    run_method,
    tune_baseline,
)
from tbc_tracking.formats import read_tracks
from tbc_tracking.formats.cell_tracking_challenge import read_lineage
from tbc_tracking.frames import open_frames
from tbc_tracking.inference import track_density
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.point_metrics import evaluate_points
from tenfold_shared.result_rows import print_row

SEEDS = (0, 1, 2)
OURS = "tracking by counting"


def on_map(tracks, stride: int):
    """Return tracks in map pixels."""
    return replace(tracks, x=to_map(tracks.x, stride=stride), y=to_map(tracks.y, stride=stride))


def part(maps: np.ndarray, truth, start: int, stop: int) -> MapSequence:
    """Return some frames as a sequence of its own."""
    return MapSequence(maps=maps[start:stop], truth=truth.between(start, stop))


def counting_best(
    choices: list[TrackConfig], validation: list[MapSequence], size, distance
) -> TrackConfig:
    """Return the setting with the smallest count error on validation frames, the highest MOTA among equals."""

    def errors(config: TrackConfig) -> tuple[float, float]:
        figures = method_run(config, validation, size, distance).figures
        return figures["count_mae"], -figures["mota"]

    return min(choices, key=errors)


def method_run(config: TrackConfig, sequences: list[MapSequence], size, distance):
    """Run our method with a setting on sequences."""
    return run_method(
        OURS,
        lambda sequence: track_density(sequence.maps, size=size, config=config).tracks,
        sequences,
        distance,
        config,
    )


def nuclei_choices() -> list[TrackConfig]:
    """Return the settings that validation frames 35-39 choose from: slow objects that divide."""
    base = TrackConfig()
    links = replace(base.links, inertia=0.0, relink_passes=0)
    return [
        replace(
            base,
            links=links,
            flow=replace(base.flow, density=density, division=division, reach=reach),
        )
        for density, division, reach in product((0.1, 0.3, 0.5, 0.8), (0.1, 0.3), (2.0, 3.0))
    ]


def brightness_maxima(frames, truth, size: ObjectSize) -> dict:
    """Return the figures of maxima of the smoothed frames + Hungarian, threshold chosen on frames 35-39."""
    images = np.stack([gaussian_filter(frame, 2 * size.intercept / 2) for frame in frames])
    best = None
    for threshold in np.linspace(0.02, 0.4, 20):
        found = detect(images, "peaks", size=size, smoothing=0.01)
        rows = np.rint(found[:, [2, 1]]).astype(int)
        rows = np.clip(rows, 0, np.array(images.shape[1:]) - 1)
        found[:, 3] = images[found[:, 0].astype(int), rows[:, 0], rows[:, 1]]
        tracks = link_detections(
            found, len(images), size=size, config=BaselineConfig(threshold=threshold, reach=2.5)
        )
        score = evaluate_points(truth.between(35, 40), tracks.between(35, 40), distance=8.0).mota
        if best is None or score > best[0]:
            best = (
                score,
                evaluate_points(truth.between(40, 65), tracks.between(40, 65), distance=8.0),
            )
    return best[1].as_dict()


def nuclei() -> None:
    """Print the rows of the nuclei."""
    folder = data_folder("nuclei_sim")
    frames = open_frames(folder)
    tracks = read_tracks(folder / "gt.csv", length=frames.length, size=frames.size)
    tracks = replace(tracks, parents=read_lineage(folder / "man_track.txt")[1])
    results: dict[str, list] = {}
    validation, test = [], []
    for seed in SEEDS:
        network, maps = trained("nuclei", "choose", seed, frames=frames, tracks=tracks)
        truth = on_map(tracks, network.stride)
        validation.append(part(maps, truth, 35, 40))
        final, final_maps = trained("nuclei", "final", seed, frames=frames, tracks=tracks)
        scale = np.float32(network.description.calibration.scale)
        test.append((final, part(final_maps * scale, truth, 40, 65)))
    size, distance = network.size, 8.0 / network.stride
    config = counting_best(nuclei_choices(), validation, size, distance)
    print(f"nuclei, chosen on 35-39: {config.flow}", file=sys.stderr)
    settings = {
        name: tune_baseline(grid, validation, size=size, distance=distance, value=by_count)
        for name, grid in BASELINES.items()
    }
    for _, sequence in test:
        results.setdefault(OURS, []).append(method_run(config, [sequence], size, distance))
        for name, chosen in settings.items():
            results.setdefault(name, []).append(
                run_method(name, baseline_method(chosen, size), [sequence], distance, chosen)
            )
        results.setdefault("map sum", []).append(map_sum([sequence]))
    figures = ("mota", "idf1", "hota", "switches", "count_mae", "count_bias", "division_f1")
    for name, runs in results.items():
        for figure in figures:
            if figure in runs[0].figures:
                print_row(
                    f"nuclei {figure}: {name}", [run.figures[figure] for run in runs], seeds=SEEDS
                )
    plain = brightness_maxima(list(frames), tracks, ObjectSize(intercept=6.0))
    for figure in ("mota", "count_mae"):
        print_row(f"nuclei {figure}: brightness maxima + Hungarian", plain[figure])


def colloid_choices() -> list[TrackConfig]:
    """Return the settings that validation frames 16-23 choose from: diffusing spheres, some half seen.

    Spheres come into focus and leave it anywhere, so an entry may cost as little inside as at the border.
    """
    base = TrackConfig()
    links = replace(base.links, inertia=0.0, relink_passes=0, stitch_frames=0)
    return [
        replace(
            base,
            links=links,
            flow=replace(base.flow, presence=presence, density=density, entry=entry, exit=entry),
        )
        for presence, density, entry in product((0.0, 0.05, 0.1, 0.15, 0.2), (0.0, 0.1), (0.2, 0.5))
    ]


def colloids() -> None:
    """Print the agreement with trackpy on the colloids."""
    folder = data_folder("colloids_water")
    frames = open_frames(folder)
    silver = read_tracks(folder / "silver.csv", length=frames.length, size=frames.size)
    networks, validation, test = [], [], []
    for seed in SEEDS:
        network, maps = trained("colloids", "choose", seed, frames=frames, tracks=silver)
        truth = on_map(silver, network.stride)
        networks.append(network)
        validation.append(part(maps, truth, 16, 24))
        test.append(part(maps, truth, 24, 64))
    size, distance = networks[0].size, 3.0 / networks[0].stride

    config = counting_best(colloid_choices(), validation, size, distance)
    print(f"colloids, chosen on 16-23: {config.flow}", file=sys.stderr)
    results = {OURS: [method_run(config, [sequence], size, distance) for sequence in test]}
    for name in ("peaks + Hungarian", "deconvolution + Hungarian"):
        chosen = tune_baseline(
            BASELINES[name], validation, size=size, distance=distance, value=by_count
        )
        results[name] = [
            run_method(name, baseline_method(chosen, size), [sequence], distance, chosen)
            for sequence in test
        ]
    results["map sum"] = [map_sum([sequence]) for sequence in test]
    for name, runs in results.items():
        for figure in ("recall", "precision", "mota", "idf1", "count_mae", "count_bias"):
            if figure in runs[0].figures:
                print_row(
                    f"colloids agreement, {figure}: {name}",
                    [run.figures[figure] for run in runs],
                    seeds=SEEDS,
                )


if __name__ == "__main__":
    nuclei()
    colloids()
