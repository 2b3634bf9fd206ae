"""CBC and HiGHS through PuLP: the only module that knows PuLP.

PuLP 3.3 announces the interface of version 4 with warnings that no user can act upon; they are kept quiet here.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pulp

from tbc_tracking.config import SolverConfig
from tbc_tracking.integer_program import IntegerProgram, column_values, formulate, read_solution
from tbc_tracking.solution import Solution
from tbc_tracking.tracking_program import TrackingProgram


def solve_with_cbc(
    program: TrackingProgram, config: SolverConfig, start: Solution | None
) -> Solution | None:
    """Solve with the CBC that PuLP bundles, from `start` when one is given."""
    matrix = formulate(program)
    model, columns = build_model(matrix)
    if start is not None:
        for column, value in zip(columns, column_values(program, matrix, start), strict=True):
            column.setInitialValue(float(value), check=False)
    with _without_notices():
        solver = pulp.PULP_CBC_CMD(
            msg=False,
            gapRel=config.gap,
            timeLimit=config.time_limit if np.isfinite(config.time_limit) else None,
            threads=config.threads,
            warmStart=start is not None,
        )
    return _solve(program, matrix, (model, columns), solver, "pulp-cbc", config)


def solve_with_pulp_highs(
    program: TrackingProgram, config: SolverConfig, start: Solution | None
) -> Solution | None:
    """Solve with HiGHS driven by PuLP, which cannot use `start`."""
    del start
    matrix = formulate(program)
    solver = pulp.HiGHS(
        msg=False,
        gapRel=config.gap,
        timeLimit=config.time_limit if np.isfinite(config.time_limit) else None,
        threads=config.threads,
    )
    return _solve(program, matrix, build_model(matrix), solver, "pulp-highs", config)


def build_model(matrix: IntegerProgram) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    """Return the PuLP model and its columns; each row is one expression, never a sum of sums."""
    with _without_notices():
        model = pulp.LpProblem("tracking_by_counting", pulp.LpMinimize)
        kinds = (pulp.LpContinuous, pulp.LpInteger)
        columns = [
            pulp.LpVariable(
                f"c{k}", float(least), None if np.isinf(most) else float(most), kinds[int(integral)]
            )
            for k, (least, most, integral) in enumerate(
                zip(matrix.least, matrix.most, matrix.integral, strict=True)
            )
        ]
        model.setObjective(
            pulp.LpAffineExpression(list(zip(columns, matrix.cost.tolist(), strict=True)))
        )
        pointers, index, value = (
            matrix.matrix.indptr,
            matrix.matrix.indices.tolist(),
            matrix.matrix.data.tolist(),
        )
        for row in range(len(matrix.lower)):
            part = slice(pointers[row], pointers[row + 1])
            terms = [(columns[k], v) for k, v in zip(index[part], value[part], strict=True)]
            equal = matrix.lower[row] == matrix.upper[row]
            sense = pulp.LpConstraintEQ if equal else pulp.LpConstraintLE
            expression = pulp.LpAffineExpression(terms)
            model.addConstraint(
                pulp.LpConstraint(expression, sense, f"r{row}", float(matrix.upper[row]))
            )
    return model, columns


@contextmanager
def _without_notices() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _solve(
    program: TrackingProgram,
    matrix: IntegerProgram,
    built: tuple[pulp.LpProblem, list[pulp.LpVariable]],
    solver: pulp.LpSolver,
    name: str,
    config: SolverConfig,
) -> Solution | None:
    model, columns = built
    with _without_notices():
        model.solve(solver)
    if model.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
        return None
    values = np.array([column.value() or 0.0 for column in columns])
    # PuLP hands no bound back; an optimal status means that the solver's own gap was reached. CBC measures it
    # on the larger of objective and bound.
    reached = model.status == pulp.LpStatusOptimal and model.sol_status == pulp.LpSolutionOptimal
    objective = float(matrix.cost @ values)
    lowest = objective * (1 - config.gap) if objective >= 0 else objective / (1 - config.gap)
    bound = lowest if reached else None
    return read_solution(program, matrix, values, bound=bound, solver=name, gap=config.gap)
