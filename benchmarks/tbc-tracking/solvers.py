"""Speed and objective of the solvers on S2L2 (real motion, simulated maps), gap 1 %, one thread.

    python benchmarks/tbc-tracking/solvers.py

CPU seconds, children included; PuLP's model building counts for PuLP, building the matrix for the others. The first
call of the path search compiles it (or loads the cache) and is not counted; whole videos run in processes of their
own, where it is counted.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import highspy
import numpy as np
from _data import data_folder
from crowds import SHAPE, motion

from tbc_tracking.candidates import find_candidates
from tbc_tracking.config import (
    CandidateConfig,
    FlowConfig,
    SearchConfig,
    SolverConfig,
    WindowConfig,
)
from tbc_tracking.counting_windows import build_windows
from tbc_tracking.inference import track_density
from tbc_tracking.path_search import search_paths
from tbc_tracking.simulation import simulate_density
from tbc_tracking.solvers.highs import STARTED, solve_with_highs
from tbc_tracking.solvers.pulp_models import solve_with_cbc, solve_with_pulp_highs
from tbc_tracking.solvers.scipy_milp import solve_with_scipy
from tbc_tracking.tracking_program import build_program
from tenfold_shared.result_rows import print_row

SEED = 0
RANGES = ((60, 90), (100, 130), (200, 230))
CONFIG = SolverConfig(gap=0.01, threads=1, time_limit=900)
REPEATS = 5
COLD = "cold"
HIGHS_RUNS = {
    COLD: (False, False),
    "cold, options of a start": (False, True),
    "started, usual options": (True, False),
    "started from path search": (True, True),
}
"""Whether highspy is given a start, and whether its presolve and heuristics are off as with a start."""


def cpu_seconds() -> float:
    """Return CPU seconds of this process and its finished children."""
    own, children = (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(run):
    """Return what `run` returns and its CPU seconds."""
    start = cpu_seconds()
    result = run()
    return result, cpu_seconds() - start


def instance(maps, size):
    """Return the program of specification 4.2: kernel 5x5, stride 3, one frame deep, no gap edges."""
    candidates = find_candidates(maps, size=size, config=CandidateConfig(copy_separation=0.75))
    return build_program(
        maps, candidates, windows=WindowConfig(pixels=5, stride=0.6), flow=FlowConfig(gap_frames=0)
    )


def compare(program) -> None:
    """Print objective and CPU seconds of every solver on frames 100-129."""
    search = SearchConfig()
    search_paths(program, search)
    paths = [timed(lambda s=seed: search_paths(program, search, seed=s)) for seed in range(REPEATS)]
    runs = {
        "pulp + cbc": timed(lambda: solve_with_cbc(program, CONFIG, None)),
        "highspy": timed(lambda: solve_with_highs(program, CONFIG, None)),
        "scipy": timed(lambda: solve_with_scipy(program, CONFIG, None)),
        "pulp + highs": timed(lambda: solve_with_pulp_highs(program, CONFIG, None)),
    }
    best = min(solution.objective for solution, _ in runs.values())
    size = f"{len(program.candidates)} candidates, {len(program.graph)} edges"
    print_row(f"S2L2 100-129: nonzeros of the window matrix ({size})", program.windows.weights.nnz)
    objective = [solution.objective for solution, _ in paths]
    cpu = float(np.median([seconds for _, seconds in paths]))
    print_row(
        "S2L2 100-129 objective: path search",
        objective,
        reference=best,
        seeds=range(REPEATS),
        cpu_seconds=cpu,
    )
    for name, (solution, seconds) in runs.items():
        print_row(
            f"S2L2 100-129 objective: {name}",
            solution.objective,
            reference=best,
            cpu_seconds=seconds,
        )
        print_row(
            f"S2L2 100-129 CPU ratio: {name} to path search",
            seconds / cpu,
            unit="x",
            cpu_seconds=seconds,
        )


def with_options(options):
    """Return what sets options of HiGHS just before it runs."""

    def watch(highs: highspy.Highs) -> None:
        for name, value in options.items():
            highs.setOptionValue(name, value)

    return watch


def highs_runs(program) -> dict[str, list]:
    """Return solutions and CPU seconds of highspy, with and without a start, with and without its options.

    The search is random and a start within the gap ends everything at the root, so each has several seeds; without
    a start nothing is random, and it is timed as often. The search is counted.
    """
    usual = {name: highspy.Highs().getOptionValue(name)[1] for name in STARTED}
    runs: dict[str, list] = {name: [] for name in HIGHS_RUNS}
    search_paths(program, SearchConfig())
    for seed in range(REPEATS):
        start, searching = timed(lambda s=seed: search_paths(program, SearchConfig(), seed=s))
        for name, (started, as_started) in HIGHS_RUNS.items():
            solution, seconds = timed(
                lambda s=start if started else None, o=STARTED if as_started else usual: (
                    solve_with_highs(program, CONFIG, s, watch=with_options(o))
                )
            )
            runs[name].append((solution, seconds + searching * started))
    return runs


def warm_starts(maps, size) -> None:
    """Print how much faster highspy is when the path search starts it, and what the options alone do."""
    ratios: dict[str, list[float]] = {name: [] for name in HIGHS_RUNS}
    seeds = range(REPEATS)
    for first, stop in RANGES:
        runs = highs_runs(instance(maps[first:stop], size))
        part = f"S2L2 {first}-{stop - 1}"
        cold = float(np.median([seconds for _, seconds in runs[COLD]]))
        best = min(solution.objective for solution, _ in runs[COLD])
        for name, found in runs.items():
            seconds = [one for _, one in found]
            objectives = [solution.objective for solution, _ in found]
            print_row(
                f"{part} CPU s: highspy {name}", seconds, unit="s", reference=cold, seeds=seeds
            )
            print_row(f"{part} objective: highspy {name}", objectives, reference=best, seeds=seeds)
            if name != COLD:
                faster = cold / np.array(seconds)
                ratios[name].append(float(np.median(faster)))
                name = f"{part} highspy cold / {name}"
                print_row(f"{name}: lowest", faster.min(), unit="x", seeds=seeds)
                print_row(f"{name}: median", float(np.median(faster)), unit="x", seeds=seeds)
    for name, medians in ratios.items():
        if medians:
            name = f"highspy cold / {name}, median of the medians of three ranges"
            print_row(name, float(np.median(medians)), unit="x")


def window_matrix(maps, size) -> None:
    """Print the CPU time of building a window matrix of at least 59,000 nonzeros."""
    candidates = find_candidates(maps, size=size, config=CandidateConfig(copy_separation=0.75))
    config = WindowConfig(pixels=5, stride=0.4)
    runs = [timed(lambda: build_windows(maps, candidates, config)) for _ in range(9)]
    seconds = float(np.median([seconds for _, seconds in runs]))
    nonzeros = runs[0][0].weights.nnz
    print_row(
        f"CPU ms to build a window matrix of {nonzeros} nonzeros",
        1000 * seconds,
        unit="ms",
        cpu_seconds=seconds,
    )


def whole(path: str, times: int) -> None:
    """Track the maps of a file `times` over as one video; print CPU seconds and memory (for a process of its own)."""
    _, size = motion(data_folder("pets2009_tracks") / "s2l2.csv")

    def stream():
        for _ in range(times):
            yield from np.load(path, mmap_mode="r")

    start = time.process_time()
    result = track_density(stream(), size=size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {"cpu": time.process_time() - start, "mib": peak, "frames": result.tracks.length}
        )
    )


def whole_videos(maps) -> None:
    """Print CPU seconds and peak memory of the whole sequence, once and ten times over."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "maps.npy")
        np.save(path, maps)
        for times in (1, 10):
            command = [sys.executable, __file__, path, str(times)]
            row = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout
            )
            name = f"S2L2 whole, {row['frames']} frames"
            print_row(
                f"{name}: CPU seconds from maps to tracks",
                row["cpu"],
                unit="s",
                cpu_seconds=row["cpu"],
            )
            print_row(f"{name}: peak memory of the process", row["mib"], unit="MiB")


def main() -> None:
    """Run everything."""
    truth, size = motion(data_folder("pets2009_tracks") / "s2l2.csv")
    maps = simulate_density(truth, SHAPE, size=size, seed=SEED)
    compare(instance(maps[100:130], size))
    warm_starts(maps, size)
    window_matrix(maps[100:130], size)
    whole_videos(maps)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        whole(sys.argv[1], int(sys.argv[2]))
    else:
        main()
