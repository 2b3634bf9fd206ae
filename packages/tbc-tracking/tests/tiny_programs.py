"""Instances small enough to try every set of candidates and every way to link them."""

from itertools import product

import numpy as np

from tbc_tracking.candidates import Candidates
from tbc_tracking.config import FlowConfig, WindowConfig
from tbc_tracking.density import density_from_points
from tbc_tracking.tracking_program import TrackingProgram, build_program

SHAPE = (16, 18)


def candidates_at(points, *, sigma=1.2, length=None):
    """Return candidates at rows (frame, x, y), sorted by frame."""
    table = np.array(sorted(points), float).reshape(-1, 3)
    frame = table[:, 0].astype(np.int64)
    return Candidates(
        frame=frame,
        x=table[:, 1].copy(),
        y=table[:, 2].copy(),
        sigma=np.full(len(table), float(sigma)),
        copied=np.zeros(len(table), np.int64),
        length=int(frame.max(initial=-1)) + 1 if length is None else length,
    )


def moving_points(random, *, objects, frames, shape=SHAPE):
    """Return rows (frame, x, y) of objects on nearly straight ways, close enough to share windows."""
    start = random.uniform(5, 11, (objects, 2))
    speed = random.uniform(-1, 1, (objects, 2))
    rows = []
    for t in range(frames):
        place = np.clip(
            start + t * speed + random.normal(0, 0.2, start.shape), 0, np.array(shape[::-1]) - 1
        )
        rows += [(t, x, y) for x, y in place]
    return rows


def render(points, *, frames, sigma=1.2, shape=SHAPE, mass=1.0):
    """Return the noise-free maps of rows (frame, x, y)."""
    table = np.array(points, float).reshape(-1, 3)
    maps = np.zeros((frames, *shape), np.float32)
    for t in range(frames):
        here = table[table[:, 0] == t]
        maps[t] = density_from_points(shape, x=here[:, 1], y=here[:, 2], sigma=sigma, mass=mass)
    return maps


def tiny_program(
    seed, *, windows=None, frames=4, objects=2, decoys=1, limit=11, **flow
) -> TrackingProgram:
    """Return a program with at most `limit` candidates: the truth with holes, decoys, and a noisy map."""
    random = np.random.default_rng(seed)
    truth = moving_points(random, objects=objects, frames=frames)
    maps = render(truth, frames=frames) * random.uniform(0.5, 1.3, (frames, 1, 1)).astype(
        np.float32
    )
    maps *= random.uniform(0.8, 1.2, maps.shape).astype(np.float32)
    found = [point for point in truth if random.random() < 0.9]
    for t in range(frames):
        for _ in range(decoys):
            near = truth[random.integers(len(truth))]
            found.append((t, near[1] + random.normal(), near[2] + random.normal()))
    random.shuffle(found)
    costs = {"move": 0.1, "reach": 2.5, "entry": 0.3, "exit": 0.4, "gap_frames": 0, "density": 0.0}
    return build_program(
        maps,
        candidates_at(found[:limit], length=frames),
        windows=windows or WindowConfig(kind="kernel", pixels=3, stride=0.7),
        flow=FlowConfig(**(costs | flow)),
    )


def turn_by_hand(program, first, middle, last):
    """Return the price of the corner first -> middle -> last."""
    c = program.candidates
    scale = np.median(c.sigma)
    total = 0.0
    for axis in (c.x, c.y):
        after = (axis[last] - axis[middle]) / scale / (c.frame[last] - c.frame[middle])
        before = (axis[middle] - axis[first]) / scale / (c.frame[middle] - c.frame[first])
        total += (after - before) ** 2
    return program.turn * total**0.5


def objective_by_hand(program, chosen, preceding, parent=None):
    """Return the objective of a set of tracks, term by term."""
    weights = program.windows.weights.toarray()
    total = program.constant
    for r in range(weights.shape[1]):
        explained = sum(weights[v, r] for v in range(len(chosen)) if chosen[v])
        total += program.penalty * abs(program.windows.counts[r] - explained)
    graph = program.graph
    edges = {
        (int(a), int(b)): c for a, b, c in zip(graph.source, graph.target, graph.cost, strict=True)
    }
    followed = {int(preceding[v]) for v in range(len(chosen)) if chosen[v]}
    for v in np.flatnonzero(chosen):
        before = int(preceding[v])
        mother = -1 if parent is None else int(parent[v])
        total += program.node_cost[v]
        if mother >= 0:
            assert before < 0
            assert mother in followed
            assert (parent == mother).sum() == 1
            total += edges[mother, int(v)] + program.division
        else:
            total += graph.entry[v] if before < 0 else edges[before, int(v)]
        if int(v) not in followed:
            total += graph.exit[v]
        if before >= 0 and preceding[before] >= 0:
            total += turn_by_hand(program, preceding[before], before, v)
    return total


def best_by_force(program):
    """Return the least objective over all sets of candidates and all links between them."""
    nodes = len(program.candidates)
    sets = np.array(list(product([False, True], repeat=nodes)))
    residual = program.windows.counts - sets.astype(float) @ program.windows.weights.toarray()
    base = (
        program.constant + program.penalty * np.abs(residual).sum(axis=1) + sets @ program.node_cost
    )
    graph = program.graph
    incoming = [
        [
            (int(graph.source[k]), graph.cost[k])
            for k in range(graph.pointers[v], graph.pointers[v + 1])
        ]
        for v in range(nodes)
    ]
    # Links cost nothing less than what ends that pay back can bring.
    least = base + sets @ (np.minimum(graph.entry, 0) + np.minimum(graph.exit, 0))
    best = np.inf
    for row in np.argsort(least):
        if least[row] >= best:
            break
        best = min(
            best, base[row] + cheapest_links(program, np.flatnonzero(sets[row]), incoming, {})
        )
    return float(best)


def cheapest_links(program, chosen, incoming, preceding, parent=None):
    """Return the least cost of entries, exits, links, turns and divisions over all ways to link the chosen nodes."""
    parent = parent or {}
    done = len(preceding)
    taken = set(preceding.values())
    if done == len(chosen):
        if not set(parent.values()) <= taken:
            return np.inf  # only who goes on can divide
        return sum(program.graph.exit[v] for v in chosen if int(v) not in taken)
    node = int(chosen[done])

    def rest(before, mother=None):
        born = parent if mother is None else {**parent, node: mother}
        return cheapest_links(program, chosen, incoming, {**preceding, node: before}, born)

    best = program.graph.entry[node] + rest(-1)
    division = getattr(program, "division", None)
    for source, cost in incoming[node]:
        if source not in preceding:
            continue
        if source not in taken:
            corner = 0.0
            if preceding[source] >= 0 and program.turn:
                corner = turn_by_hand(program, preceding[source], source, node)
            best = min(best, cost + corner + rest(source))
        if division is not None and source not in parent.values():
            best = min(best, cost + division + rest(-1, source))
    return best
