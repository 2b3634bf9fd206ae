import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_training import NETWORK, tiny_training, write_pictures
from tiny_vgg import tiny_vgg

from din_style.config import LossConfig, NetworkConfig, TrainingConfig
from din_style.content_cache import ContentBatch
from din_style.data import is_held_out
from din_style.network_files import NETWORK_FILE, load_network
from din_style.networks import build_network
from din_style.style_cache import Styles, describe_styles
from din_style.training import (
    Stylizer,
    falling_rate,
    follow_average,
    pixel_step,
    style_step,
    total_steps,
    train,
)
from tenfold_shared import read_metrics
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import torch_stream


def _batch(config, size=32):
    stream = torch_stream(0, "batch")
    images = torch.rand(2, 3, size, size, generator=stream)
    vgg = tiny_vgg()
    features = vgg(images, ["relu3_3"])["relu3_3"]
    styles = describe_styles(vgg, torch.rand(2, 3, size, size, generator=stream) ** 3, config)
    moments = styles.moments if config.loss.identity_weight else None
    return ContentBatch(images, features, moments), styles, vgg


def _stylizer(config):
    with torch.random.fork_rng():
        torch.random.default_generator.set_state(torch_stream(0, "weights").get_state())
        stylizer = Stylizer(build_network(config.network))
    return stylizer, torch.optim.Adam(stylizer.parameters(), lr=1e-2)


def _state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("kind", ["pixel", "style"])
def test_a_step_changes_exactly_the_network(kind):
    config = TrainingConfig(network=NETWORK)
    (content, styles, vgg), (stylizer, optimizer) = _batch(config), _stylizer(config)
    before, images = _state(stylizer), content.images.clone()
    judge = [tensor.clone() for tensor in vgg.buffers()]
    if kind == "pixel":
        pixel_step(stylizer, optimizer, content.images, styles, config=config)
    else:
        style_step(stylizer, optimizer, content, styles, config=config, vgg=vgg)
    same = {n for n, tensor in stylizer.state_dict().items() if torch.equal(tensor, before[n])}
    assert same == {"network.codes.mean", "network.codes.std"}
    assert torch.equal(content.images, images)
    assert all(map(torch.equal, vgg.buffers(), judge))


def test_long_gradients_are_cut():
    lengths = []
    for clip in (1e-3, 1e6):
        config = TrainingConfig(network=NETWORK, clip=clip)
        (content, styles, _), (stylizer, _) = _batch(config), _stylizer(config)
        before = _state(stylizer)
        optimizer = torch.optim.SGD(stylizer.parameters(), lr=1.0)
        pixel_step(stylizer, optimizer, content.images, styles, config=config)
        moved = [(tensor - before[n]).square().sum() for n, tensor in _state(stylizer).items()]
        lengths.append(float(torch.stack(moved).sum().sqrt()))
    assert lengths[1] > 2e-3, "test invalid: the gradient is short"
    assert lengths[0] == pytest.approx(1e-3, rel=1e-2)


def test_blends_of_styles_are_trained_on(tmp_path):
    found = {}
    for share in (0.0, 1.0):
        config, pictures = tiny_training(tmp_path, mix_styles=share)
        train(config, tmp_path / f"run{share}", **pictures, device="cpu")
        rows = read_metrics(tmp_path / f"run{share}" / "metrics.jsonl")
        found[share] = [row.value for row in rows if row.name == "style"]
    assert found[0.0] != found[1.0]


def test_one_batch_is_overfitted():
    config = TrainingConfig(network=NETWORK, loss=LossConfig(style_weight=10))
    (content, styles, vgg), (stylizer, optimizer) = _batch(config), _stylizer(config)
    first = style_step(stylizer, optimizer, content, styles, config=config, vgg=vgg)
    for _ in range(80):
        last = style_step(stylizer, optimizer, content, styles, config=config, vgg=vgg)
    assert float(last.style) < 0.1 * float(first.style)


@pytest.mark.parametrize(
    "changes",
    [
        {"variation_weight": 1.0},
        {"pair_weight": 100.0},
        {"color_weight": 30.0},
        {"identity_weight": 1.0},
        {"style_loss": "gram"},
    ],
)
def test_every_term_moves_the_network(changes):
    plain = TrainingConfig(network=NETWORK)
    config = dataclasses.replace(plain, loss=LossConfig(**changes))
    results = []
    for each in (plain, config):
        (content, styles, vgg), (stylizer, optimizer) = _batch(each), _stylizer(each)
        losses = style_step(stylizer, optimizer, content, styles, config=each, vgg=vgg)
        results.append(float(losses.total))
    assert results[0] != pytest.approx(results[1], rel=1e-6)


def test_the_average_follows_the_network_and_forgets_its_beginning():
    config = TrainingConfig(network=NETWORK)
    network, average = (build_network(config.network) for _ in range(2))
    before = _state(network)
    follow_average(average, network, step=1, decay=0.99)
    name = "blocks.0.first.depthwise.weight"
    assert torch.equal(network.state_dict()[name], before[name])
    gap = (average.state_dict()[name] - before[name]).abs().mean()
    for step in range(2, 400):
        follow_average(average, network, step=step, decay=0.9)
    assert float((average.state_dict()[name] - before[name]).abs().mean()) < 0.01 * float(gap)


def test_the_rate_falls_linearly():
    config = TrainingConfig(network=NETWORK, steps=11, pixel_steps=0)
    assert falling_rate(1, config) == config.learning_rate
    assert falling_rate(11, config) == pytest.approx(config.last_rate)
    middle = (config.learning_rate + config.last_rate) / 2
    assert falling_rate(6, config) == pytest.approx(middle)


