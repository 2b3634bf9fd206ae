"""Settings of tracking by counting: frozen, documented, checked; lengths in units of an object's sigma."""

from dataclasses import dataclass, field
from typing import Literal

LONGEST_GAP = 50
"""Most frames that one edge may skip: edges grow with the square of it."""
LONGEST_STITCH = 10_000
"""Most frames that stitching may close, or a velocity be averaged over."""
MOST_PASSES = 1000
"""Most repetitions of anything that is repeated."""
NO_REACH = 1e-3
"""Distances in sigma below this reach no other candidate."""
INFINITE = 1e6
"""Distances in sigma from here on reach farther than any picture."""
MOST_TRIALS = 10_000.0
"""Most random reroutings per candidate: minutes for a few frames."""
MOST_THREADS = 256
"""Most threads of a solver; HiGHS starts them all at once."""
SOLVERS = ("paths", "highs", "scipy", "pulp-cbc", "pulp-highs")
"""Names of all solvers; `paths` is the built-in path search."""


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


def _require_between(settings: object, name: str, least: float, most: float) -> None:
    """Check a number of repetitions; beyond `most` a run would hardly ever end."""
    value = getattr(settings, name)
    lower = "not be negative" if least == 0 else f"be at least {least}"
    _require(value >= least, f"{name} must {lower}, got {value}")
    _require(value <= most, f"{name} must be at most {most:.0f}, got {value}")


@dataclass(frozen=True, kw_only=True)
class CandidateConfig:
    """Where an object may be: peaks of the deconvolved map and their copies in neighboring frames."""

    iterations: int = 40
    """Accelerated Richardson-Lucy updates; each sharpens about as far as four plain ones."""
    peak_mass: float = 0.12
    """Smallest 3x3 mass of a peak of the deconvolved map, in objects."""
    copy_frames: int = 2
    """How many frames back and forth a candidate is copied."""
    copy_density: float = 0.15
    """A copy needs this share of the density peak of one object."""
    copy_separation: float = 1.0
    """A copy needs this distance to every candidate of its frame, in sigma."""
    renewals: int = 2
    """How often the program is solved again with candidates renewed from its solution."""
    residual_mass: float = 0.3
    """Smallest unexplained 3x3 mass that makes a new candidate, in objects."""
    residual_separation: float = 0.4
    """A new candidate needs this distance to every candidate of its frame, in sigma."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _require_between(self, "iterations", 1, MOST_PASSES)
        _require(self.peak_mass > 0, f"peak_mass must be positive, got {self.peak_mass}")
        _require_between(self, "copy_frames", 0, LONGEST_GAP)
        _require(self.copy_density > 0, f"copy_density must be positive, got {self.copy_density}")
        _require(
            self.copy_separation > 0,
            f"copy_separation must be positive, got {self.copy_separation}",
        )
        _require_between(self, "renewals", 0, MOST_PASSES)
        _require(
            self.residual_mass > 0, f"residual_mass must be positive, got {self.residual_mass}"
        )
        _require(
            self.residual_separation > 0,
            f"residual_separation must be positive, got {self.residual_separation}",
        )


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """The windows in which map and tracks have to agree."""

    kind: Literal["kernel", "hard"] = "kernel"
    """`kernel` weighs an object by the share of its Gaussian in the window, `hard` (the paper) by 0 or 1."""
    extent: float = 2.5
    """Side of a window in sigma; hard windows need at least 4.5."""
    pixels: int | None = None
    """Side of a window in map pixels; wins over `extent`."""
    stride: float = 0.4
    """Distance between windows as a share of their side; at most 1."""
    depth: int = 1
    """Frames that a window spans; above 1 only the integer program applies."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _require(self.kind in ("kernel", "hard"), f"kind must be kernel or hard, got {self.kind!r}")
        _require(self.extent > 0, f"window extent must be positive, got {self.extent}")
        _require(
            self.pixels is None or self.pixels >= 1,
            f"window pixels must be at least 1, got {self.pixels}",
        )
        _require(
            0 < self.stride <= 1,
            f"stride must be in (0, 1] of the window's side, got {self.stride}: a larger one leaves pixels uncovered",
        )
        _require(self.depth >= 1, f"window depth must be at least 1 frame, got {self.depth}")


