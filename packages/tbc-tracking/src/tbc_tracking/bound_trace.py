"""How the best solution and the proven bound approach each other while HiGHS works on a program."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.config import SolverConfig
from tbc_tracking.path_search import search_paths
from tbc_tracking.tracking_program import TrackingProgram

if TYPE_CHECKING:
    import highspy


class BoundTrace(NamedTuple):
    """What was known at some moments, each array of shape (moments,); the last moment is the end."""

    seconds: NDArray[np.float64]
    """Time since HiGHS began."""
    objective: NDArray[np.float64]
    """Objective of the best solution so far (the incumbent)."""
    bound: NDArray[np.float64]
    """Proven lower bound of the objective."""

    @property
    def gap(self) -> float:
        """Relative gap at the end."""
        objective = float(self.objective[-1])
        return (objective - float(self.bound[-1])) / max(abs(objective), 1e-9)


def trace_bounds(program: TrackingProgram, config: SolverConfig, *, seed: int = 0) -> BoundTrace:
    """Solve a program with HiGHS, started from the path search, and return how its bounds moved.

    Args:
        program: the instance, with windows of any depth.
        config: gap, time limit, threads, and whether to start from the path search.
        seed: of the path search.

    Raises:
        ValueError: if the program has no candidates, or no bound was found within the time limit.
    """
    from tbc_tracking.solvers.highs import solve_with_highs

    if not len(program.candidates):
        raise ValueError("a program without candidates has no bounds to follow: lower peak_mass")
    moments: list[tuple[float, float, float]] = []
    solvers: list[highspy.Highs] = []

    def listen(highs: "highspy.Highs") -> None:
        solvers.append(highs)
        highs.cbMipImprovingSolution.subscribe(note)
        highs.cbMipInterrupt.subscribe(note)  # asked at every node

    def note(event: "highspy.HighsCallbackEvent") -> None:
        found = event.data_out
        now = (found.running_time, found.mip_primal_bound, found.mip_dual_bound)
        if all(map(math.isfinite, now)) and (not moments or now[1:] != moments[-1][1:]):
            moments.append(now)

    warm = config.warm_start and program.windows.depth == 1
    start = search_paths(program, config.search, seed=seed) if warm else None
    found = solve_with_highs(program, config, start, watch=listen)
    if found is None or found.bound is None or not math.isfinite(found.bound):
        raise ValueError(
            f"the time limit of {config.time_limit:g} s passed before HiGHS found a bound: "
            "raise the time limit or take fewer frames"
        )
    moments.append((solvers[-1].getRunTime(), found.objective, found.bound))
    seconds, objective, bound = np.array(moments).T
    return BoundTrace(seconds, objective, bound)
