"""PETS 2009 S2L1, real frames: three networks, every setting chosen on block 6, blocks 1, 3, 5, 7 read once.

    python benchmarks/tbc-tracking/pets.py [--figures]

Each seed is trained twice (about 90 CPU s each): on blocks 0, 2, 4 to choose settings on block 6, then on blocks
0, 2, 4, 6. Trainings go to runs/benchmarks and are resumed. Match distance 10 px of the frames.
"""

import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from _data import data_folder
from _trainings import trained

from tbc_tracking.config import TrackConfig
from tbc_tracking.data import to_map
from tbc_tracking.density_network import DensityNetwork
from tbc_tracking.evaluation import (
    BASELINES,
    MapSequence,
    baseline_method,
    choose_setting,
    map_sum,
    run_method,
    tune_baseline,
)
from tbc_tracking.formats import read_tracks
from tbc_tracking.frames import open_frames
from tbc_tracking.inference import track_density
from tenfold_shared.result_rows import print_row

SEEDS = (0, 1, 2)
TEST_BLOCKS = (1, 3, 5, 7)
SPARSEST = 3
DISTANCE = 10.0
FIGURES_OF_A_METHOD = (
    "mota",
    "idf1",
    "hota",
    "motp",
    "switches",
    "recall",
    "precision",
    "count_mae",
    "count_bias",
)
FIGURES = Path(__file__).parents[2] / "docs/packages/tbc-tracking/figures"


def blocks(maps: np.ndarray, truth, numbers) -> list[MapSequence]:
    """Return blocks of 100 frames as sequences of their own, identities cut."""
    ends = [(100 * b, min(100 * b + 100, len(maps))) for b in numbers]
    return [MapSequence(maps=maps[a:b], truth=truth.between(a, b)) for a, b in ends]


def choices() -> list[TrackConfig]:
    """Return the settings of the method that block 6 chooses from."""
    base = TrackConfig()
    return [
        replace(base, flow=replace(base.flow, entry=entry, exit=entry, gap_frames=gap, move=move))
        for entry, gap, move in product((0.3, 0.5, 0.8), (0, 1, 2), (0.05, 0.1))
    ]


def figures(
    maps: np.ndarray, truth, network: DensityNetwork, config: TrackConfig, settings
) -> None:
    """Draw the space-time picture and the counts of test block 1."""
    from tbc_tracking.figures import counts_picture, space_time_picture
    from tenfold_shared.plots import save_figure

    block = blocks(maps, truth, (1,))[0]
    result = track_density(block.maps, size=network.size, config=config)
    FIGURES.mkdir(parents=True, exist_ok=True)
    peaks = baseline_method(settings["peaks + Hungarian"], network.size)(block)
    panels = {
        "truth": block.truth,
        "tracking by counting": result.tracks,
        "peaks + Hungarian": peaks,
    }
    picture = space_time_picture(panels, truth=block.truth, distance=DISTANCE / network.stride)
    save_figure(picture, FIGURES / "pets_spacetime.png")
    counts = {
        "map sum": result.map_counts,
        "tracks": result.tracks.counts(),
        "truth": block.truth.counts(),
    }
    save_figure(counts_picture(counts), FIGURES / "pets_counts.png")


def main() -> None:
    """Train, choose, read the test blocks."""
    folder = data_folder("pets2009_s2l1")
    frames = open_frames(folder)
    tracks = read_tracks(folder / "gt.csv", length=frames.length, size=frames.size)
    validation, test = [], {}
    for seed in SEEDS:
        first, first_maps = trained("pets", "choose", seed, frames=frames, tracks=tracks)
        stride = first.stride
        truth = replace(
            tracks, x=to_map(tracks.x, stride=stride), y=to_map(tracks.y, stride=stride)
        )
        validation += blocks(first_maps, truth, (6,))
        # The calibration is a setting: the factor that block 6 chose goes to the final network.
        final, final_maps = trained("pets", "final", seed, frames=frames, tracks=tracks)
        scale = first.description.calibration.scale if "--raw" not in sys.argv else 1.0
        test[seed] = (final, final_maps * np.float32(scale))
    distance, size = DISTANCE / stride, first.size
    config = choose_setting(choices(), validation, size=size, distance=distance)
    print(f"chosen on block 6: {config.flow}", file=sys.stderr)
    settings = {
        name: tune_baseline(grid, validation, size=size, distance=distance)
        for name, grid in BASELINES.items()
    }
    print(f"chosen on block 6: {settings}", file=sys.stderr)
    report(read_test_blocks(test, truth, config, settings, distance), list(settings))
    if "--figures" in sys.argv:
        figures(test[0][1], truth, test[0][0], config, settings)


def read_test_blocks(test, truth, config, settings, distance) -> dict[str, list]:
    """Run the method, every baseline and the map sum on the test blocks of each seed."""
    results = {"map sum": []}
    for network, maps in test.values():
        sequences = blocks(maps, truth, TEST_BLOCKS)

        def method(sequence, network=network):
            return track_density(sequence.maps, size=network.size, config=config).tracks

        runs = {"tracking by counting": (method, config)}
        runs |= {
            name: (baseline_method(chosen, network.size), chosen)
            for name, chosen in settings.items()
        }
        for name, (run, chosen) in runs.items():
            results.setdefault(name, []).append(run_method(name, run, sequences, distance, chosen))
            sparse = [s for b, s in zip(TEST_BLOCKS, sequences, strict=True) if b == SPARSEST]
            results.setdefault(f"{name}, block 3", []).append(
                run_method(name, run, sparse, distance, chosen)
            )
        results["map sum"].append(map_sum(sequences))
    return results


def report(results: dict[str, list], baselines: list[str]) -> None:
    """Print all rows."""

    def values(name, figure):
        return [run.figures[figure] for run in results[name]]

    best = max(baselines, key=lambda name: np.mean(values(name, "mota")))
    ours = "tracking by counting"
    for name in (ours, *baselines):
        cpu = np.mean([run.cpu_seconds for run in results[name]])
        for figure in FIGURES_OF_A_METHOD:
            reference = values(best, figure) if name == ours else None
            print_row(
                f"PETS S2L1 {figure}: {name}",
                values(name, figure),
                reference=reference,
                seeds=SEEDS,
                cpu_seconds=cpu,
            )
    print_row("PETS S2L1 count_mae: map sum", values("map sum", "count_mae"), seeds=SEEDS)
    print_row("PETS S2L1 count_bias: map sum", values("map sum", "count_bias"), seeds=SEEDS)
    errors = [1 - value for value in values(ours, "mota")]
    reference = [1 - value for value in values(best, "mota")]
    print_row(f"PETS S2L1 1 - MOTA, reference {best}", errors, reference=reference, seeds=SEEDS)
    print_row(
        "PETS S2L1 count_mae, reference map sum",
        values(ours, "count_mae"),
        reference=values("map sum", "count_mae"),
        seeds=SEEDS,
    )
    for name in (ours, *baselines):
        print_row(
            f"PETS S2L1 block 3 mota: {name}", values(f"{name}, block 3", "mota"), seeds=SEEDS
        )


if __name__ == "__main__":
    main()
