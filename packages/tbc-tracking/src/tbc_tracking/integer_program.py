r"""The tracking program as one sparse matrix: what every exact backend is given, built in bulk.

Columns, in this order: x (candidates), f (edges), z (corners, only when turns cost), d (candidates, only with
divisions), u (terms of `count_terms`), and a last one that is always 1. Rows: in_v - x_v <= 0;
out_v - x_v - d_v <= 0; with turns the corners' flow; d_v - x_v <= 0; shares . x - u <= limit. The last column
pays for what no choice changes, so that a solver measures its gap on the true objective.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, vstack

from tbc_tracking.count_terms import CountTerms, count_terms
from tbc_tracking.path_search import best_links
from tbc_tracking.solution import Solution
from tbc_tracking.tracking_program import TrackingProgram

_ROUNDING = 1e-6
"""A solver's bound may exceed the objective, which is computed anew, by this share."""


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
    counts: CountTerms
    """What the u columns stand for."""


def formulate(program: TrackingProgram) -> IntegerProgram:
    """Return the program in matrix form."""
    graph = program.graph
    nodes, edges = len(program.candidates), len(graph)
    counts = count_terms(program.windows)
    corners = _corners(program) if program.turn > 0 else np.zeros((0, 2), np.int64)
    dividing = program.division is not None
    first_term = nodes + edges + len(corners) + (nodes if dividing else 0)
    columns = first_term + len(counts.cost) + 1
    cost = np.concatenate(
        [
            program.node_cost + graph.entry + graph.exit + program.penalty * counts.linear,
            graph.cost - graph.entry[graph.target] - graph.exit[graph.source],
            _corner_costs(program, corners),
            graph.exit + (program.division or 0.0) if dividing else [],
            program.penalty * counts.cost,
            [program.constant + program.penalty * counts.constant],
        ]
    )
    flow, flow_rows = _flow_rows(program, corners, columns)
    count_rows = _count_rows(counts, first_term, columns)
    integral = np.zeros(columns, np.bool_)
    integral[: nodes + (edges if len(corners) else 0)] = True
    return IntegerProgram(
        cost=cost,
        matrix=csr_array(vstack([flow, count_rows], format="csr")),
        lower=np.full(flow_rows + len(counts.cost), -np.inf),
        upper=np.concatenate([np.zeros(flow_rows), counts.limit]),
        least=np.append(np.zeros(columns - 1), 1.0),
        most=np.ones(columns),
        integral=integral,
        candidates=nodes,
        corners=corners,
        dividing=dividing,
        counts=counts,
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


def _count_rows(counts: CountTerms, first_term: int, columns: int) -> coo_array:
    """Return the rows shares . x - u."""
    shares, term = counts.shares.tocoo(), np.arange(len(counts.cost))
    row = np.concatenate([shares.coords[0], term])
    column = np.concatenate([shares.coords[1], first_term + term])
    value = np.concatenate([shares.data, -np.ones(len(term))])
    return coo_array((value, (row, column)), shape=(len(term), columns))


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
    return np.concatenate(
        [
            solution.chosen,
            edge_on,
            corner_on,
            divides,
            matrix.counts.overshoot(solution.chosen),
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
    """Turn column values into a solution; the objective is computed anew.

    Only x has to be whole: among optimal flows there is a whole one, but a solver may hand over a mixture of
    several, in which no edge carries more than a half. So without turns and divisions the links are found anew,
    by the assignment that is exact for given x. With turns the edges are declared integral; with divisions
    flows are rounded.

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
    if program.turn == 0 and not matrix.dividing:
        preceding, parent = best_links(program, chosen), np.full(nodes, -1, np.int64)
    else:
        edge_on = values[nodes : nodes + len(graph)] > 0.5
        preceding, parent = _read_links(program, chosen, edge_on)
    objective = program.objective(chosen, preceding, parent)
    if bound is not None and not np.isfinite(bound):
        bound = None
    if bound is not None and 0 < bound - objective <= _ROUNDING * (1 + abs(objective)):
        bound = objective
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


def _read_links(
    program: TrackingProgram, chosen: NDArray[np.bool_], edge_on: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return preceding and parent of each candidate: a second edge out of one leads to a daughter."""
    graph = program.graph
    edge_on = edge_on & chosen[graph.source] & chosen[graph.target]
    source, target = graph.source[edge_on], graph.target[edge_on]
    preceding, parent = (np.full(len(chosen), -1, np.int64) for _ in range(2))
    first = np.zeros(len(source), np.bool_)
    first[np.unique(source, return_index=True)[1]] = True
    preceding[target[first]] = source[first]
    parent[target[~first]] = source[~first]
    return preceding, parent