def test_a_training_leaves_a_network_and_scores(tmp_path):
    config, pictures = tiny_training(tmp_path, validate_every=4)
    result = train(config, tmp_path / "run", **pictures, device="cpu")
    assert result.scores is not None
    assert result.scores.identity_style > 0
    read = load_network(tmp_path / "run" / NETWORK_FILE)
    assert read.fingerprint() == result.network.fingerprint()
    checkpoint = load_network(tmp_path / "run" / "checkpoint.safetensors")
    assert checkpoint.fingerprint() == read.fingerprint()
    rows = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert {"pixel", "style", "content", "retrieval"} <= {row.name for row in rows}


def test_an_interrupted_training_ends_in_the_same_bits(tmp_path, monkeypatch):
    config, pictures = tiny_training(tmp_path, mix_styles=0.5, style_views=2)
    whole = train(config, tmp_path / "whole", **pictures, device="cpu")
    calls = 0

    def fails(*arguments, **settings):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return style_step(*arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr("din_style.training.style_step", fails)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts", **pictures, device="cpu")
    assert not (tmp_path / "parts" / NETWORK_FILE).exists()
    resumed = train(config, tmp_path / "parts", **pictures, device="cpu")
    assert resumed.network.fingerprint() == whole.network.fingerprint()
    other = train(config, tmp_path / "other", **pictures, seed=1, device="cpu")
    assert other.network.fingerprint() != whole.network.fingerprint(), "test invalid"


def test_workers_change_no_bits(tmp_path):
    found = []
    for workers in (0, 2):
        config, pictures = tiny_training(
            tmp_path, content_crops=0, workers=workers, pixel_steps=1, steps=2
        )
        result = train(config, tmp_path / f"run{workers}", **pictures, device="cpu")
        found.append(result.network.fingerprint())
    assert found[0] == found[1]


def test_trained_weights_are_a_beginning(tmp_path):
    config, pictures = tiny_training(tmp_path)
    train(config, tmp_path / "first", **pictures, device="cpu")
    further, _ = tiny_training(tmp_path, init=tmp_path / "first" / NETWORK_FILE, steps=2)
    assert total_steps(further) == 2
    train(further, tmp_path / "second", **pictures, device="cpu")
    wrong, _ = tiny_training(
        tmp_path,
        init=tmp_path / "first" / NETWORK_FILE,
        network=dataclasses.replace(NETWORK, blocks=2),
    )
    with pytest.raises(UserError, match="other settings"):
        train(wrong, tmp_path / "third", **pictures, device="cpu")


def test_networks_that_read_maps_and_gram_losses_train(tmp_path):
    config, pictures = tiny_training(
        tmp_path,
        network=dataclasses.replace(NETWORK, style_input="map"),
        loss=LossConfig(style_loss="gram", color_weight=1.0),
    )
    result = train(config, tmp_path / "run", **pictures, device="cpu")
    assert result.network.config.style_numbers == 4


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"loss": LossConfig(style_layers=("relu9_9",))}, ValueError, "no layer 'relu9_9'"),
        ({"loss": LossConfig(content_layer="mean")}, ValueError, "no layer 'mean'"),
        ({"encoder": Path("nowhere.safetensors")}, UserError, "nowhere"),
        ({"network": NetworkConfig(preset="vgg")}, ValueError, "needs VGG-19 up to relu4_1"),
    ],
)
def test_what_cannot_be_trained_leaves_no_run_folder(tmp_path, changes, error, words):
    config, pictures = tiny_training(tmp_path, **changes)
    with pytest.raises(error, match=words):
        train(config, tmp_path / "run", **pictures, device="cpu")
    assert not (tmp_path / "run").exists()


def test_too_few_pictures_are_refused(tmp_path):
    config, pictures = tiny_training(tmp_path, validation_share=2)
    lonely = write_pictures(tmp_path / "lonely", count=1, seed=5)
    name = next(f"{i}.png" for i in range(99) if is_held_out(f"{i}.png", 2))
    (lonely / "0.png").rename(lonely / name)
    with pytest.raises(UserError, match="all fall to validation"):
        train(config, tmp_path / "run", contents=lonely, styles=pictures["styles"])


@pytest.fixture
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


_PROGRAM = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)  # Adam amplifies the noise of small gradients
from tiny_training import tiny_training
from din_style.training import train
config, pictures = tiny_training(Path(sys.argv[1]), precision="fp32")
train(config, Path(sys.argv[2]), **pictures, device="cpu")
"""


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path, double_precision):
    config, pictures = tiny_training(tmp_path)
    single = train(config, tmp_path / "single", **pictures, device="cpu").network
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--master-port=0", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    subprocess.run(
        [*command, str(program), str(tmp_path), str(tmp_path / "double")],
        env=environment,
        check=True,
        capture_output=True,
        timeout=300,
    )
    double = load_network(tmp_path / "double" / NETWORK_FILE)
    assert next(double.parameters()).dtype == torch.float64
    for (name, ours), theirs in zip(
        single.state_dict().items(), double.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6, msg=name)


def test_styles_keep_their_rows():
    styles = Styles(torch.arange(6.0).view(3, 2), torch.rand(3, 6))
    assert styles.rows(torch.tensor([2, 0])).moments.tolist() == [[4, 5], [0, 1]]
    assert styles.inputs() is styles.moments


def test_a_network_learns_to_read_estimates(tmp_path, monkeypatch):
    class Estimates(torch.nn.Module):
        def forward(self, images):
            return torch.full((len(images), 32), 0.5)

    monkeypatch.setattr("din_style.training.load_encoder", lambda path: Estimates())
    config, pictures = tiny_training(tmp_path, encoder=tmp_path / "encoder.safetensors")
    result = train(config, tmp_path / "run", **pictures, device="cpu")
    torch.testing.assert_close(result.network.codes.mean, torch.full((32,), 0.5))
