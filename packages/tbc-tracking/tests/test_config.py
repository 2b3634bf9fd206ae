"""Settings of tracking refuse what cannot work, naming rule and value."""

import pytest

from tbc_tracking.config import (
    SOLVERS,
    CandidateConfig,
    FlowConfig,
    LinkConfig,
    SearchConfig,
    SolverConfig,
    TrackConfig,
    WindowConfig,
    paper_preset,
    per_frame_preset,
)
from tbc_tracking.solvers import available_solvers

REFUSED = [
    (CandidateConfig, {"iterations": 0}, "iterations must be at least 1, got 0"),
    (CandidateConfig, {"peak_mass": 0.0}, "peak_mass must be positive"),
    (CandidateConfig, {"copy_frames": -1}, "copy_frames must not be negative"),
    (CandidateConfig, {"copy_density": 0.0}, "copy_density must be positive"),
    (CandidateConfig, {"copy_separation": 0.0}, "copy_separation must be positive"),
    (WindowConfig, {"kind": "soft"}, "must be kernel or hard, got 'soft'"),
    (WindowConfig, {"extent": 0.0}, "extent must be positive"),
    (WindowConfig, {"pixels": 0}, "pixels must be at least 1"),
    (WindowConfig, {"stride": 1.2}, "got 1.2: a larger one leaves pixels uncovered"),
    (WindowConfig, {"stride": 0.0}, "stride must be in"),
    (WindowConfig, {"depth": 0}, "depth must be at least 1"),
    *(
        (FlowConfig, {name: -0.1}, f"{name} must be a finite cost of at least 0, got -0.1")
        for name in ("density", "presence", "move", "turn", "entry", "exit", "border_entry", "gap")
    ),
    (FlowConfig, {"move": float("nan")}, "move must be a finite cost"),
    (FlowConfig, {"entry": float("inf")}, "entry must be a finite cost"),
    (FlowConfig, {"count": 0.0}, "count must be positive"),
    (FlowConfig, {"reach": 0.0}, "reach must be positive and finite, got 0.0"),
    (FlowConfig, {"reach": -1.0}, "reach must be positive and finite, got -1.0"),
    (FlowConfig, {"gap_frames": -1}, "gap_frames must not be negative"),
    (FlowConfig, {"division": -1.0}, "division must not be negative"),
    (SearchConfig, {"rounds": -1}, "rounds must not be negative"),
    (SearchConfig, {"trials": -0.5}, "trials must not be negative"),
    (SearchConfig, {"heat": -0.5}, "heat must be finite and not negative"),
    (CandidateConfig, {"copy_frames": 10**20}, "copy_frames must be at most 50, got 1"),
    (CandidateConfig, {"renewals": 1001}, "renewals must be at most 1000"),
    (LinkConfig, {"velocity_frames": 10**20}, "velocity_frames must be at most 10000"),
    (LinkConfig, {"stitch_frames": 10**20}, "stitch_frames must be at most 10000"),
    (LinkConfig, {"reach": float("inf")}, "reach must be positive and finite, got inf"),
    (SearchConfig, {"trials": float("inf")}, "trials must be at most 10000, got inf"),
    (SolverConfig, {"threads": 100_000}, "threads must be at most 256, got 100000"),
    (TrackConfig, {"refine_steps": 10**9}, "refine_steps must be at most 1000"),
    (FlowConfig, {"border": 1e308}, "border must be finite"),
    (LinkConfig, {"relink_passes": -1}, "relink_passes must not be negative"),
    (LinkConfig, {"velocity_frames": 0}, "velocity_frames must be at least 1"),
    (LinkConfig, {"reach": 0.0}, "reach must be positive"),
    (LinkConfig, {"inertia": 1.5}, r"inertia must be in \[0, 1\], got 1.5"),
    (LinkConfig, {"stitch_frames": -1}, "stitch_frames must not be negative"),
    (LinkConfig, {"stitch_reach": 0.0}, "stitch_reach must be positive"),
    (SolverConfig, {"solver": "gurobi"}, "solver must be one of paths, highs, .*got 'gurobi'"),
    (SolverConfig, {"gap": -0.1}, r"gap must be in \[0, 1\), got -0.1"),
    (SolverConfig, {"gap": 1.0}, r"gap must be in \[0, 1\)"),
    (SolverConfig, {"time_limit": 0.0}, "time_limit must be positive"),
    (SolverConfig, {"threads": 0}, "threads must be at least 1"),
    (SolverConfig, {"nonzero_limit": 0}, "nonzero_limit must be positive"),
    (TrackConfig, {"refine_steps": -1}, "refine_steps must not be negative"),
    (TrackConfig, {"block_frames": 0}, "block_frames must be at least 1"),
    (TrackConfig, {"overlap_frames": -1}, "overlap_frames must not be negative"),
    (
        TrackConfig,
        {"windows": WindowConfig(depth=3), "block_frames": 2},
        "blocks of 2 frames hold no window of depth 3: raise block_frames",
    ),
]


@pytest.mark.parametrize(("kind", "given", "sentence"), REFUSED)
def test_impossible_settings_are_refused(kind, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        kind(**given)


def test_the_preset_of_the_paper_has_its_form():
    config = paper_preset()
    assert (config.windows.kind, config.windows.depth) == ("hard", 3)
    assert config.windows.extent >= 4.5
    assert config.flow.gap_frames == 0
    assert config.flow.turn == 0
    assert config.solver.solver != "paths"
    assert config.links.relink_passes == 0
    assert config.links.stitch_frames < 2


def test_the_preset_per_frame_makes_no_links():
    config = per_frame_preset()
    assert config.flow.entry == config.flow.exit == config.flow.border_entry == 0
    assert config.flow.reach < 0.01
    assert config.flow.gap_frames == config.links.stitch_frames == config.links.relink_passes == 0
    assert config.candidates.copy_frames == 0


def test_every_solver_can_be_named():
    assert set(SOLVERS) == set(available_solvers())
