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


def objective_by_hand(program, chosen, preceding):
    """Return the objective of a set of tracks, term by term."""
    weights = program.windows.weights.toarray()
    total = program.constant
    for r in range(weights.shape[1]):
        explained = sum(weights[v, r] for v in range(len(chosen)) if chosen[v])
        total += program.penalty * abs(program.windows.counts[r] - explained)
    edges = {
        (int(a), int(b)): c
        for a, b, c in zip(
            program.graph.source, program.graph.target, program.graph.cost, strict=True
        )
    }
    followed = {int(preceding[v]) for v in range(len(chosen)) if chosen[v]}
    for v in np.flatnonzero(chosen):
        total += program.node_cost[v]
        before = int(preceding[v])
        total += program.graph.entry[v] if before < 0 else edges[before, int(v)]
        if int(v) not in followed:
            total += program.graph.exit[v]
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


def cheapest_links(program, chosen, incoming, preceding):
    """Return the least cost of entries, exits, links and turns over all ways to link the chosen nodes."""
    done = len(preceding)
    if done == len(chosen):
        followed = set(preceding.values())
        return sum(program.graph.exit[v] for v in chosen if int(v) not in followed)
    node = int(chosen[done])
    best = program.graph.entry[node] + cheapest_links(
        program, chosen, incoming, {**preceding, node: -1}
    )
    taken = set(preceding.values())
    for source, cost in incoming[node]:
        if source in preceding and source not in taken:
            if preceding[source] >= 0 and program.turn:
                cost = cost + turn_by_hand(program, preceding[source], source, node)
            rest = cheapest_links(program, chosen, incoming, {**preceding, node: source})
            best = min(best, cost + rest)
    return best
