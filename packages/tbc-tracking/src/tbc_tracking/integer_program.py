r"""The tracking program as one sparse matrix: what every exact backend is given, built in bulk.

Columns, in this order: x (candidates), f (edges), z (corners, only when turns cost), d (candidates, only with
divisions), u- and u+ (windows), and a last one that is always 1. Rows: in_v - x_v <= 0; out_v - x_v - d_v <= 0;
with turns the corners' flow; d_v - x_v <= 0; W^T x + u- - u+ = n. Windows that no candidate reaches are
constants: the last column pays for them, so that a solver measures its gap on the true objective.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, vstack

from tbc_tracking.counting_windows import CountingWindows
from tbc_tracking.solution import Solution
from tbc_tracking.tracking_program import TrackingProgram


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerProgram:
    """minimize cost . c subject to lower <= A c <= upper, least <= c <= most, some c integral."""

    cost: NDArray[np.float64]
    matrix: csr_array
    """A, shape (rows, columns)."""
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    integral: NDArray[np.bool_]
    candidates: int
    """Number of x columns."""
    corners: NDArray[np.int64]
    """First and second edge of each corner, shape (corners, 2)."""
    dividing: bool
    """Whether there are d columns."""
    kept_windows: NDArray[np.int64]
    """Windows that have a row."""


def formulate(program: TrackingProgram) -> IntegerProgram:
    """Return the program in matrix form."""
    graph = program.graph
    nodes, edges = len(program.candidates), len(graph)
    weights = program.windows.weights
    kept = np.flatnonzero(np.bincount(weights.indices, minlength=len(program.windows.counts)))
    counts = program.windows.counts
    corners = _corners(program) if program.turn > 0 else np.zeros((0, 2), np.int64)
    dividing = program.division is not None
    first_slack = nodes + edges + len(corners) + (nodes if dividing else 0)
    columns = first_slack + 2 * len(kept) + 1
    unreached = float(np.abs(np.delete(counts, kept)).sum())
    cost = np.concatenate(
        [
            program.node_cost + graph.entry + graph.exit,
            graph.cost - graph.entry[graph.target] - graph.exit[graph.source],
            _corner_costs(program, corners),
            graph.exit + (program.division or 0.0) if dividing else [],
            np.full(2 * len(kept), program.penalty),
            [program.constant + program.penalty * unreached],
        ]
    )
    flow, flow_rows = _flow_rows(program, corners, columns)
    count_rows = _count_rows(program.windows, kept, first_slack, columns)
    slack = np.full(flow_rows, -np.inf)
    most = np.ones(columns)
    most[first_slack:-1] = np.inf
    integral = np.zeros(columns, np.bool_)
    integral[: nodes + (edges if len(corners) else 0)] = True
    return IntegerProgram(
        cost=cost,
        matrix=csr_array(vstack([flow, count_rows], format="csr")),
        lower=np.concatenate([slack, counts[kept]]),
        upper=np.concatenate([np.zeros(flow_rows), counts[kept]]),
        least=np.append(np.zeros(columns - 1), 1.0),
        most=most,
        integral=integral,
        candidates=nodes,
        corners=corners,
        dividing=dividing,
        kept_windows=kept,
    )


def _corners(program: TrackingProgram) -> NDArray[np.int64]:
    """Return every pair of edges that meet in a candidate, as (first edge, second edge)."""
    graph = program.graph
    incoming = np.diff(graph.pointers)
    number = incoming[graph.source]
    second = np.repeat(np.arange(len(graph)), number)
    rank = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return np.stack([graph.pointers[graph.source[second]] + rank, second], axis=1)


def _corner_costs(program: TrackingProgram, corners: NDArray[np.int64]) -> NDArray[np.float64]:
    graph = program.graph
    first, second = corners.T
    return program.turn_cost(graph.source[first], graph.source[second], graph.target[second])


def _flow_rows(
    program: TrackingProgram, corners: NDArray[np.int64], columns: int
) -> tuple[coo_array, int]:
    """Return the rows of conservation, all of the form row . c <= 0, and their number."""
    graph = program.graph
    nodes, edges = len(program.candidates), len(graph)
    node, edge = np.arange(nodes), np.arange(edges)
    blocks = [
        (graph.target, nodes + edge, 1.0),  # in_v
        (node, node, -1.0),
        (nodes + graph.source, nodes + edge, 1.0),  # out_v
        (nodes + node, node, -1.0),
    ]
    rows = 2 * nodes
    if len(corners):
        corner = nodes + edges + np.arange(len(corners))
        middle = graph.source[corners[:, 1]]
        blocks += [
            (rows + corners[:, 0], corner, 1.0),  # an edge leads into at most one corner
            (rows + edge, nodes + edge, -1.0),
            (rows + edges + corners[:, 1], corner, 1.0),  # and comes out of at most one
            (rows + edges + edge, nodes + edge, -1.0),
            (
                rows + 2 * edges + graph.target,
                nodes + edge,
                1.0,
            ),  # who comes and goes turns a corner:
            (
                rows + 2 * edges + graph.source,
                nodes + edge,
                1.0,
            ),  # in_v + out_v - x_v <= corners at v
            (rows + 2 * edges + node, node, -1.0),
            (rows + 2 * edges + middle, corner, -1.0),
        ]
        rows += 2 * edges + nodes
    if program.division is not None:
        divides = nodes + edges + len(corners) + node
        blocks += [
            (nodes + node, divides, -1.0),
            (rows + node, divides, 1.0),
            (rows + node, node, -1.0),
        ]
        rows += nodes
    row, column = (np.concatenate([block[k] for block in blocks]) for k in (0, 1))
    value = np.concatenate([np.full(len(block[0]), block[2]) for block in blocks])
    return coo_array((value, (row, column)), shape=(rows, columns)), rows


def _count_rows(
    windows: CountingWindows, kept: NDArray[np.int64], first_slack: int, columns: int
) -> coo_array:
    """Return the rows W^T x + u- - u+ of the windows that are kept."""
    position = np.full(len(windows.counts), -1)
    position[kept] = np.arange(len(kept))
    entries = windows.weights.tocoo()
    slack = np.arange(len(kept))
    row = np.concatenate([position[entries.coords[1]], slack, slack])
    column = np.concatenate(
        [entries.coords[0], first_slack + slack, first_slack + len(kept) + slack]
    )
    value = np.concatenate([entries.data, np.ones(len(kept)), -np.ones(len(kept))])
    return coo_array((value, (row, column)), shape=(len(kept), columns))


def column_values(
    program: TrackingProgram, matrix: IntegerProgram, solution: Solution
) -> NDArray[np.float64]:
    """Return a solution's value of every column: what a warm start hands to a solver."""
    graph = program.graph
    followed = solution.chosen[graph.target] & (solution.preceding[graph.target] == graph.source)
    edge_on, divides = followed, np.zeros(0)
    if matrix.dividing and solution.parent is not None:
        edge_on = followed | (solution.parent[graph.target] == graph.source)
        divides = np.isin(np.arange(matrix.candidates), solution.parent)
    elif matrix.dividing:
        divides = np.zeros(matrix.candidates)
    corner_on = followed[matrix.corners[:, 0]] & followed[matrix.corners[:, 1]]
    residual = program.windows.counts - program.windows.weights.T @ solution.chosen.astype(
        np.float64
    )
    residual = residual[matrix.kept_windows]
    return np.concatenate(
        [
            solution.chosen,
            edge_on,
            corner_on,
            divides,
            np.maximum(residual, 0),
            np.maximum(-residual, 0),
            [1],
        ]
    ).astype(np.float64)


