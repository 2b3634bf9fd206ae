"""Compiled moves of the path search: reroute tracks that stand in each other's way, exchange tails."""

import numpy as np
from numba import njit

from tbc_tracking.path_kernels import (
    ALONE,
    JOINING,
    NONE,
    add_paths,
    cut_track,
    divide_tracks,
    edge_cost,
    extend_tracks,
    lay_path,
    shortest_path,
    take_path,
    toggle,
    turn_cost,
)

TOLERANCE = 1e-9
MARGIN_FRAMES = 8
"""How far beyond its old ends a track may grow when it is rerouted."""
SHAKEN_FRAMES = 6
"""Farthest frame from the chosen one whose node costs are shaken."""
LONGEST_CUT = 12
"""Longest stretch, in nodes, that is cut out of a track."""
COOLING = 0.8
"""Share of the random reroutings after which only improvements are kept."""
TIDY_EVERY = 200
"""Random reroutings between two rounds of exchanging, cutting and joining."""
HOPELESS = 0.8
"""An unused candidate that would cost more than this is no place to try."""
RECONSIDERED = 8
"""At most so many tracks replace the ones that were taken away."""


@njit(cache=True, nogil=True)
def first_of(state, node):  # pragma: no cover - compiled
    """Return the first node of the track through `node`."""
    while state.preceding[node] != NONE:
        node = state.preceding[node]
    return node


@njit(cache=True, nogil=True)
def _remember(state, first, memory, filled):  # pragma: no cover - compiled
    node = first
    while node != NONE:
        memory[filled] = node
        filled += 1
        node = state.following[node]
    memory[filled] = NONE
    return filled + 1


@njit(cache=True, nogil=True)
def _restore(problem, state, memory, filled):  # pragma: no cover - compiled
    before = NONE
    for k in range(filled):
        node = memory[k]
        if node != NONE:
            toggle(problem, state, node)
            state.preceding[node] = before
        if before != NONE:
            state.following[before] = node
        before = node


@njit(cache=True, nogil=True)
def _range(problem, memory, filled):  # pragma: no cover - compiled
    """Return the nodes among which remembered tracks may be laid anew."""
    low, high = problem.frame[memory[0]], 0
    for k in range(filled):
        if memory[k] != NONE:
            low = min(low, problem.frame[memory[k]])
            high = max(high, problem.frame[memory[k]])
    starts = problem.starts
    return starts[max(0, low - MARGIN_FRAMES)], starts[
        min(len(starts) - 1, high + 1 + MARGIN_FRAMES)
    ]


@njit(cache=True, nogil=True)
def _lay_best(problem, state, low, high, jitter, firsts, number):  # pragma: no cover - compiled
    """Lay the best single path if there is one that pays; return change and the number of paths laid."""
    _, node, edge, join = shortest_path(problem, state, low, high, jitter, ALONE)
    if node == NONE:
        return 0.0, number
    change, firsts[number] = lay_path(problem, state, node, edge, join)
    return change, number + 1


@njit(cache=True, nogil=True)
def reroute(problem, state, first, second, shaken, limit):  # pragma: no cover - compiled
    """Take one or two tracks away and add the best ones again; keep it only when the change is below `limit`.

    With `shaken` the first new track follows node costs changed by `state.jitter`, the others react to it, and
    then it is laid anew by the true costs. Returns the change, 0 when everything was put back.
    """
    memory = state.memory
    filled = _remember(state, first, memory, 0)
    change = take_path(problem, state, first)
    if second != NONE:
        filled = _remember(state, second, memory, filled)
        change += take_path(problem, state, second)
    low, high = _range(problem, memory, filled)
    firsts = np.empty(RECONSIDERED, np.int64)
    number = 0
    if shaken:
        difference, number = _lay_best(problem, state, low, high, state.jitter, firsts, 0)
        change += difference
        if number:
            difference, number = _lay_best(problem, state, low, high, state.plain, firsts, number)
            change += difference + take_path(problem, state, firsts[0])
            firsts[0] = firsts[number - 1]
            number -= 1
    difference, more = add_paths(problem, state, low, high, state.plain, firsts[number:])
    change += difference
    if change < limit:
        return change
    for k in range(number + more):
        take_path(problem, state, firsts[k])
    _restore(problem, state, memory, filled)
    return 0.0


