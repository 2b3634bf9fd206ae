"""Compiled kernels of the path search: marginal costs, shortest paths, and moves between sets of paths.

A set of tracks is held as linked lists over the candidates. Everything here changes the state in place and
returns how the objective changed, so that a move that does not pay can be taken back exactly.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

NONE = -1
ALONE, JOINING, DIVIDING = range(3)
"""Where a new path may begin and end: free, at open ends of other tracks, or also beside a chosen node."""


class Problem(NamedTuple):
    """The program as flat arrays; nodes are sorted by frame, incoming edges by target."""

    frame: NDArray[np.int64]
    starts: NDArray[np.int64]
    """First node of each frame, and the number of nodes."""
    x: NDArray[np.float64]
    """Column in sigma of the node, so that turns are measured in sigma."""
    y: NDArray[np.float64]
    node_cost: NDArray[np.float64]
    entry: NDArray[np.float64]
    exit: NDArray[np.float64]
    edge_pointers: NDArray[np.int64]
    edge_source: NDArray[np.int64]
    edge_cost: NDArray[np.float64]
    weight_pointers: NDArray[np.int64]
    weight_window: NDArray[np.int64]
    weight: NDArray[np.float64]
    neighbor_pointers: NDArray[np.int64]
    neighbor: NDArray[np.int64]
    penalty: float
    turn: float
    division: float
    """Cost of a division, infinite where there are none."""


class State(NamedTuple):
    """A set of tracks and what follows from it."""

    used: NDArray[np.bool_]
    following: NDArray[np.int64]
    preceding: NDArray[np.int64]
    parent: NDArray[np.int64]
    """The node that a track's first node divided from, NONE for all others."""
    divided: NDArray[np.bool_]
    residual: NDArray[np.float64]
    """n - W x of each window."""
    marginal: NDArray[np.float64]
    """Change of the objective's count and node terms if an unused node were added."""
    best: NDArray[np.float64]
    """Scratch of the shortest path: best cost up to each node, or up to each edge with turns."""
    back: NDArray[np.int64]
    start: NDArray[np.float64]
    memory: NDArray[np.int64]
    """Scratch of rerouting: the nodes of the tracks that were taken away."""
    plain: NDArray[np.float64]
    """No jitter at all: zeros."""
    jitter: NDArray[np.float64]
    """What is added to the cost of each node while a track is shaken; zeros between."""


@njit(cache=True, nogil=True)
def update_marginal(problem, state, node):  # pragma: no cover - compiled
    """Recompute Delta(v) = node cost + lambda * sum_r (|res_r - W_rv| - |res_r|)."""
    total = 0.0
    for k in range(problem.weight_pointers[node], problem.weight_pointers[node + 1]):
        residual = state.residual[problem.weight_window[k]]
        total += abs(residual - problem.weight[k]) - abs(residual)
    state.marginal[node] = problem.node_cost[node] + problem.penalty * total


@njit(cache=True, nogil=True)
def toggle(problem, state, node):  # pragma: no cover - compiled
    """Add an unused node or take a used one away; return the change of count and node terms."""
    sign = -1.0 if state.used[node] else 1.0
    change = 0.0
    for k in range(problem.weight_pointers[node], problem.weight_pointers[node + 1]):
        window = problem.weight_window[k]
        before = state.residual[window]
        after = before - sign * problem.weight[k]
        change += abs(after) - abs(before)
        state.residual[window] = after
    state.used[node] = not state.used[node]
    for k in range(problem.neighbor_pointers[node], problem.neighbor_pointers[node + 1]):
        if not state.used[problem.neighbor[k]]:
            update_marginal(problem, state, problem.neighbor[k])
    return sign * problem.node_cost[node] + problem.penalty * change


@njit(cache=True, nogil=True)
def edge_cost(problem, source, target):  # pragma: no cover - compiled
    """Return the cost of the edge, or infinity when there is none."""
    for k in range(problem.edge_pointers[target], problem.edge_pointers[target + 1]):
        if problem.edge_source[k] == source:
            return problem.edge_cost[k]
    return np.inf


@njit(cache=True, nogil=True)
def turn_cost(problem, first, middle, last):  # pragma: no cover - compiled
    """Return the cost of the change of velocity at `middle`; 0 where the track has no such corner."""
    if problem.turn == 0.0 or first < 0 or last < 0:
        return 0.0
    before = 1.0 / (problem.frame[middle] - problem.frame[first])
    after = 1.0 / (problem.frame[last] - problem.frame[middle])
    dx = (problem.x[last] - problem.x[middle]) * after - (
        problem.x[middle] - problem.x[first]
    ) * before
    dy = (problem.y[last] - problem.y[middle]) * after - (
        problem.y[middle] - problem.y[first]
    ) * before
    return problem.turn * np.sqrt(dx * dx + dy * dy)


