"""From maps to tracks through the public door: units, refusals, warnings, and the three-line interface."""

import logging
from dataclasses import dataclass

import numpy as np
import pytest

from tbc_tracking.config import (
    CandidateConfig,
    FlowConfig,
    LinkConfig,
    SearchConfig,
    SolverConfig,
    TrackConfig,
    WindowConfig,
)
from tbc_tracking.crowd import CrowdConfig, simulate_crowd
from tbc_tracking.inference import DensityTracker, track_density
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.point_metrics import evaluate_points
from tbc_tracking.simulation import simulate_density
from tbc_tracking.tracks import Tracks
from tenfold_shared.images import write_image

SIZE = ObjectSize(intercept=1.6)
SHAPE = (36, 44)
CONFIG = TrackConfig(
    candidates=CandidateConfig(iterations=15),
    windows=WindowConfig(pixels=5, stride=0.6),
    flow=FlowConfig(gap_frames=1, density=0.1, move=0.05),
    links=LinkConfig(stitch_frames=5),
    block_frames=12,
    overlap_frames=5,
)


@pytest.fixture(scope="module")
def crowd():
    truth = simulate_crowd(
        30, SHAPE, size=SIZE, seed=3, config=CrowdConfig(people=7, companions=0.1)
    )
    return truth, simulate_density(truth, SHAPE, size=SIZE, seed=3)


def test_a_crowd_is_tracked_in_three_lines(crowd):
    truth, maps = crowd
    result = track_density(maps, size=SIZE, config=CONFIG)
    score = evaluate_points(truth, result.tracks, distance=4.0)
    assert score.mota > 0.75
    assert score.idf1 > 0.7
    assert result.tracks.length == 30
    np.testing.assert_allclose(result.map_counts, maps.sum(axis=(1, 2)), rtol=1e-4)
    assert [(b.start, b.stop) for b in result.blocks] == [(0, 12), (12, 24), (24, 30)]
    assert ((result.tracks.confidence >= 0) & (result.tracks.confidence <= 1)).all()
    sizes = [abs(place.objects) for place in result.look_here]
    assert sizes == sorted(sizes, reverse=True)


