"""Solvers of the tracking program: path search and the exact backends, behind one function."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

from tbc_tracking.config import SolverConfig
from tbc_tracking.path_search import search_paths
from tbc_tracking.solution import Solution
from tbc_tracking.tracking_program import TrackingProgram

MODULES = {"highs": "highspy", "scipy": "scipy", "pulp-cbc": "pulp", "pulp-highs": "pulp"}
"""The exact backends and the library that each needs."""
SOLVERS = ("paths", *MODULES)
"""Names of all solvers; `paths` is the built-in path search."""


def available_solvers() -> dict[str, bool]:
    """Return which solvers can be used in this installation."""
    found = {name: find_spec(module) is not None for name, module in MODULES.items()}
    found["pulp-highs"] = found["pulp-highs"] and find_spec("highspy") is not None
    return {"paths": True, **found}


def solve_program(program: TrackingProgram, config: SolverConfig, *, seed: int = 0) -> Solution:
    """Solve a program with the configured solver.

    The exact backends start from the path search where they can (`highs`, `pulp-cbc`), and fall back to it,
    marked as not proven, when the time limit passes without a solution.

    Raises:
        ValueError: if the solver is unknown or its library is not installed, or if path search is asked for
            windows deeper than one frame.
    """
    _check(program, config)
    start = search_paths(program, config.search, seed=seed)
    if config.solver == "paths":
        return certify(program, start, config) if config.certify else start
    if not len(program.candidates):
        return _proven_empty(start)
    return _backend(config.solver)(program, config, start if config.warm_start else None) or start


def certify(program: TrackingProgram, solution: Solution, config: SolverConfig) -> Solution:
    """Let HiGHS look for a bound (and a better solution) from the given one."""
    if not len(program.candidates):
        return _proven_empty(solution)
    from tbc_tracking.solvers.highs import solve_with_highs

    return solve_with_highs(program, config, solution) or solution


def _proven_empty(solution: Solution) -> Solution:
    """Return the solution of a program without candidates: nothing else is possible."""
    return replace(solution, bound=solution.objective, proven=True)


def _check(program: TrackingProgram, config: SolverConfig) -> None:
    installed = available_solvers()
    if config.solver not in installed:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, got {config.solver!r}")
    if config.solver == "paths" and program.windows.depth > 1:
        raise ValueError(
            f"path search needs windows one frame deep, got depth {program.windows.depth}: "
            "set the depth to 1 or choose an exact solver such as `highs`"
        )
    for name in (config.solver, "highs" if config.certify else config.solver):
        if not installed[name]:
            library = "highspy" if name == "pulp-highs" and installed["pulp-cbc"] else MODULES[name]
            raise ValueError(
                f"solver {name} needs {library}, which is not installed: pip install {library}"
            )
    nonzeros = program.windows.weights.nnz + 4 * len(program.graph)
    exact = config.solver != "paths" or config.certify
    if exact and nonzeros > config.nonzero_limit:
        raise ValueError(
            f"the program has about {nonzeros:,} nonzeros, more than nonzero_limit = {config.nonzero_limit:,}: "
            "use smaller time blocks (block_frames), a larger window stride, or the solver `paths`"
        )


def _backend(
    name: str,
) -> Callable[[TrackingProgram, SolverConfig, Solution | None], Solution | None]:
    if name == "highs":
        from tbc_tracking.solvers.highs import solve_with_highs

        return solve_with_highs
    if name == "scipy":
        from tbc_tracking.solvers.scipy_milp import solve_with_scipy

        return solve_with_scipy
    from tbc_tracking.solvers.pulp_models import solve_with_cbc, solve_with_pulp_highs

    return solve_with_cbc if name == "pulp-cbc" else solve_with_pulp_highs
