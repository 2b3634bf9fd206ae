"""Real crowd motion with simulated density maps: the method, its baselines at their oracle settings, hard windows.

    python benchmarks/tbc-tracking/crowds.py [MOTION.csv ...] [--seeds 0 1 2]

Without files: PETS S2L2, S2L3 and S1L1-1, all frames. Maps of 120x90 pixels, rendered as specification 6.2 says.
Baselines get the threshold, smoothing and reach that are best on the very maps they are judged on; kernel and hard
windows are both chosen from as many settings on a simulated crowd. Match distance 3.125 map pixels.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from _data import data_folder

from tbc_tracking.config import CandidateConfig, LinkConfig, TrackConfig, WindowConfig
from tbc_tracking.crowd import CrowdConfig, simulate_crowd
from tbc_tracking.evaluation import (
    BASELINES,
    MapSequence,
    baseline_method,
    choose_setting,
    run_method,
    tune_baseline,
)
from tbc_tracking.formats import read_tracks
from tbc_tracking.inference import track_density
from tbc_tracking.object_size import ObjectSize, fit_object_size
from tbc_tracking.simulation import simulate_density
from tenfold_shared.result_rows import print_row

SHAPE = (90, 120)
SCALE = 6.4  # pixels of the original per map pixel
DISTANCE = 20 / SCALE
FIGURES = ("mota", "idf1", "hota", "switches", "recall", "precision", "count_mae", "count_bias")


def motion(path: Path):
    """Return tracks in map pixels and the size of people on the map."""
    tracks = read_tracks(path)
    tracks = replace(
        tracks,
        x=(tracks.x + 0.5) / SCALE - 0.5,
        y=(tracks.y + 0.5) / SCALE - 0.5,
        width=tracks.width / SCALE,
        height=tracks.height / SCALE,
    )
    tracks = tracks.select(
        (tracks.x > -0.5)
        & (tracks.x < SHAPE[1] - 0.5)
        & (tracks.y > -0.5)
        & (tracks.y < SHAPE[0] - 0.5)
    )
    return tracks, fit_object_size(tracks.y, tracks.height)


def practice() -> tuple[list[MapSequence], ObjectSize]:
    """Return simulated crowds on which settings are chosen."""
    size = ObjectSize(intercept=0.6, slope=0.035, minimum=1.3, maximum=4.0)
    crowds = []
    for seed, people in ((7, 26.0), (8, 16.0)):
        truth = simulate_crowd(120, SHAPE, size=size, seed=seed, config=CrowdConfig(people=people))
        crowds.append(
            MapSequence(
                maps=simulate_density(truth, SHAPE, size=size, seed=100 + seed), truth=truth
            )
        )
    return crowds, size


def chosen_settings() -> dict[str, TrackConfig]:
    """Return the settings of both kinds of windows, chosen alike."""
    crowds, size = practice()
    base = TrackConfig()
    windows = {
        "kernel windows": [
            WindowConfig(pixels=5, stride=0.4),
            WindowConfig(pixels=3, stride=0.34),
            WindowConfig(pixels=7, stride=0.3),
        ],
        "hard windows": [
            WindowConfig(kind="hard", pixels=p, stride=s)
            for p, s in ((11, 0.2), (11, 0.36), (13, 0.24))
        ],
    }
    result = {}
    for name, kinds in windows.items():
        settings = [replace(base, windows=kind) for kind in kinds]
        result[name] = choose_setting(settings, crowds, size=size, distance=DISTANCE)
    hard = result["hard windows"]
    # Renewal and refinement rest on the kernel model of an object too, which the paper's windows do not have.
    plain = replace(hard, candidates=CandidateConfig(renewals=0), refine_steps=0)
    result["hard windows without a kernel model"] = plain
    result["hard windows, first-order links only"] = replace(
        plain,
        flow=replace(hard.flow, gap_frames=0),
        links=LinkConfig(relink_passes=0, stitch_frames=0),
    )
    return result


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("motions", nargs="*", type=Path)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    paths = arguments.motions or [
        data_folder("pets2009_tracks") / f"{n}.csv" for n in ("s2l2", "s2l3", "s1l1-1")
    ]
    settings = chosen_settings()
    for path in paths:
        truth, size = motion(path)
        results: dict[str, list] = {}
        for seed in arguments.seeds:
            sequences = [
                MapSequence(maps=simulate_density(truth, SHAPE, size=size, seed=seed), truth=truth)
            ]
            for name, config in settings.items():

                def method(sequence, config=config, size=size, seed=seed):
                    return track_density(sequence.maps, size=size, config=config, seed=seed).tracks

                results.setdefault(name, []).append(
                    run_method(name, method, sequences, DISTANCE, config)
                )
            for name in ("peaks + Hungarian", "deconvolution + Hungarian"):
                best = tune_baseline(BASELINES[name], sequences, size=size, distance=DISTANCE)
                run = run_method(name, baseline_method(best, size), sequences, DISTANCE, best)
                results.setdefault(f"{name} (oracle)", []).append(run)
        report(path.stem.upper(), results, arguments.seeds)


def report(sequence: str, results: dict[str, list], seeds: list[int]) -> None:
    """Print the rows of one motion."""
    ours = "kernel windows"

    def values(name: str, figure: str) -> np.ndarray:
        return np.array([run.figures[figure] for run in results[name]])

    for name, runs in results.items():
        cpu = float(np.mean([run.cpu_seconds for run in runs]))
        for figure in FIGURES:
            print_row(
                f"{sequence} {figure}: {name}", values(name, figure), seeds=seeds, cpu_seconds=cpu
            )
    for name in results:
        if name != ours:
            for figure in ("mota", "hota", "idf1"):
                print_row(
                    f"{sequence} {figure}: kernel minus {name}",
                    values(ours, figure) - values(name, figure),
                    seeds=seeds,
                )


if __name__ == "__main__":
    started = time.process_time()
    main()
    print_row("CPU seconds of this script", time.process_time() - started, unit="s")
