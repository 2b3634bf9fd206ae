import pytest
import torch
from torch import nn

from tenfold_shared import UserError, choose_device
from tenfold_shared.devices import autocast, compile_module, describe_device, unwrap_module


def machine(monkeypatch, gpus=0, mps=False):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_auto_takes_the_best_there_is(monkeypatch):
    machine(monkeypatch)
    assert choose_device() == torch.device("cpu")
    machine(monkeypatch, mps=True)
    assert choose_device("auto") == torch.device("mps")
    machine(monkeypatch, gpus=2, mps=True)
    assert choose_device("auto") == torch.device("cuda", 0)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("cuda") == torch.device("cuda", 1)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7", "mps"])
def test_a_missing_device_is_named_with_what_was_found(monkeypatch, name):
    machine(monkeypatch)
    with pytest.raises(UserError, match=f"--device {name} is not available: .* 0 CUDA devices"):
        choose_device(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "CPU", "cpu:0"])
def test_names_that_do_not_exist(name):
    with pytest.raises(ValueError, match="device must be"):
        choose_device(name)


def test_precision():
    layer, x = nn.Linear(2, 2), torch.rand(1, 2)
    with autocast(torch.device("cpu"), "bf16"):
        assert layer(x).dtype == torch.bfloat16
    with autocast(torch.device("cpu")):
        assert layer(x).dtype == torch.float32
    with pytest.raises(ValueError, match="precision must be"):
        autocast(torch.device("cpu"), "fp16")


def test_compiled_modules_are_looked_through():
    module = nn.Linear(2, 2)
    assert compile_module(module, enabled=False) is module
    compiled = compile_module(module, enabled=True)
    assert compiled is not module
    assert unwrap_module(compiled) is module
    assert unwrap_module(module) is module


def test_descriptions():
    assert "threads" in describe_device(torch.device("cpu"))


@pytest.mark.gpu
def test_a_gpu_describes_itself():
    assert "GiB" in describe_device(choose_device("cuda"))
