import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from tenfold_shared import RunFolder, load_checkpoint, read_metrics, torch_stream
from tenfold_shared.distributed import (
    SynchronizedBatchNorm,
    World,
    any_rank,
    current_world,
    global_mean,
    mean_over_ranks,
    shard,
    start,
    stop,
    synchronize_batchnorm,
    unshard,
    wrap,
)
from tenfold_shared.testing import check_gradient

CPU = torch.device("cpu")


def network(kind=nn.BatchNorm2d, **options):
    torch.manual_seed(0)  # noqa: TID251
    inner = nn.Sequential(nn.Conv2d(3, 5, 3), kind(5, **options), nn.ReLU())
    return nn.Sequential(inner, nn.Conv2d(5, 4, 3), kind(4, **options)).double()


def batch(step):
    return torch.randn(8, 3, 7, 6, generator=torch_stream(0, "batch", step)).double() * 3 + 5


def train(model, steps=5):
    """Train on this process's share of each batch; return the losses of whole batches."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for step in range(steps):
        x = shard(batch(step))
        loss = (model(x) * x.mean((1, 2, 3), keepdim=True)).sin().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(mean_over_ranks(loss))
    return losses


def join(rank, size, port):
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    assert start(CPU) == World(rank, size)
    assert start(CPU) == World(rank, size), "a second start changes nothing"


def compare_with_one_process(rank, port, folder):
    join(rank, 2, port)
    model = synchronize_batchnorm(network())
    losses = train(wrap(model, CPU))
    if rank == 0:
        torch.save({"losses": losses, **model.state_dict()}, folder / "two")  # noqa: TID251
    plain = network()
    train(wrap(plain, CPU))  # statistics of the halves only
    if rank == 0:
        torch.save(plain.state_dict(), folder / "unsynchronized")  # noqa: TID251
    stop()


def unequal_shares(rank, port, folder):
    """Batch normalization alone, with shares of 5 and 3, forward and backward."""
    join(rank, 2, port)
    layer = synchronize_batchnorm(nn.BatchNorm2d(3, momentum=None).double())
    x = batch(0)[:5] if rank == 0 else batch(0)[5:]
    x = x.clone().requires_grad_()
    output = layer(x)
    (output * torch.arange(output[0].numel()).view_as(output[0]).cos()).sum().backward()
    found = {"output": output.detach(), "grad": x.grad, **layer.state_dict()}
    torch.save(found, folder / f"rank{rank}")  # noqa: TID251
    assert mean_over_ranks(float(rank), weight=1 + 2 * rank) == 0.75
    assert any_rank(rank == 1)
    assert not any_rank(False)
    assert current_world().is_first == (rank == 0)
    stop()
    assert not dist.is_initialized()


def curved_loss(model, x):
    """Return a loss that is no mean over samples."""
    return global_mean((model(x) * x.mean((1, 2, 3), keepdim=True)).sin().mean()).exp()


def curved_loss_on_two(rank, port, folder):
    join(rank, 2, port)
    model = synchronize_batchnorm(network())
    whole = unshard(shard(batch(0)))
    wrapped = wrap(model, CPU)  # must outlive the backward pass
    curved_loss(wrapped, shard(batch(0))).backward()
    if rank == 0:
        found = {name: p.grad for name, p in model.named_parameters()}
        torch.save({"whole": whole, **found}, folder / "two")  # noqa: TID251
    stop()


def run_folder_on_two(rank, port, folder, steps):
    join(rank, 2, port)
    model = synchronize_batchnorm(network())
    wrapped = wrap(model, CPU)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.05, momentum=0.9)
    config = dict_config(steps=steps)
    with RunFolder(folder, config=config, package="tenfold-shared", seed=0) as run:
        run.track(models={"net": wrapped}, optimizers={"sgd": optimizer})
        for step in run.steps(steps):
            loss = wrapped(shard(batch(step))).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log(step, loss=mean_over_ranks(loss))
            if steps == 4 and rank == 1 and step == 2:
                run._signal = 15  # the signal reaches only the second process
    stop()


def dict_config(**values):
    import dataclasses

    fields = [(name, type(value), value) for name, value in values.items()]
    return dataclasses.make_dataclass("Config", fields)()


@pytest.fixture
def port():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def spawn(function, *arguments, code=0):
    """Fork two processes: torch is already imported."""
    context = mp.get_context("fork")
    processes = [context.Process(target=function, args=(r, *arguments)) for r in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        alive = process.is_alive()
        process.kill()
        assert not alive, "the processes wait for each other"
        assert process.exitcode == code


def load(path):
    return torch.load(path, weights_only=True)  # noqa: TID251


pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="torch without gloo")


def test_two_processes_train_like_one(tmp_path, port):
    one = network()
    losses = train(one)
    spawn(compare_with_one_process, port, tmp_path)
    two, unsynchronized = load(tmp_path / "two"), load(tmp_path / "unsynchronized")
    assert two.pop("losses") == pytest.approx(losses, abs=1e-10)
    assert two.keys() == one.state_dict().keys()
    for key, tensor in one.state_dict().items():
        torch.testing.assert_close(two[key], tensor, rtol=0, atol=1e-9)
    difference = (unsynchronized["0.0.weight"] - one[0][0].weight).abs().max()
    assert difference > 1e-4, "test invalid: without synchronization it must differ"


def test_unequal_shares_are_weighted_by_their_counts(tmp_path, port):
    spawn(unequal_shares, port, tmp_path)
    found = [load(tmp_path / f"rank{rank}") for rank in range(2)]
    layer = nn.BatchNorm2d(3, momentum=None).double()
    x = batch(0).requires_grad_()
    output = layer(x)
    (output * torch.arange(output[0].numel()).view_as(output[0]).cos()).sum().backward()
    both = {key: torch.cat([f[key] for f in found]) for key in ("output", "grad")}
    torch.testing.assert_close(both["output"], output, rtol=0, atol=1e-12)
    torch.testing.assert_close(both["grad"], x.grad, rtol=0, atol=1e-12)
    for part in found:
        for key, tensor in layer.state_dict().items():
            torch.testing.assert_close(part[key], tensor, rtol=1e-12, atol=1e-12)


def test_losses_that_are_no_means_have_the_gradient_of_one_process(tmp_path, port):
    model = network()
    curved_loss(model, batch(0)).backward()
    spawn(curved_loss_on_two, port, tmp_path)
    found = load(tmp_path / "two")
    assert torch.equal(found.pop("whole"), batch(0))
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=0, atol=1e-12)


def test_a_run_on_two_processes_stops_together_and_resumes(tmp_path, port):
    spawn(run_folder_on_two, port, tmp_path / "a", 3)
    spawn(run_folder_on_two, port + 1, tmp_path / "b", 4, code=143)
    package = "tenfold-shared"
    at_two = load_checkpoint(tmp_path / "b" / "checkpoint.safetensors", package=package)
    assert at_two.metadata["step"] == 2
    spawn(run_folder_on_two, port + 2, tmp_path / "b", 3)
    runs = [
        load_checkpoint(tmp_path / name / "checkpoint.safetensors", package=package)
        for name in "ab"
    ]
    assert runs[0].models["net"].keys() == network().state_dict().keys()
    for key, tensor in runs[0].models["net"].items():
        assert torch.equal(tensor, runs[1].models["net"][key])
    metrics = [read_metrics(tmp_path / name / "metrics.jsonl") for name in "ab"]
    assert metrics[0] == metrics[1]
    assert len(metrics[0]) == 3


@pytest.mark.slow
def test_torchrun_starts_two(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(
        "from tenfold_shared.distributed import *\n"
        "world = start()\n"
        "total = mean_over_ranks(float(world.rank))\n"
        "assert world.size == 2 and total == 0.5\n"
        "if world.is_first: print('done')\n"
        "stop()\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    result = subprocess.run([*command, script], capture_output=True, text=True, check=False)
    assert result.stdout == "done\n", result.stderr


@pytest.mark.parametrize(
    ("kind", "shape"),
    [(nn.BatchNorm1d, (6, 3)), (nn.BatchNorm1d, (4, 3, 5)), (nn.BatchNorm2d, (3, 3, 4, 5)),
     (nn.BatchNorm3d, (2, 3, 2, 3, 2))],
)  # fmt: skip
@pytest.mark.parametrize(
    "options", [{}, {"affine": False}, {"track_running_stats": False}, {"momentum": None}]
)
def test_alone_it_is_torchs_batch_normalization(kind, shape, options):
    torch.manual_seed(0)  # noqa: TID251
    theirs = kind(3, **options).double()
    ours = synchronize_batchnorm(copy.deepcopy(theirs))
    assert isinstance(ours, SynchronizedBatchNorm)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for training in (True, True, False):
        theirs.train(training)
        ours.train(training)
        x = [(torch.randn(shape, generator=torch_stream(1)) * 3 + 7).double() for _ in range(2)]
        y = [layer(t.requires_grad_()) for layer, t in zip((theirs, ours), x, strict=True)]
        torch.testing.assert_close(y[1], y[0], rtol=0, atol=1e-12)
        for output in y:
            output.sin().sum().backward()
        torch.testing.assert_close(x[1].grad, x[0].grad, rtol=0, atol=1e-12)
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=1e-12)
        for key, tensor in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[key], tensor, rtol=0, atol=1e-12)


def test_the_gradient_is_that_of_finite_differences():
    layer = synchronize_batchnorm(nn.BatchNorm1d(2).double())
    check_gradient(lambda x: layer(x).sin(), [torch.randn(5, 2, generator=torch_stream(0))])


def test_half_precision_statistics_are_computed_in_single():
    layer = synchronize_batchnorm(nn.BatchNorm1d(2))
    x = (torch.randn(512, 2, generator=torch_stream(0)) + 100).bfloat16()
    assert layer.running_mean.dtype == torch.float32
    y = layer(x)
    assert abs(y.float().mean()) < 0.01
    torch.testing.assert_close(layer.running_mean, 0.1 * x.float().mean(0))


def test_parameters_stay_the_same_objects():
    model = network()
    before = list(model.parameters())
    assert synchronize_batchnorm(model) is model
    assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
    model.eval()
    x = batch(0)
    torch.testing.assert_close(model(x), network().eval()(x))


def test_alone_everything_is_a_no_op(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert start() == World(0, 1) == current_world()
    model = network()
    assert wrap(model, CPU) is model
    assert mean_over_ranks(torch.tensor(2.0, requires_grad=True)) == 2
    assert mean_over_ranks(3) == 3
    x = batch(0)
    assert unshard(x) is x
    assert global_mean(x) is x
    stop()


def test_shards_cover_a_batch_exactly_once():
    order = np.arange(12)
    parts = [shard(order, World(rank, 3)) for rank in range(3)]
    assert sorted(np.concatenate(parts)) == list(order)
    assert len({len(part) for part in parts}) == 1
    with pytest.raises(ValueError, match="13 cannot be divided by 3"):
        shard(list(range(13)), World(0, 3))
