"""HiGHS through scipy: needs no further library, but cannot start from a known solution."""

from scipy.optimize import Bounds, LinearConstraint, milp

from tbc_tracking.config import SolverConfig
from tbc_tracking.integer_program import formulate, read_solution
from tbc_tracking.solution import Solution
from tbc_tracking.tracking_program import TrackingProgram


def solve_with_scipy(
    program: TrackingProgram, config: SolverConfig, start: Solution | None
) -> Solution | None:
    """Solve by branch and bound; `start` cannot be used. None when no solution was found in time."""
    del start
    matrix = formulate(program)
    result = milp(
        matrix.cost,
        integrality=matrix.integral.astype(int),
        bounds=Bounds(matrix.least, matrix.most),  # pyright: ignore[reportArgumentType]
        constraints=LinearConstraint(
            matrix.matrix,
            matrix.lower,  # pyright: ignore[reportArgumentType]
            matrix.upper,  # pyright: ignore[reportArgumentType]
        ),
        options={"mip_rel_gap": config.gap, "time_limit": config.time_limit},
    )
    if result.x is None:
        return None
    bound = result.mip_dual_bound
    return read_solution(program, matrix, result.x, bound=bound, solver="scipy", gap=config.gap)