def test_the_same_seed_gives_the_same_tracks(crowd):
    _, maps = crowd
    one, two = (track_density(maps, size=SIZE, config=CONFIG, seed=9).tracks for _ in range(2))
    for name in ("frame", "id", "x", "y", "confidence"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_tracks_and_corrections_are_in_pixels_of_the_frames(crowd):
    truth, maps = crowd
    on_map = track_density(maps, size=SIZE, config=CONFIG)
    on_frame = track_density(maps, size=SIZE, config=CONFIG, stride=4.0)
    # Map pixel 0 covers frame pixels 0 to 3, whose middle is 1.5.
    np.testing.assert_allclose(on_frame.tracks.x, 4 * on_map.tracks.x + 1.5)
    np.testing.assert_allclose(on_frame.tracks.y, 4 * on_map.tracks.y + 1.5)
    assert on_frame.look_here[0].x == pytest.approx(4 * on_map.look_here[0].x + 1.5)
    lone = truth.select(truth.id == truth.id[0])
    fixed = Tracks.from_rows(lone.frame, lone.id, x=4 * lone.x + 1.5, y=4 * lone.y + 1.5, length=30)
    result = track_density(maps, size=SIZE, config=CONFIG, stride=4.0, fixed=fixed)
    mine = result.tracks.select(result.tracks.id == truth.id[0])
    places = {t: (x, y) for t, x, y in zip(mine.frame, mine.x, mine.y, strict=True)}
    for t, x, y in zip(fixed.frame, fixed.x, fixed.y, strict=True):
        assert places[t] == pytest.approx((x, y), abs=1e-9)


def test_lists_generators_and_float64_are_maps_too(crowd):
    _, maps = crowd
    expected = track_density(maps[:8], size=SIZE, config=CONFIG).tracks
    for given in (
        list(maps[:8]),
        iter(maps[:8]),
        maps[:8].astype(float),
        maps[:8, :, ::-1][..., ::-1],
    ):
        found = track_density(given, size=SIZE, config=CONFIG).tracks
        np.testing.assert_array_equal(found.x, expected.x)


@pytest.mark.parametrize(
    ("maps", "sentence"),
    [
        ([], "no frame to track in: give at least one density map"),
        ([np.zeros(SHAPE), np.full(SHAPE, np.nan)], "must be finite, got NaN or infinite values in frame 1"),
        ([np.zeros(SHAPE), np.full(SHAPE, -1.0)], "must not be negative, got -1 in frame 1"),
        ([np.zeros(SHAPE), np.zeros((30, 30))], r"must have one size, got \(30, 30\) in frame 1"),
        ([np.zeros((4, *SHAPE))], r"must be \(height, width\), got shape"),
        ([np.zeros((4, 44))], "5 pixels does not fit into frames of 44x4"),
    ],
)  # fmt: skip
def test_impossible_maps_are_refused(maps, sentence):
    with pytest.raises(ValueError, match=sentence):
        track_density(maps, size=SIZE, config=CONFIG)


@pytest.mark.parametrize("stride", [0.0, -2.0, float("nan"), float("inf")])
def test_impossible_strides_are_refused(stride):
    with pytest.raises(ValueError, match="stride must be positive"):
        track_density(np.zeros((2, *SHAPE)), size=SIZE, config=CONFIG, stride=stride)


@pytest.mark.parametrize(
    ("windows", "sentence"),
    [
        (WindowConfig(kind="hard", pixels=7), r"at least 4.5 sigma = 7.2 pixels wide, got 7"),
        (WindowConfig(pixels=40), "40 pixels does not fit into frames of 44x36"),
        (WindowConfig(pixels=5, depth=3), "one frame deep, got depth 3"),
    ],
)
def test_windows_that_do_not_fit_are_refused(crowd, windows, sentence):
    _, maps = crowd
    config = TrackConfig(windows=windows, block_frames=12)
    for given in (maps[:5], np.zeros_like(maps[:5])):
        with pytest.raises(ValueError, match=sentence):
            track_density(given, size=SIZE, config=config)


def test_no_candidates_are_no_tracks_and_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        result = track_density(np.zeros((5, *SHAPE)), size=SIZE, config=CONFIG)
    assert len(result.tracks) == 0
    assert result.tracks.length == 5
    assert result.warnings == ("no object was found: the maps sum to 0.00 objects a frame",)
    assert result.warnings[0] in caplog.text
    assert result.look_here == ()


@pytest.mark.parametrize("solver", ["paths", "highs", "scipy", "pulp-cbc", "pulp-highs"])
def test_empty_stretches_of_a_video_do_no_harm(crowd, solver):
    _, maps = crowd
    gone = maps[:15].copy()
    gone[4:9] = 0
    config = TrackConfig(
        **(vars(CONFIG) | {"block_frames": 5, "overlap_frames": 0, "solver": SolverConfig(solver=solver, gap=0.1)})
    )  # fmt: skip
    result = track_density(gone, size=SIZE, config=config)
    assert result.tracks.counts()[:4].min() > 0
    assert result.tracks.length == 15
    assert not any("proven" in sentence for sentence in result.warnings)


def test_a_single_frame_is_counted():
    truth = simulate_crowd(
        1, SHAPE, size=SIZE, seed=5, config=CrowdConfig(people=6, companions=0.0)
    )
    maps = simulate_density(truth, SHAPE, size=SIZE, seed=5)
    result = track_density(maps, size=SIZE, config=CONFIG)
    assert abs(len(result.tracks) - len(truth)) <= 2
    assert len(result.tracks.ids) == len(result.tracks)


def test_a_map_that_disagrees_with_the_tracks_is_reported(crowd):
    _, maps = crowd
    result = track_density(maps + np.float32(0.01), size=SIZE, config=CONFIG)
    assert any(
        "the maps count" in sentence and "calibrate" in sentence for sentence in result.warnings
    )


def test_an_unproven_block_is_reported_also_when_path_search_stood_in(crowd):
    _, maps = crowd
    late = SolverConfig(solver="scipy", time_limit=1e-6)
    result = track_density(
        maps[:8], size=SIZE, config=TrackConfig(**(vars(CONFIG) | {"solver": late}))
    )
    assert result.blocks[0].solver == "paths"
    assert not result.blocks[0].proven
    assert len(result.tracks)
    assert any("1 of 1 blocks are not proven" in sentence for sentence in result.warnings)
    quiet = track_density(maps[:8], size=SIZE, config=CONFIG)
    assert not any("proven" in sentence for sentence in quiet.warnings)


def test_certified_blocks_have_a_bound(crowd):
    _, maps = crowd
    certain = SolverConfig(certify=True, gap=0.05, search=SearchConfig(trials=1.0))
    result = track_density(
        maps[:8], size=SIZE, config=TrackConfig(**(vars(CONFIG) | {"solver": certain}))
    )
    block = result.blocks[0]
    assert block.proven
    assert block.bound is not None
    assert block.bound <= block.objective


@dataclass
class _Network:
    """Stands for a density network: every frame's map is the mean of its colors, at half its size."""

    size: ObjectSize = SIZE
    stride: float = 2.0

    def predict(self, frames):
        for frame in frames:
            yield 0.06 * np.asarray(frame, np.float32)[..., ::2, ::2].reshape(-1, 36, 44).mean(
                axis=0
            )


def test_a_tracker_follows_a_folder_of_pictures(tmp_path):
    rows, columns = np.mgrid[:72, :88]
    for t in range(6):
        spot = np.exp(-((columns - 20 - 4 * t) ** 2 + (rows - 36) ** 2) / (2 * 3.2**2))
        write_image(tmp_path / f"{t:03d}.png", np.repeat(spot[None], 3, axis=0).astype(np.float32))
    tracker = DensityTracker(_Network(), CONFIG)  # pyright: ignore[reportArgumentType]
    result = tracker.track(tmp_path)
    assert result.tracks.ids.tolist() == [1]
    np.testing.assert_allclose(result.tracks.x, 20 + 4 * np.arange(6), atol=1.0)
    np.testing.assert_allclose(result.tracks.y, 36, atol=1.0)
    assert DensityTracker(_Network()).config == TrackConfig()  # pyright: ignore[reportArgumentType]