@njit(cache=True, nogil=True)
def _corner(problem, state, before, node, after):  # pragma: no cover - compiled
    """Cost of the link node -> after with the corners at both of its ends; ends of tracks included."""
    if after == NONE:
        return problem.exit[node]
    following = state.following[after]
    return turn_cost(problem, before, node, after) + turn_cost(problem, node, after, following)


@njit(cache=True, nogil=True)
def exchange_tails(problem, state):  # noqa: C901  # pragma: no cover - compiled
    """Give each track the tail of another where that is cheaper: swap, join, cut. Return the change."""
    total = 0.0
    for b in range(len(problem.frame)):
        if not state.used[b]:
            continue
        for k in range(problem.edge_pointers[b], problem.edge_pointers[b + 1]):
            c = problem.edge_source[k]
            a, d = state.preceding[b], state.following[c]
            if not state.used[c] or c == a:
                continue
            if a != NONE and d != NONE and problem.frame[d] <= problem.frame[a]:
                continue
            link_ad, old_ab, old_cd = 0.0, 0.0, 0.0
            if a != NONE and d != NONE:
                link_ad = edge_cost(problem, a, d)
                if link_ad == np.inf:
                    continue
            if a != NONE:
                old_ab = edge_cost(problem, a, b) + _corner(
                    problem, state, state.preceding[a], a, b
                )
            else:
                old_ab = problem.entry[b]
            if d != NONE:
                old_cd = edge_cost(problem, c, d) + _corner(
                    problem, state, state.preceding[c], c, d
                )
            else:
                old_cd = problem.exit[c]
            new_cb = problem.edge_cost[k] + _corner(problem, state, state.preceding[c], c, b)
            new_ad = 0.0
            if a != NONE:
                new_ad = link_ad + _corner(problem, state, state.preceding[a], a, d)
            elif d != NONE:
                new_ad = problem.entry[d] + turn_cost(problem, NONE, d, state.following[d])
            change = new_cb + new_ad - old_ab - old_cd
            if change < -TOLERANCE:
                total += change
                state.following[c], state.preceding[b] = b, c
                if a != NONE:
                    state.following[a] = d
                if d != NONE:
                    state.preceding[d] = a
    return total


@njit(cache=True, nogil=True)
def _track_near(problem, state, node, other_than):  # pragma: no cover - compiled
    """Return the first node of a random track that shares windows with `node`, or NONE."""
    begin, end = problem.neighbor_pointers[node], problem.neighbor_pointers[node + 1]
    shift = np.random.randint(0, max(1, end - begin))
    for k in range(end - begin):
        near = problem.neighbor[begin + (k + shift) % (end - begin)]
        if state.used[near]:
            candidate = first_of(state, near)
            if candidate != other_than:
                return candidate
    return NONE


@njit(cache=True, nogil=True)
def _shake(problem, state, node, amount):  # pragma: no cover - compiled
    """Write noise of the size `amount` to (or erase it from) the nodes of a few frames around `node`."""
    reach = 1 + np.random.randint(0, SHAKEN_FRAMES) if amount > 0 else SHAKEN_FRAMES
    low = problem.starts[max(0, problem.frame[node] - reach)]
    high = problem.starts[min(len(problem.starts) - 1, problem.frame[node] + 1 + reach)]
    for v in range(low, high):
        state.jitter[v] = amount * (2 * np.random.random() - 1) if amount > 0 else 0.0


@njit(cache=True, nogil=True)
def _tidy(problem, state):  # pragma: no cover - compiled
    """Exchange tails, cut tracks where they explain nothing, join them where that pays; return the change."""
    total = exchange_tails(problem, state)
    for node in range(len(problem.frame)):
        if state.used[node] and state.preceding[node] == NONE:
            total += cut_track(problem, state, node, LONGEST_CUT)
    return total + extend_tracks(problem, state, state.plain, JOINING)


