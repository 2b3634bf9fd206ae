import copy
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tbc_tracking.crops import Crop
from tbc_tracking.data import read_training_data
from tbc_tracking.density_network import NETWORK_NAME, DensityNetwork
from tbc_tracking.networks import build_network
from tbc_tracking.tracks import Tracks
from tbc_tracking.training import cycle_rate, follow_average, train, train_step
from tbc_tracking.training_config import TrainingConfig
from tbc_tracking.validation import FrameSums, compare_maps, count_errors, score_frames
from tenfold_shared.errors import UserError
from tenfold_shared.images import write_image
from tenfold_shared.metrics import read_metrics
from tenfold_shared.seeds import numpy_stream

TINY = TrainingConfig(
    widths=(6, 8, 10), sigma=1.2, background="none", crop=24, batch=2, steps=4, checkpoint_every=2
)


def make_video(length=8, height=32, width=40):
    """Three bright discs on noise in each frame, and their centers."""
    random = numpy_stream(0, "discs")
    rows, columns = np.mgrid[0:height, 0:width]
    frames, table = 0.1 * random.random((length, height, width)), []
    for frame in range(length):
        for x, y in zip(
            random.uniform(4, width - 5, 3), random.uniform(4, height - 5, 3), strict=True
        ):
            frames[frame] += 0.6 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 6)
            table.append((frame, x, y))
    frame, x, y = np.array(table).T
    tracks = Tracks.from_rows(
        frame.astype(int), np.arange(len(table)), x=x, y=y, width=5.0, height=9.0, length=length
    )
    return np.clip(frames, 0, 1).astype(np.float32), tracks


def run(folder: Path, config: TrainingConfig = TINY, *, seed: int = 0):
    frames, tracks = make_video()
    return train(config, folder, frames=frames, tracks=tracks, seed=seed, device="cpu")


def _weights(folder: Path) -> bytes:
    return (folder / NETWORK_NAME).read_bytes()


def _fresh(channels=1):
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        return build_network("unet", channels=channels, widths=(6, 8, 10))


def _batch():
    random = numpy_stream(0, "batch")
    image = torch.from_numpy(random.random((2, 1, 16, 16)).astype(np.float32))
    target = torch.zeros(2, 1, 8, 8)
    target[0, 0, 3, 3] = target[1, 0, 5, 2] = 0.04
    return Crop(image, target, torch.ones(2, 1, 8, 8))


def test_a_step_changes_exactly_the_network():
    network, batch = _fresh(), _batch()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0)
    before, seen = copy.deepcopy(network.state_dict()), [part.clone() for part in batch]
    losses = train_step(network, optimizer, batch, config=TINY)
    unchanged = [
        name for name, value in network.state_dict().items() if torch.equal(value, before[name])
    ]
    assert not unchanged
    assert all(torch.equal(part, copied) for part, copied in zip(batch, seen, strict=True))
    assert not losses.total.requires_grad


def test_the_average_follows_and_leaves_the_network_alone():
    network = _fresh()
    average = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 1
    before = copy.deepcopy(network.state_dict())
    follow_average(average, network, step=10_000, decay=0.75)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    for kept, current in zip(average.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(kept, current - 0.75)
    network(_batch().image)  # moves the statistics, which belong to the weights
    follow_average(average, network, step=1, decay=0)
    for name, value in network.state_dict().items():
        assert torch.equal(average.state_dict()[name], value)


@pytest.mark.parametrize(("kind", "rate"), [("unet", 1e-2), ("mcnn", 1e-3)])
def test_one_batch_can_be_learned_by_heart(kind, rate):
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        network = build_network(kind, channels=1, widths=(6, 8, 10))
    image = _batch().image
    side = 16 // network.stride
    target = torch.zeros(2, 1, side, side)
    target[0, 0, 3, 3] = target[1, 0, 0, 2] = 0.04
    batch = Crop(image, target, torch.ones_like(target))
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0)
    losses = [train_step(network, optimizer, batch, config=TINY).total for _ in range(150)]
    assert losses[-1] < 0.05 * losses[0]
    assert network(image)[0, 0, 3, 3].item() == pytest.approx(4, abs=0.8)


def test_the_rate_rises_and_falls_once():
    rates = [cycle_rate(step, steps=100, peak=2.0) for step in range(1, 101)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(2.0, rel=1e-2)
    assert 25 < top < 35
    assert rates[0] == pytest.approx(2 / 25)
    assert rates[-1] < 1e-3
    assert all(np.diff(rates[: top + 1]) > 0)
    assert all(np.diff(rates[top:]) < 0)
    assert math.isfinite(cycle_rate(1, steps=1, peak=1.0))


def test_training_learns_to_count(tmp_path):
    config = replace(TINY, steps=120, batch=4, learning_rate=1e-2, validate=("6:8",))
    result = run(tmp_path / "run", config)
    assert result.scores is not None
    untrained = run(tmp_path / "untrained", replace(config, steps=1))
    assert untrained.scores is not None
    assert result.scores.count_mae < 0.6
    assert result.scores.map_mse < 0.5 * untrained.scores.map_mse
    loaded = DensityNetwork.load(tmp_path / "run" / NETWORK_NAME, device="cpu")
    frames, _ = make_video()
    assert loaded.predict_all(frames)[6:].sum() / 2 == pytest.approx(3, abs=1e-3), "calibrated"
    assert loaded.description.data["fit"] == []
    assert loaded.description.data["points"] == 18


def test_a_known_factor_serves_where_no_frames_are_left_to_validate(tmp_path):
    plain = run(tmp_path / "plain").network
    scaled = run(tmp_path / "scaled", replace(TINY, calibration_scale=1.25)).network
    frames, _ = make_video()
    maps = plain.predict_all(frames)
    np.testing.assert_allclose(scaled.predict_all(frames), 1.25 * maps, rtol=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, seed=seed)
    assert _weights(tmp_path / "a") == _weights(tmp_path / "b")
    assert _weights(tmp_path / "a") != _weights(tmp_path / "c")


@pytest.mark.parametrize("settings", [{}, {"average": 0.9, "zoom": 1.3, "network": "mcnn"}])
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(tmp_path, settings, monkeypatch):
    config = replace(TINY, steps=5, **settings)
    run(tmp_path / "whole", config)
    import tbc_tracking.training as training

    class KilledError(Exception):
        pass

    def killed(network, optimizer, crop, *, config):
        if (tmp_path / "cut" / "metrics.jsonl").read_text().count("total") == 3:
            raise KilledError
        return train_step(network, optimizer, crop, config=config)

    monkeypatch.setattr(training, "train_step", killed)
    with pytest.raises(KilledError):
        run(tmp_path / "cut", config)
    assert not (tmp_path / "cut" / NETWORK_NAME).exists()
    monkeypatch.undo()
    run(tmp_path / "cut", config)
    assert _weights(tmp_path / "cut") == _weights(tmp_path / "whole")
    metrics = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("cut", "whole")]
    assert metrics[0] == metrics[1]