@dataclass(frozen=True, kw_only=True)
class FlowConfig:
    """Costs of the network flow; one object that the windows miss entirely costs about `count`."""

    count: float = 1.0
    """Weight of the count windows (lambda), per object."""
    density: float = 0.1
    """Reward of a candidate for the density at its place, as a share of the peak of one object (w_d)."""
    presence: float = 0.0
    """Cost of each chosen candidate: raises the evidence that a detection needs."""
    move: float = 0.05
    """Cost of moving by one sigma from one frame to the next."""
    turn: float = 0.0
    """Cost of changing the velocity by one sigma per frame (second-order edges)."""
    reach: float = 2.0
    """Longest move in one frame, in sigma (R)."""
    entry: float = 0.5
    """Cost of a track that begins inside the frame and the video."""
    exit: float = 0.5
    """Cost of a track that ends inside the frame and the video."""
    border_entry: float = 0.2
    """Cost of beginning or ending near the border."""
    border: float = 1.6
    """Width of the border strip, in sigma."""
    gap_frames: int = 2
    """Frames that a track may skip inside the program (gap edges); 0 as in the paper."""
    gap: float = 0.3
    """Cost of each skipped frame."""
    division: float | None = None
    """Cost of a division into two tracks; None forbids divisions."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in (
            "count",
            "density",
            "presence",
            "move",
            "turn",
            "entry",
            "exit",
            "border_entry",
            "border",
            "gap",
        ):
            value = getattr(self, name)
            _require(
                0 <= value < float("inf"),
                f"{name} must be a finite cost of at least 0, got {value}",
            )
        _require(self.count > 0, f"count must be positive, got {self.count}")
        _require(0 < self.reach < INFINITE, f"reach must be positive and finite, got {self.reach}")
        _require(self.border < INFINITE, f"border must be finite, got {self.border}")
        _require(self.gap_frames >= 0, f"gap_frames must not be negative, got {self.gap_frames}")
        _require(
            self.gap_frames <= LONGEST_GAP,
            f"gap_frames must be at most {LONGEST_GAP}, got {self.gap_frames}; stitching closes longer gaps",
        )
        _require(
            self.division is None or self.division >= 0,
            f"division must not be negative, got {self.division}",
        )
        _require(
            self.division is None or self.turn == 0,
            f"a division has no velocity of its own to turn from: set turn to 0 or division "
            f"to None, got {self.turn} and {self.division}",
        )


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How long the path search tries."""

    rounds: int = 4
    """Sweeps in which every track is rerouted once."""
    trials: float = 0.5
    """Random reroutings of neighboring tracks, per candidate."""
    heat: float = 0.6
    """How much worse a random rerouting may leave the objective at first, about; 0 keeps improvements only."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _require_between(self, "rounds", 0, MOST_PASSES)
        _require_between(self, "trials", 0, MOST_TRIALS)
        _require(
            0 <= self.heat < float("inf"),
            f"heat must be finite and not negative, got {self.heat}; 0 keeps improvements only",
        )


@dataclass(frozen=True, kw_only=True)
class LinkConfig:
    """Identities after the program: velocity relink and stitching."""

    relink_passes: int = 2
    """Passes of the velocity relink; 0 keeps the program's own links."""
    velocity_frames: int = 6
    """Frames over which a velocity is averaged."""
    reach: float = 2.0
    """Longest move that a relinked pair may make in one frame, in sigma."""
    inertia: float = 1.0
    """Share of the velocity with which a lost object is expected to go on; 0 where motion is diffusion."""
    stitch_frames: int = 12
    """Longest gap that stitching closes; below 2 nothing is stitched."""
    stitch_reach: float = 2.5
    """How far from its expected place a lost object may be found again, in sigma."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _require_between(self, "relink_passes", 0, MOST_PASSES)
        _require_between(self, "velocity_frames", 1, LONGEST_STITCH)
        _require(0 < self.reach < INFINITE, f"reach must be positive and finite, got {self.reach}")
        _require(0 <= self.inertia <= 1, f"inertia must be in [0, 1], got {self.inertia}")
        _require_between(self, "stitch_frames", 0, LONGEST_STITCH)
        _require(
            0 < self.stitch_reach < INFINITE,
            f"stitch_reach must be positive and finite, got {self.stitch_reach}",
        )


@dataclass(frozen=True, kw_only=True)
class SolverConfig:
    """Who solves the program, and how exactly."""

    solver: str = "paths"
    """`paths` (built in), `highs`, `scipy`, `pulp-cbc` or `pulp-highs`."""
    gap: float = 0.01
    """Relative gap at which an exact solver stops."""
    time_limit: float = 600.0
    """Seconds that an exact solver may take for one block."""
    threads: int = 1
    """Threads of an exact solver."""
    warm_start: bool = True
    """Start the exact solvers that can from the path search."""
    certify: bool = False
    """After the path search, let HiGHS prove a bound."""
    nonzero_limit: int = 5_000_000
    """Largest program that an exact solver is given, in nonzeros of its matrix."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """Effort of the path search."""

    def __post_init__(self) -> None:
        """Check the name and the ranges."""
        _require(
            self.solver in SOLVERS,
            f"solver must be one of {', '.join(SOLVERS)}, got {self.solver!r}",
        )
        _require(0 <= self.gap < 1, f"gap must be in [0, 1), got {self.gap}")
        _require(self.time_limit > 0, f"time_limit must be positive, got {self.time_limit}")
        _require_between(self, "threads", 1, MOST_THREADS)
        _require(
            self.nonzero_limit > 0, f"nonzero_limit must be positive, got {self.nonzero_limit}"
        )


@dataclass(frozen=True, kw_only=True)
class TrackConfig:
    """All settings from density maps to tracks."""

    candidates: CandidateConfig = field(default_factory=CandidateConfig)
    """Where an object may be."""
    windows: WindowConfig = field(default_factory=WindowConfig)
    """Where map and tracks have to agree."""
    flow: FlowConfig = field(default_factory=FlowConfig)
    """What motion costs."""
    solver: SolverConfig = field(default_factory=SolverConfig)
    """Who solves the program."""
    links: LinkConfig = field(default_factory=LinkConfig)
    """Identities after the program."""
    refine_steps: int = 8
    """Expectation maximization steps that move objects below pixel accuracy; 0 keeps the candidates' places."""
    block_frames: int = 50
    """Frames that are solved for good at once; bounds the memory of long videos."""
    overlap_frames: int = 10
    """Further frames that a block looks ahead; they are solved again in the next block."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _require_between(self, "refine_steps", 0, MOST_PASSES)
        _require(
            self.block_frames >= 1, f"block_frames must be at least 1, got {self.block_frames}"
        )
        _require(
            self.overlap_frames >= 0,
            f"overlap_frames must not be negative, got {self.overlap_frames}",
        )
        _require(
            self.windows.depth == 1 or self.block_frames >= self.windows.depth,
            f"blocks of {self.block_frames} frames hold no window of depth {self.windows.depth}: raise block_frames",
        )

    @property
    def makes_links(self) -> bool:
        """Whether anything that moves is linked; if not, each point is a track of its own."""
        links = self.links
        return self.flow.reach >= NO_REACH or links.relink_passes > 0 or links.stitch_frames >= 2


def paper_preset() -> TrackConfig:
    """Return the paper's form: hard windows three frames deep, an integer program, first-order links only."""
    return TrackConfig(
        candidates=CandidateConfig(renewals=0),
        windows=WindowConfig(kind="hard", extent=5.0, depth=3),
        flow=FlowConfig(gap_frames=0, turn=0.0, division=None),
        solver=SolverConfig(solver="highs"),
        links=LinkConfig(relink_passes=0, stitch_frames=0),
        refine_steps=0,
        block_frames=20,
        overlap_frames=4,
    )


def per_frame_preset() -> TrackConfig:
    """Return the mode that counts and places objects frame by frame: nothing is gained by a link, so none is made.

    Each point becomes a track of its own, unless an object stays exactly in place.
    """
    return TrackConfig(
        candidates=CandidateConfig(copy_frames=0),
        flow=FlowConfig(entry=0.0, exit=0.0, border_entry=0.0, reach=1e-6, gap_frames=0),
        links=LinkConfig(relink_passes=0, stitch_frames=0),
        overlap_frames=0,
    )