@njit(cache=True, nogil=True)
def _arrive(problem, state, u, v, low, joining):  # pragma: no cover - compiled
    """Return the best cost up to `u` for going on to `v`, and the edge by which `u` is entered (or NONE)."""
    if state.used[u]:
        if joining != ALONE and state.following[u] == NONE:
            return turn_cost(problem, state.preceding[u], u, v) - problem.exit[u], NONE
        if joining == DIVIDING and state.following[u] != NONE and not state.divided[u]:
            return problem.division, NONE
        return np.inf, NONE
    arrived, by = state.start[u], NONE
    for j in range(problem.edge_pointers[u], problem.edge_pointers[u + 1]):
        w = problem.edge_source[j]
        if w >= low and state.best[j] < np.inf:
            through = state.best[j] + turn_cost(problem, w, u, v)
            if through < arrived:
                arrived, by = through, j
    return arrived, by


@njit(cache=True, nogil=True)
def shortest_path(problem, state, low, high, jitter, joining):  # noqa: C901  # pragma: no cover - compiled
    """Return cost, last node, the edge into it and the joining edge of the best new path.

    Only nodes low <= v < high are visited; `jitter` is added to the cost of each. When JOINING a path may
    begin at the end of a track that is there already and end at the beginning of another, which saves their
    exit and entry; when DIVIDING it may also begin beside a chosen node. Without turns `best` and `back` are
    indexed by node; with turns the state is the edge.
    """
    best_cost, best_node, best_edge, best_join = 0.0, NONE, NONE, NONE
    for v in range(low, high):
        state.start[v] = np.inf
        begin, end = problem.edge_pointers[v], problem.edge_pointers[v + 1]
        if problem.turn > 0.0:
            state.best[begin:end] = np.inf
        else:
            state.best[v] = np.inf
        open_start = state.used[v] and state.preceding[v] == NONE and state.parent[v] == NONE
        joins = joining != ALONE and open_start
        if state.used[v] and not joins:
            continue
        own = 0.0 if joins else state.marginal[v] + jitter[v]
        reached, origin = np.inf if joins else own + problem.entry[v], NONE
        if not joins:
            state.start[v] = reached
        for k in range(begin, end):
            u = problem.edge_source[k]
            if u < low or (joins and state.used[u]):
                continue
            if problem.turn == 0.0 and not state.used[u]:
                arrived, by = state.best[u], state.back[u]
            elif state.used[u] and joining == ALONE:
                arrived, by = np.inf, NONE
            else:
                arrived, by = _arrive(problem, state, u, v, low, joining)
            through = arrived + problem.edge_cost[k] + own
            if joins:
                total = through - problem.entry[v] + turn_cost(problem, u, v, state.following[v])
                if total < best_cost - 1e-9:
                    best_cost, best_node, best_edge, best_join = total, u, by, k
                continue
            if problem.turn > 0.0:
                state.best[k], state.back[k] = through, by
            if through < reached:
                reached, origin = through, k
        if joins:
            continue
        if problem.turn == 0.0:
            state.best[v], state.back[v] = reached, origin
        if reached + problem.exit[v] < best_cost - 1e-9:
            best_cost, best_node, best_edge, best_join = reached + problem.exit[v], v, origin, NONE
    return best_cost, best_node, best_edge, best_join


@njit(cache=True, nogil=True)
def lay_path(problem, state, node, edge, join):  # pragma: no cover - compiled
    """Add the path that `shortest_path` found; return the true change of the objective and the first node."""
    change = toggle(problem, state, node)
    if join == NONE:
        change += problem.exit[node]
        state.following[node] = NONE
    else:
        after = np.searchsorted(problem.edge_pointers, join, side="right") - 1
        change += problem.edge_cost[join] - problem.entry[after]
        change += turn_cost(problem, node, after, state.following[after])
        state.following[node], state.preceding[after] = after, node
    while edge != NONE:
        before = problem.edge_source[edge]
        change += problem.edge_cost[edge]
        if state.used[before] and state.following[before] != NONE:
            state.preceding[node], state.parent[node], state.divided[before] = NONE, before, True
            return change + problem.division, node
        change += turn_cost(problem, before, node, state.following[node])
        state.preceding[node] = before
        state.following[before] = node
        if state.used[before]:
            change += (
                turn_cost(problem, state.preceding[before], before, node) - problem.exit[before]
            )
            return change, NONE
        change += toggle(problem, state, before)
        edge = state.back[edge] if problem.turn > 0.0 else state.back[before]
        node = before
    state.preceding[node] = NONE
    return change + problem.entry[node], node