def read_solution(
    program: TrackingProgram,
    matrix: IntegerProgram,
    values: NDArray[np.float64],
    *,
    bound: float | None,
    solver: str,
    gap: float,
) -> Solution:
    """Turn column values into a solution; flows are rounded, the objective is computed anew.

    Args:
        program: the instance.
        matrix: its matrix form.
        values: value of each column, x integral within the solver's tolerance.
        bound: lower bound of the objective, or None.
        solver: name of the backend.
        gap: relative gap that was asked for.
    """
    nodes, graph = matrix.candidates, program.graph
    chosen = values[:nodes] > 0.5
    edge_on = (
        (values[nodes : nodes + len(graph)] > 0.5) & chosen[graph.source] & chosen[graph.target]
    )
    source, target = graph.source[edge_on], graph.target[edge_on]
    preceding, parent = np.full(nodes, -1, np.int64), np.full(nodes, -1, np.int64)
    first = np.zeros(len(source), np.bool_)
    first[np.unique(source, return_index=True)[1]] = True
    preceding[target[first]] = source[first]
    parent[target[~first]] = source[~first]
    objective = program.objective(chosen, preceding, parent)
    if bound is not None and not np.isfinite(bound):
        bound = None
    proven = bound is not None and objective - bound <= (gap + 1e-6) * abs(objective) + 1e-6
    return Solution(
        chosen=chosen,
        preceding=preceding,
        parent=parent,
        objective=objective,
        bound=bound,
        solver=solver,
        proven=proven,
    )
