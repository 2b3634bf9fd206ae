"""Time blocks: a long video is solved piece by piece, each piece beginning where the last one was settled.

A block holds its own frames and a few more to look ahead; only its own frames are settled. The ends of settled
tracks enter the next block as anchors, so identities run through and memory stays bounded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.anchors import (
    FREE,
    HEAD,
    HEAD_AFTER,
    TAIL,
    TAIL_BEFORE,
    AnchoredNodes,
    Anchors,
    anchored_graph,
    with_anchors,
)
from tbc_tracking.candidates import Candidates, find_candidates
from tbc_tracking.config import TrackConfig
from tbc_tracking.corrections import FixedPoints, ends_of_tracks, explained_by, without_settled
from tbc_tracking.counting_windows import CountingWindows, build_windows
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.path_search import search_paths
from tbc_tracking.refinement import refine_positions
from tbc_tracking.renewal import renew_candidates
from tbc_tracking.solution import Solution
from tbc_tracking.solvers import solve_program
from tbc_tracking.tracking_program import TrackingProgram, node_costs


@dataclass(frozen=True, kw_only=True)
class BlockReport:
    """What solving one block came to."""

    start: int
    """First frame that the block settled."""
    stop: int
    """End of the frames that it settled."""
    objective: float
    """Value of the objective, frames looked ahead included."""
    bound: float | None
    """Proven lower bound of it, None when the solver has none."""
    gap: float | None
    """Relative gap between the two."""
    solver: str
    """Who solved it."""
    proven: bool
    """Whether the wished gap is proven."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SettledBlock:
    """Points of the settled frames of one block."""

    report: BlockReport
    frame: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    track: NDArray[np.int64]
    """Identity of each point, through all blocks."""
    mass: NDArray[np.float64]
    """Density that each point holds, in objects."""
    merged: dict[int, int]
    """Identities that turned out to be the same: from -> to."""
    map_counts: NDArray[np.float64]
    """Sum of the map of each settled frame."""
    residuals: NDArray[np.float64]
    """Strongest disagreements of windows, columns frame, x, y, objects missing (+) or too many (-)."""


def split_into_blocks(
    maps: Iterable[NDArray[np.float32]], config: TrackConfig
) -> Iterator[tuple[int, int, int, NDArray[np.float32], bool]]:
    """Yield context, start, stop, maps and whether it is the last, for each block; holds one block at a time.

    The maps span [start - context, stop + what is looked ahead); the last block takes all that is left.
    """
    buffer: list[NDArray[np.float32]] = []
    start, context = 0, 0
    source = iter(maps)
    wanted = config.block_frames + config.overlap_frames
    while True:
        finished = False
        # One frame more than needed tells whether this block is the last.
        while len(buffer) - context <= wanted:
            try:
                buffer.append(next(source))
            except StopIteration:
                finished = True
                break
        if finished:
            if len(buffer) > context:
                yield context, start, start + len(buffer) - context, np.stack(buffer), True
            return
        yield context, start, start + config.block_frames, np.stack(buffer[:-1]), False
        kept = config.candidates.copy_frames
        drop = max(0, context + config.block_frames - kept)
        buffer = buffer[drop:]
        context = context + config.block_frames - drop
        start += config.block_frames