def test_the_state_of_a_finished_training_stands_for_its_network(tmp_path):
    result = run(tmp_path)
    frames, _ = make_video()
    loaded = DensityNetwork.load(tmp_path / "checkpoint.safetensors", device="cpu")
    np.testing.assert_array_equal(loaded.predict_all(frames), result.network.predict_all(frames))
    (tmp_path / NETWORK_NAME).unlink()
    with pytest.raises(UserError, match="finish its training"):
        DensityNetwork.load(tmp_path / "checkpoint.safetensors")


def test_validation_does_not_change_the_training(tmp_path):
    config = replace(TINY, validate=("6:8",))
    run(tmp_path / "once", config)
    run(tmp_path / "often", replace(config, validate_every=1))
    once, often = (DensityNetwork.load(tmp_path / n / NETWORK_NAME) for n in ("once", "often"))
    for name, value in once.module.state_dict().items():
        assert torch.equal(value, often.module.state_dict()[name])
    steps = [
        m.step for m in read_metrics(tmp_path / "often" / "metrics.jsonl") if m.name == "map_mse"
    ]
    assert steps == [1, 2, 3, 4]


def test_bf16_without_a_gpu_is_refused(tmp_path):
    with pytest.raises(UserError, match="GPU"):
        run(tmp_path, replace(TINY, precision="bf16"))


def test_scores_are_the_definitions():
    frames = [
        FrameSums(np.array([1.0, 1.0]), np.zeros(2), 0.25),
        FrameSums(np.array([0.0, 1.0]), np.array([2.0, 0.0]), 0.0625),
    ]
    scores = score_frames(frames)
    assert scores.count_mae == pytest.approx((2 + 1) / 2)
    assert scores.count_bias == pytest.approx((2 - 1) / 2)
    assert scores.map_mse == pytest.approx(1e4 * (0.25 + 0.0625) / 2)
    with pytest.raises(ValueError, match="at least one"):
        score_frames([])


def test_ignored_places_do_not_enter_the_comparison(tmp_path):
    mask = np.ones((3, 32, 40), np.float32)
    mask[:, 8:16] = 0
    write_image(tmp_path / "ignore.png", mask)
    frames, tracks = make_video()
    config = replace(TINY, ignore=tmp_path / "ignore.png", validate=("6:8",))
    data = read_training_data(frames, tracks, config=config, stride=2)
    network = train(config, tmp_path / "run", frames=frames, tracks=tracks, device="cpu").network
    for sums in compare_maps(network, data.validate):
        assert sums.predicted[4:8].any()
        assert not np.delete(sums.predicted, range(4, 8)).any()
        assert not np.delete(sums.target, range(4, 8)).any()


DISTRIBUTED = """
import sys, torch
from dataclasses import replace
from pathlib import Path
torch.set_num_threads(1)
torch.set_default_dtype(torch.float32)
sys.path.insert(0, sys.argv[2])
import test_training
test_training.run(Path(sys.argv[1]), replace(test_training.TINY, average=0.5, steps=3))
"""


@pytest.mark.slow
def test_two_processes_compute_what_one_does(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(DISTRIBUTED)
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, modules in (("one", []), ("two", ["-m", *launcher])):
        command = [sys.executable, *modules, script, tmp_path / name, Path(__file__).parent]
        subprocess.run(command, check=True, env=environment, capture_output=True)
    one, two = (DensityNetwork.load(tmp_path / n / NETWORK_NAME).module for n in ("one", "two"))
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.gpu
def test_training_on_the_gpu_learns(tmp_path):
    frames, tracks = make_video()
    for precision in ("fp32", "bf16"):
        config = replace(
            TINY, steps=120, batch=4, learning_rate=1e-2, validate=("6:8",), precision=precision
        )
        folder = tmp_path / precision
        result = train(config, folder, frames=frames, tracks=tracks, device="cuda")
        assert result.scores is not None
        assert result.scores.count_mae < 0.8


def test_counts_are_told_after_calibration_and_beside_a_constant():
    frames = [
        FrameSums(np.array([1.0, 2.0]), np.array([2.0, 3.0]), 0.0),
        FrameSums(np.array([2.0, 1.0]), np.array([4.0, 3.0]), 0.0),
    ]
    errors = count_errors(frames, factors=np.array([2.0, 1.0]), constant=6.5)
    assert errors.calibrated == pytest.approx((abs(4 - 5) + abs(5 - 7)) / 2)
    assert errors.constant == pytest.approx((1.5 + 0.5) / 2)
