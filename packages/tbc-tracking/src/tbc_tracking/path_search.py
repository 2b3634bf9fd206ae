"""Path search: the fast solver, one exact shortest path after the other (specification 4.3).

With windows one frame deep a track uses one candidate per frame, so adding a track changes the objective by a
sum of terms of its candidates and edges: the best track given all others is one shortest path over the
time-ordered graph, found in O(edges). Tracks are added while that pays; then single tracks and pairs that
share windows are taken away and the best ones are added again, and tails are exchanged; in the end only what
improves is kept, at first a little worse too (simulated annealing). At last one assignment links what was chosen.
The result has no bound of its own.
"""

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.config import SearchConfig
from tbc_tracking.path_kernels import Problem, State, update_marginal
from tbc_tracking.path_moves import search
from tbc_tracking.point_matching import heaviest_matching
from tbc_tracking.solution import Solution
from tbc_tracking.tracking_program import TrackingProgram


def search_paths(program: TrackingProgram, config: SearchConfig, *, seed: int = 0) -> Solution:
    """Solve the program by path search.

    Args:
        program: the instance.
        config: how long to try.
        seed: of the random order of moves.

    Returns:
        A solution with `bound=None`.
    """
    problem = _flatten(program)
    nodes = len(program.candidates)
    state = _empty_state(program)
    for node in range(nodes):
        update_marginal(problem, state, node)
    if nodes:
        trials = int(config.trials * nodes)
        search(problem, state, trials, config.rounds, config.heat, seed)
    preceding = np.where(state.used, state.preceding, -1)
    if program.turn == 0 and program.division is None:
        preceding = best_links(program, state.used)
    return Solution(
        chosen=state.used,
        preceding=preceding,
        parent=state.parent,
        objective=program.objective(state.used, preceding, state.parent),
        bound=None,
        solver="paths",
        proven=False,
    )


def best_links(program: TrackingProgram, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the cheapest links between chosen candidates, gaps included: one assignment, exact without turns.

    Args:
        program: the instance, of which turns are ignored.
        chosen: x, shape (candidates,).

    Returns:
        The candidate before each one on its track, -1 where a track begins, shape (candidates,).
    """
    graph = program.graph
    gain = graph.entry[graph.target] + graph.exit[graph.source] - graph.cost
    pays = np.flatnonzero(chosen[graph.source] & chosen[graph.target] & (gain > 0))
    source, target = graph.source[pays], graph.target[pays]
    pairs = heaviest_matching(source, target, gain=gain[pays])
    preceding = np.full(len(chosen), -1, np.int64)
    preceding[target[pairs]] = source[pairs]
    return preceding


def _flatten(program: TrackingProgram) -> Problem:
    pointers, neighbors = program.neighbors()
    points = program.scaled_points()
    weights, graph = program.windows.weights, program.graph
    return Problem(
        frame=program.candidates.frame,
        starts=program.candidates.starts,
        x=np.ascontiguousarray(points[:, 0]),
        y=np.ascontiguousarray(points[:, 1]),
        node_cost=program.node_cost,
        entry=graph.entry,
        exit=graph.exit,
        edge_pointers=graph.pointers,
        edge_source=graph.source,
        edge_cost=graph.cost,
        weight_pointers=weights.indptr.astype(np.int64),
        weight_window=weights.indices.astype(np.int64),
        weight=np.asarray(weights.data, np.float64),
        neighbor_pointers=pointers,
        neighbor=neighbors,
        penalty=program.penalty,
        turn=program.turn,
        division=np.inf if program.division is None else program.division,
    )


def _empty_state(program: TrackingProgram) -> State:
    nodes, edges = len(program.candidates), len(program.graph)
    return State(
        used=np.zeros(nodes, np.bool_),
        following=np.full(nodes, -1, np.int64),
        preceding=np.full(nodes, -1, np.int64),
        parent=np.full(nodes, -1, np.int64),
        divided=np.zeros(nodes, np.bool_),
        residual=program.windows.counts.copy(),
        marginal=np.zeros(nodes),
        best=np.full(max(nodes, edges), np.inf),
        back=np.full(max(nodes, edges), -1, np.int64),
        start=np.full(nodes, np.inf),
        memory=np.empty(2 * nodes + 4, np.int64),
        plain=np.zeros(nodes),
        jitter=np.zeros(nodes),
    )