class BlockSolver:
    """Solves blocks in order and carries identities and anchors from one to the next."""

    def __init__(
        self,
        size: ObjectSize,
        config: TrackConfig,
        *,
        seed: int = 0,
        fixed: FixedPoints | None = None,
    ) -> None:
        """Prepare for a video.

        Args:
            size: sigma of the objects on the map.
            config: settings.
            seed: of the path search.
            fixed: points that the user has settled by hand.
        """
        self.size, self.config, self.seed = size, config, seed
        self.fixed = fixed or FixedPoints.none()
        self.fixed_names = set(self.fixed.track.tolist())
        self.next_track = 1 + int(self.fixed.track.max(initial=0))
        self.anchors = Anchors.none()
        self.shape = (0, 0)

    def settle(
        self, maps: NDArray[np.float32], *, context: int, start: int, stop: int, last: bool
    ) -> SettledBlock:
        """Solve one block and settle the frames start <= t < stop; `maps` begin `context` frames earlier."""
        own = maps[context:]
        self.shape = (own.shape[1], own.shape[2])
        candidates = _drop_context(
            find_candidates(maps, size=self.size, config=self.config.candidates), context
        )
        fixed = self.fixed.between(start, start + len(own))
        candidates = fixed.displace(candidates, self.size)
        anchors = Anchors.join([self.anchors, fixed.anchors()])
        anchored = with_anchors(candidates, anchors, self.size)
        program, windows = self._program(own, anchored, fixed, first=start == 0)
        left_over = without_settled(fixed, own, self.size)
        for _ in range(self.config.candidates.renewals):
            # The path search is good enough to say where candidates are wanted; the last round is solved as asked.
            draft = search_paths(program, self.config.solver.search, seed=self.seed + start)
            free = anchored.role == FREE
            candidates = fixed.displace(
                renew_candidates(
                    left_over,
                    candidates,
                    draft.chosen[free],
                    size=self.size,
                    config=self.config.candidates,
                ),
                self.size,
            )
            anchored = with_anchors(candidates, anchors, self.size)
            program, windows = self._program(own, anchored, fixed, first=start == 0)
        solution = solve_program(program, self.config.solver, seed=self.seed + start)
        track, merged = self._name_tracks(solution, anchored)
        block = self._collect(own, anchored, solution, track, fixed, start, stop)
        residual = windows.counts - windows.weights.T @ (
            solution.chosen & (anchored.role == FREE)
        ).astype(float)
        report = BlockReport(
            start=start,
            stop=stop,
            objective=solution.objective,
            bound=solution.bound,
            gap=solution.gap,
            solver=solution.solver,
            proven=solution.proven,
        )
        if not last:
            self.anchors = self._anchors_at(block, stop)
        return SettledBlock(
            report=report,
            **block,
            merged=merged,
            map_counts=own[: stop - start].sum(axis=(1, 2), dtype=np.float64),
            residuals=_strongest(windows, residual, start - anchored.shift, stop, own.shape[1:]),
        )

    def _program(
        self, own: NDArray[np.float32], anchored: AnchoredNodes, fixed: FixedPoints, *, first: bool
    ) -> tuple[TrackingProgram, CountingWindows]:
        flow = self.config.flow
        padded = np.concatenate([np.zeros((anchored.shift, *own.shape[1:]), np.float32), own])
        free = anchored.role == FREE
        sigma = float(self.size.at(own.shape[1] / 2))
        config = self.config.windows
        if not first:  # what is left for the last block may be shorter than a window is deep
            config = replace(config, depth=min(config.depth, len(padded)))
        windows = build_windows(padded, anchored.nodes, config, sigma=sigma)
        counts = windows.counts - explained_by(fixed, padded, anchored.shift, self.size, config)
        weights = windows.weights.multiply(free[:, None].astype(np.float64)).tocsr()
        weights.eliminate_zeros()
        windows = replace(windows, counts=counts, weights=weights)
        node_cost = np.where(free, node_costs(padded, anchored.nodes, flow), 0.0)
        graph = anchored_graph(anchored, (own.shape[1], own.shape[2]), flow, free_start=first)
        program = TrackingProgram(
            candidates=anchored.nodes,
            windows=windows,
            graph=graph,
            node_cost=node_cost,
            penalty=flow.count / windows.coverage,
            turn=flow.turn,
            division=flow.division,
            constant=-float(np.minimum(graph.entry, 0).sum() + np.minimum(graph.exit, 0).sum()),
        )
        return program, windows

    def _name_tracks(
        self, solution: Solution, anchored: AnchoredNodes
    ) -> tuple[NDArray[np.int64], dict[int, int]]:
        """Return the identity of each chosen node: an anchor's where the track has one, else a fresh one."""
        number = solution.identities()
        track = np.zeros_like(number)
        merged: dict[int, int] = {}
        settled = solution.chosen & (anchored.role != FREE)
        known: dict[int, int] = {}
        for node in np.flatnonzero(settled):
            mine = int(anchored.track[node])
            other = known.setdefault(int(number[node]), mine)
            by_hand = other in self.fixed_names
            if other != mine and not by_hand and anchored.role[node] in (HEAD, HEAD_AFTER):
                merged[other] = mine
                known[int(number[node])] = mine
        for path in np.unique(number[solution.chosen]):
            if int(path) not in known:
                known[int(path)] = self.next_track
                self.next_track += 1
        names = np.zeros(int(number.max(initial=0)) + 1, np.int64)
        names[list(known)] = list(known.values())
        track[solution.chosen] = names[number[solution.chosen]]
        return track, merged

    def _collect(
        self,
        own: NDArray[np.float32],
        anchored: AnchoredNodes,
        solution: Solution,
        track: NDArray[np.int64],
        fixed: FixedPoints,
        start: int,
        stop: int,
    ) -> dict[str, NDArray]:
        """Return frame, x, y, track and mass of all settled points; frames count from the video's start."""
        kept = solution.chosen & (anchored.role == FREE)
        local = np.concatenate([anchored.nodes.frame[kept] - anchored.shift, fixed.frame])
        order = np.argsort(local, kind="stable")
        local = local[order]
        x = np.concatenate([anchored.nodes.x[kept], fixed.x])[order]
        y = np.concatenate([anchored.nodes.y[kept], fixed.y])[order]
        by_hand = np.concatenate([np.zeros(kept.sum(), bool), np.ones(len(fixed.frame), bool)])[
            order
        ]
        path = np.concatenate([solution.identities()[kept], np.zeros_like(fixed.track)])[order]
        names = self._without_clashes(
            local, np.concatenate([track[kept], fixed.track])[order], path
        )
        moved_x, moved_y, mass = refine_positions(
            own, frame=local, x=x, y=y, sigma=self.size.at(y), steps=self.config.refine_steps
        )
        inside = local < stop - start
        return {
            "frame": local[inside] + start,
            "x": np.where(by_hand, x, moved_x)[inside],
            "y": np.where(by_hand, y, moved_y)[inside],
            "track": names[inside],
            "mass": np.where(by_hand, 1.0, mass)[inside],
        }

    def _without_clashes(
        self,
        frame: NDArray[np.int64],
        track: NDArray[np.int64],
        path: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Give a path a fresh identity from where it would run beside settled points of its own name.

        Args:
            frame: frame of each point.
            track: identity of each point.
            path: number of the path of each point, 0 for settled points.
        """
        names = track.copy()
        for name in np.intersect1d(track[path == 0], track[path > 0]):
            own = track == name
            taken = set(frame[own & (path == 0)].tolist())
            for number in np.unique(path[own & (path > 0)]):
                rows = np.flatnonzero(own & (path == number))
                clashes = [row for row in rows if int(frame[row]) in taken]
                if clashes:
                    names[rows[frame[rows] >= frame[clashes[0]]]] = self.next_track
                    self.next_track += 1
                taken.update(frame[rows[names[rows] == name]].tolist())
        return names

    def _anchors_at(self, block: dict[str, NDArray], stop: int) -> Anchors:
        """Return the ends of tracks that the next block, which begins at `stop`, may continue."""
        recent = block["frame"] >= stop - 2 - 2 * self.config.flow.gap_frames
        ends = ends_of_tracks(
            block["frame"][recent] - stop,
            block["x"][recent],
            block["y"][recent],
            block["track"][recent],
        )
        # Pieces are numbered by track and time: only the last piece of a track is still open.
        names, row = np.unique(ends.track, return_inverse=True)
        last_piece = np.zeros(len(names), np.int64)
        np.maximum.at(last_piece, row, ends.piece)
        open_end = (ends.role == TAIL) & (ends.frame >= -1 - self.config.flow.gap_frames)
        open_ends = ends.piece[open_end & (ends.piece == last_piece[row])]
        tails = (ends.role == TAIL) | (ends.role == TAIL_BEFORE)
        return ends.select(tails & np.isin(ends.piece, open_ends))


def _drop_context(candidates: Candidates, context: int) -> Candidates:
    kept = candidates.frame >= context
    return Candidates(
        frame=candidates.frame[kept] - context,
        x=candidates.x[kept],
        y=candidates.y[kept],
        sigma=candidates.sigma[kept],
        copied=candidates.copied[kept],
        length=candidates.length - context,
    )


LOOK_HERE_PER_BLOCK = 40
LOOK_HERE_SHARE = 0.35
"""Smallest residual of a window that is worth a look, in objects."""


def _strongest(
    windows: CountingWindows,
    residual: NDArray[np.float64],
    origin: int,
    stop: int,
    shape: tuple[int, ...],
) -> NDArray[np.float64]:
    """Return the windows of the settled frames with the strongest residuals: frame, x, y, objects."""
    inside = (windows.frame + origin < stop) & (windows.frame + origin >= 0)
    order = np.argsort(-np.abs(np.where(inside, residual, 0.0)), kind="stable")[
        :LOOK_HERE_PER_BLOCK
    ]
    order = order[inside[order] & (np.abs(residual[order]) >= LOOK_HERE_SHARE)]
    half = (windows.extent - 1) / 2
    x = np.clip(windows.left[order] + half, 0, shape[1] - 1)
    y = np.clip(windows.top[order] + half, 0, shape[0] - 1)
    return np.stack([windows.frame[order] + origin, x, y, residual[order]], axis=1).astype(
        np.float64
    )
