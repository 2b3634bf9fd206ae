"""What a pass costs; no number is asserted about time."""

from tiny_training import blocks

from lsp_distillation.distillation import new_network
from lsp_distillation.network_config import NetworkConfig
from lsp_distillation.timing import inference_seconds


def test_a_first_pass_is_not_counted(monkeypatch):
    from lsp_distillation import timing

    task = blocks()
    network = new_network(NetworkConfig(width=3), task, seed=0, role="student")
    calls = []
    network.register_forward_hook(lambda *_: calls.append(network.training))
    monkeypatch.setattr(timing, "SECONDS", 6.0)  # so that three passes are not enough
    ticks = iter([0.0, 0.5, 1.0, 2.0, 4.0, 5.0, 10.0, 11.0, 20.0, 22.5])
    monkeypatch.setattr(timing, "_clock", lambda _task: next(ticks))
    assert inference_seconds(network, task, repeats=3) == 1.0  # the least but the first
    assert calls == [False] * 5
