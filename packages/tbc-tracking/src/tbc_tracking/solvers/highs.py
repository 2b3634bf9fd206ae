"""HiGHS through highspy: the sparse matrix is handed over whole, and a known solution starts the search."""

from collections.abc import Callable
from pathlib import Path

import highspy
import numpy as np

from tbc_tracking.config import SolverConfig
from tbc_tracking.integer_program import IntegerProgram, column_values, formulate, read_solution
from tbc_tracking.solution import Solution
from tbc_tracking.tracking_program import TrackingProgram
from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path

STARTED = {
    "presolve": "off",
    "mip_heuristic_effort": 0.0,
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_heuristic_run_feasibility_jump": False,
}
"""Options where a start is given. The path search has already found what the heuristics would look for, and
`formulate` leaves little to presolve: both only cost time."""


def solve_with_highs(
    program: TrackingProgram,
    config: SolverConfig,
    start: Solution | None,
    *,
    watch: Callable[[highspy.Highs], None] | None = None,
) -> Solution | None:
    """Solve by branch and bound; None when the time limit passes without any solution.

    Args:
        program: the instance.
        config: gap, time limit and threads.
        start: a solution to begin with, or None.
        watch: is given HiGHS before it runs, to listen to it.
    """
    matrix = formulate(program)
    highs = highspy.Highs()
    options = {
        "output_flag": False,
        "threads": config.threads,
        "mip_rel_gap": config.gap,
        "time_limit": config.time_limit,
    }
    if start is not None:
        options |= STARTED
    for name, value in options.items():
        if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise RuntimeError(f"this version of highspy has no option {name} = {value}")
    highs.passModel(_model(matrix))
    if start is not None:
        values = highspy.HighsSolution()
        values.col_value = column_values(program, matrix, start).tolist()
        highs.setSolution(values)
    if watch is not None:
        watch(highs)
    if highs.run() == highspy.HighsStatus.kError:
        # HiGHS keeps one pool of threads per process and refuses another number of them.
        highs.resetGlobalScheduler(True)
        highs.run()
    info = highs.getInfo()
    if info.primal_solution_status != int(highspy.SolutionStatus.kSolutionStatusFeasible):
        return None
    values = np.array(highs.getSolution().col_value)
    bound = float(info.mip_dual_bound)
    return read_solution(program, matrix, values, bound=bound, solver="highs", gap=config.gap)


def write_mps(matrix: IntegerProgram, path: Path) -> None:
    """Write a program as an MPS file, atomically; a last column that is always 1 pays for its constant part.

    Raises:
        UserError: if it cannot be written.
    """
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.passModel(_model(matrix))
    with atomic_path(path) as temporary:
        if highs.writeModel(str(temporary)) == highspy.HighsStatus.kError:
            raise UserError(f"{path} cannot be written; check the folder and the disk.")


def _model(matrix: IntegerProgram) -> highspy.HighsLp:
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(matrix.cost), len(matrix.lower)
    model.col_cost_ = matrix.cost
    model.col_lower_, model.col_upper_ = matrix.least, matrix.most
    model.row_lower_, model.row_upper_ = matrix.lower, matrix.upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = matrix.matrix.indptr  # pyright: ignore[reportAttributeAccessIssue]
    model.a_matrix_.index_ = matrix.matrix.indices  # pyright: ignore[reportAttributeAccessIssue]
    model.a_matrix_.value_ = matrix.matrix.data  # pyright: ignore[reportAttributeAccessIssue]
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    model.integrality_ = [kinds[int(flag)] for flag in matrix.integral]
    return model
