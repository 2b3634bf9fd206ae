"""Networks that read only the plain memory layout are taught, teach and are scored like others."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from labeled_pictures import bright_quarters
from tiny_game import CONFIG, tiny_pair
from torch import Tensor, nn

from dfad_distillation.comparison import rivals
from dfad_distillation.compressing import compress
from dfad_distillation.config import GeneratorConfig
from dfad_distillation.equal_seconds import train_for
from dfad_distillation.layouts import fastest_layout
from dfad_distillation.metrics import evaluate
from dfad_distillation.rivals import Setting

SHAPE = CONFIG.input.shape


class Viewing(nn.Module):
    """A network that flattens with `view`, as many do."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(1, width, 3), nn.Linear(36 * width, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.body(pictures).relu()
        return self.head(features.view(features.size(0), -1))


def test_channels_last_is_left_to_networks_that_can_be_computed_in_it():
    last = torch.channels_last
    with pytest.raises(RuntimeError, match="view"):
        Viewing().to(memory_format=last)(torch.zeros(2, *SHAPE).to(memory_format=last))
    teacher, student = tiny_pair()
    assert fastest_layout((teacher, student), SHAPE) == last
    assert fastest_layout((teacher, Viewing()), SHAPE) == torch.contiguous_format


@pytest.mark.parametrize("name", ["shuffle", "a", "b"])
@pytest.mark.parametrize("pair", ["teacher", "student", "both"])
def test_they_are_distilled(tmp_path: Path, name: str, pair: str):
    teacher, student = tiny_pair()
    teacher = teacher if pair == "student" else Viewing(8)
    student = student if pair == "teacher" else Viewing()
    generator = GeneratorConfig(name=name, width=4, latent=6)  # pyright: ignore[reportArgumentType]
    config = replace(CONFIG, generator=generator, rounds=2, states=1, snapshots=1, replay=1)
    before = [value.clone() for value in student.state_dict().values()]
    compress(teacher, tmp_path, student=student, config=config, device="cpu")
    assert not all(map(torch.equal, before, student.state_dict().values()))


@pytest.mark.parametrize("name", ["real data", *rivals({})])
def test_rivals_teach_them(name: str):
    methods = rivals({"real data": torch.randn(20, *SHAPE)})
    setting = Setting(CONFIG, Viewing(8), Viewing(), 0)
    before = [value.clone() for value in setting.student.state_dict().values()]
    train_for(2, methods[name], setting)
    assert not all(map(torch.equal, before, setting.student.state_dict().values()))


def test_they_are_scored():
    pictures = bright_quarters(8, size=8, classes=3)
    assert 0 <= evaluate(Viewing(), pictures, CONFIG.input).accuracy <= 1