@njit(cache=True, nogil=True)
def open_anchors(problem, state):  # pragma: no cover - compiled
    """Lay the settled ends that no path has used yet as paths of their own, which cost nothing.

    They are then tracks like others, whose tails can be exchanged and which can be joined.
    """
    for last in range(len(problem.frame)):
        first = last
        if state.used[last] or (problem.exit[last] >= 0 and problem.entry[last] >= 0):
            for k in range(problem.edge_pointers[last], problem.edge_pointers[last + 1]):
                if problem.entry[problem.edge_source[k]] < 0 and problem.edge_cost[k] == 0:
                    first = problem.edge_source[k]
        elif problem.entry[last] > 0:
            for k in range(problem.edge_pointers[last], problem.edge_pointers[last + 1]):
                if problem.edge_cost[k] == 0:
                    first = problem.edge_source[k]
        cost = problem.entry[first] + problem.exit[last]
        settled = problem.entry[first] < 0 or problem.exit[last] < 0
        if settled and abs(cost) < TOLERANCE and not state.used[first] and not state.used[last]:
            toggle(problem, state, last)
            if first != last:
                toggle(problem, state, first)
                state.following[first], state.preceding[last] = last, first


@njit(cache=True, nogil=True)
def _keep(state, used, following, preceding):  # pragma: no cover - compiled
    """Write the tracks of this state to arrays, for `_return_to`."""
    for node in range(len(used)):
        used[node] = state.used[node]
        following[node], preceding[node] = state.following[node], state.preceding[node]


@njit(cache=True, nogil=True)
def _return_to(problem, state, used, following, preceding):  # pragma: no cover - compiled
    """Put back the tracks of an earlier state."""
    for node in range(len(used)):
        if state.used[node] != used[node]:
            toggle(problem, state, node)
        state.following[node], state.preceding[node] = following[node], preceding[node]


@njit(cache=True, nogil=True)
def _sweep(problem, state, rounds):  # pragma: no cover - compiled
    """Reroute every single track and tidy, until nothing improves; return the change."""
    total = 0.0
    for _ in range(rounds):
        before = total
        for node in range(len(problem.frame)):
            if state.used[node] and state.preceding[node] == NONE:
                total += reroute(problem, state, node, NONE, False, -TOLERANCE)
        total += _tidy(problem, state)
        if total > before - TOLERANCE:
            break
    return total


@njit(cache=True, nogil=True)
def _try_anywhere(problem, state, temperature):  # pragma: no cover - compiled
    """Reroute one or two tracks near a random node; return the change, 0 where nothing was to be tried."""
    node = np.random.randint(0, len(problem.frame))
    first = _track_near(problem, state, node, NONE)
    if first == NONE or (not state.used[node] and state.marginal[node] > HOPELESS):
        return 0.0
    second = _track_near(problem, state, node, first) if np.random.random() < 0.7 else NONE
    limit = max(0.0, -temperature * np.log(1 - np.random.random())) - TOLERANCE
    _shake(problem, state, node, np.random.random())
    change = reroute(problem, state, first, second, True, limit)
    _shake(problem, state, node, 0.0)
    return change


@njit(cache=True, nogil=True)
def anneal(problem, state, trials, heat):  # pragma: no cover - compiled
    """Reroute random neighbors and end in the best tracks met; return the change, never above 0.

    A change for the worse is kept with the probability exp(-change / temperature) (Metropolis), and the
    temperature falls from `heat` to 0 over the first trials.
    """
    used, following, preceding = state.used.copy(), state.following.copy(), state.preceding.copy()
    total, best = 0.0, 0.0
    for trial in range(trials):
        total += _try_anywhere(problem, state, heat * max(0.0, 1 - trial / (COOLING * trials)))
        if trial % TIDY_EVERY == TIDY_EVERY - 1:
            total += _tidy(problem, state)
        if total < best - TOLERANCE:
            best = total
            _keep(state, used, following, preceding)
    total += _tidy(problem, state)
    if total > best:
        _return_to(problem, state, used, following, preceding)
        return best
    return total


@njit(cache=True, nogil=True)
def search(problem, state, trials, rounds, heat, seed):  # pragma: no cover - compiled
    """Add paths, reroute single tracks until none improves, then random neighbors; return the change."""
    np.random.seed(seed)  # noqa: TID251 - numba's own generator, apart from numpy's
    nodes = len(problem.frame)
    total, _ = add_paths(problem, state, 0, nodes, state.plain, np.empty(nodes, np.int64))
    open_anchors(problem, state)
    total += exchange_tails(problem, state)
    total += _sweep(problem, state, rounds)
    total += anneal(problem, state, trials, heat)
    if problem.division < np.inf:
        total += divide_tracks(problem, state, state.plain)
    return total