@njit(cache=True, nogil=True)
def take_path(problem, state, first):  # pragma: no cover - compiled
    """Remove the path that begins at `first`; its links stay readable. Return the change of the objective."""
    change = -problem.entry[first]
    node = first
    while node != NONE:
        after = state.following[node]
        change += toggle(problem, state, node)
        if after == NONE:
            change -= problem.exit[node]
        else:
            change -= edge_cost(problem, node, after) + turn_cost(
                problem, state.preceding[node], node, after
            )
        node = after
    return change


@njit(cache=True, nogil=True)
def add_paths(problem, state, low, high, jitter, firsts):  # pragma: no cover - compiled
    """Add best new paths while they pay; write their first nodes to `firsts`; return change and number."""
    change, number = 0.0, 0
    while number < len(firsts):
        _, node, edge, join = shortest_path(problem, state, low, high, jitter, ALONE)
        if node == NONE:
            break
        difference, firsts[number] = lay_path(problem, state, node, edge, join)
        change += difference
        number += 1
    return change, number


@njit(cache=True, nogil=True)
def extend_tracks(problem, state, jitter, joining):  # pragma: no cover - compiled
    """Lengthen, join and add tracks (and divide them) while that pays; return the change of the objective."""
    total = 0.0
    for _ in range(len(problem.frame)):
        _, node, edge, join = shortest_path(problem, state, 0, len(problem.frame), jitter, joining)
        if node == NONE:
            break
        change, _ = lay_path(problem, state, node, edge, join)
        total += change
    return total


@njit(cache=True, nogil=True)
def _worth_dropping(problem, state, node):  # pragma: no cover - compiled
    """Return how the count and node terms change when a used node is dropped."""
    total = 0.0
    for k in range(problem.weight_pointers[node], problem.weight_pointers[node + 1]):
        residual = state.residual[problem.weight_window[k]]
        total += abs(residual + problem.weight[k]) - abs(residual)
    return problem.penalty * total - problem.node_cost[node]


@njit(cache=True, nogil=True)
def cut_track(problem, state, first, longest):  # noqa: C901  # pragma: no cover - compiled
    """Drop the stretch of at most `longest` nodes whose loss improves the objective most; return the change.

    What is left of the track becomes up to two tracks.
    """
    best, best_from, best_to = -1e-9, NONE, NONE
    begin = first
    while begin != NONE:
        before = state.preceding[begin]
        change = -problem.entry[begin]
        if before != NONE:
            change = problem.exit[before] - edge_cost(problem, before, begin)
            change -= turn_cost(problem, state.preceding[before], before, begin)
        node = begin
        for _ in range(longest):
            after = state.following[node]
            change += _worth_dropping(problem, state, node)
            change -= turn_cost(problem, state.preceding[node], node, after)
            if after == NONE:
                rest = -problem.exit[node]
            else:
                change -= edge_cost(problem, node, after)
                rest = problem.entry[after] - turn_cost(
                    problem, node, after, state.following[after]
                )
            if change + rest < best:
                best, best_from, best_to = change + rest, begin, node
            if after == NONE:
                break
            node = after
        begin = state.following[begin]
    if best_from == NONE:
        return 0.0
    before, after = state.preceding[best_from], state.following[best_to]
    node = best_from
    while node != after:
        toggle(problem, state, node)
        node = state.following[node]
    if before != NONE:
        state.following[before] = NONE
    if after != NONE:
        state.preceding[after] = NONE
    return best


@njit(cache=True, nogil=True)
def divide_tracks(problem, state, jitter):  # pragma: no cover - compiled
    """Let tracks begin as daughters where that is cheaper than an entry; return the change.

    This comes last: no other move knows of parents.
    """
    total = 0.0
    for node in range(len(problem.frame)):
        if not state.used[node] or state.preceding[node] != NONE:
            continue
        best, parent = -1e-9, NONE
        for k in range(problem.edge_pointers[node], problem.edge_pointers[node + 1]):
            u = problem.edge_source[k]
            if state.used[u] and state.following[u] != NONE and not state.divided[u]:
                change = problem.division + problem.edge_cost[k] - problem.entry[node]
                if change < best:
                    best, parent = change, u
        if parent != NONE:
            state.parent[node], state.divided[parent] = parent, True
            total += best
    return total + extend_tracks(problem, state, jitter, DIVIDING)
