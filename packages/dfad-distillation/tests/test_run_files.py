"""What is read from a run folder: settings, generators, curves, figures, and a look before the run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from labeled_pictures import bright_quarters
from tiny_game import CONFIG, tiny_pair

from dfad_distillation import figures
from dfad_distillation.checking import SAMPLE, check_distillation, first_pictures, look_at_teacher
from dfad_distillation.config import InputSpace
from dfad_distillation.distillation import distill
from dfad_distillation.fidelity import check_labels, compare_with_teacher, in_size_of_labels
from dfad_distillation.run_files import (
    load_generator,
    open_run,
    paint,
    read_accuracy,
    read_progress,
)
from dfad_distillation.watching import CURVE, AccuracyCurve
from tenfold_shared.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    place = tmp_path_factory.mktemp("run")
    teacher, student = tiny_pair()
    distill(CONFIG, place, teacher=teacher, student=student, device="cpu")
    (place / CURVE).write_text('{"2": 0.25, "4": 0.5, "6": 0.75}')
    return place


def test_a_run_tells_its_settings_and_generators(folder: Path):
    run = open_run(folder)
    assert run.config == CONFIG
    assert (run.rounds, run.snapshots) == (6, (2, 4, 6))
    assert [one.round for one in read_progress(run)] == [2, 4, 6]
    assert read_accuracy(run) == {2: 0.25, 4: 0.5, 6: 0.75}


def test_samples_depend_on_the_seed_alone_and_leave_the_generator(folder: Path):
    run = open_run(folder)
    generator = load_generator(run)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    pictures = paint(generator, 5, seed=1)
    assert pictures.shape == (5, *CONFIG.input.shape)
    assert torch.equal(paint(generator, 5, seed=1), pictures)
    assert not torch.equal(paint(generator, 5, seed=2), pictures)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert torch.equal(paint(load_generator(run, 6), 5, seed=1), pictures), "the last one was kept"
    assert not torch.equal(paint(load_generator(run, 2), 5, seed=1), pictures)
    with pytest.raises(ValueError, match="at least 2"):
        paint(generator, 1)
    with pytest.raises(UserError, match="round 3; there are: 2, 4, 6"):
        load_generator(run, 3)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no run folder"):
        open_run(tmp_path)


def test_curves_hold_what_the_files_say(folder: Path):
    run = open_run(folder)
    drawn = {line.get_label(): line for line in figures.progress(run).axes[0].lines}
    assert list(drawn["score on real pictures"].get_ydata()) == [0.25, 0.5, 0.75]
    table = [one.agreement for one in read_progress(run)]
    assert list(drawn["agreement on generated pictures"].get_ydata()) == table
    assert [len(line.get_xdata()) for line in figures.losses(run).axes[0].lines] == [6, 6]


def test_samples_have_a_row_for_each_generator(folder: Path):
    picture = figures.sample_rows(open_run(folder), count=4)
    _, height, width = picture.shape
    assert height < width
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_axes_name_as_many_classes_as_can_be_read():
    assert list(figures.class_ticks(10)) == list(range(10))
    assert list(figures.class_ticks(100)) == list(range(0, 100, 5))
    assert len(figures.class_ticks(101)) <= 20


def test_agreement_with_oneself_is_a_diagonal(folder: Path):
    teacher, _ = tiny_pair()
    run = open_run(folder)
    figure = figures.confusion_on_samples(run, teacher, teacher, count=64)
    shares = np.asarray(figure.axes[0].images[0].get_array())
    assert np.array_equal(shares > 0, np.diag(np.diag(shares) > 0))
    balance = np.asarray(figures.class_balance(run, teacher).axes[0].images[0].get_array())
    assert balance.shape == (3, 3)
    assert np.allclose(balance.sum(0), 1)


def test_bars_show_all_rows():
    rows = [
        {"name": "a", "value": 0.5, "reference": 0.9, "spread": 0.1},
        {"name": "b", "value": 0.2},
    ]
    axes = figures.comparison_bars(rows).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_a_look_tells_the_task_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    teacher, student = tiny_pair()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    rows = {
        row["name"]: row["value"]
        for row in check_distillation(CONFIG, teacher, student, device="cpu")
    }
    assert (rows["task"], rows["classes"]) == ("classification", 3)
    assert rows["parameters of the student"] == sum(p.numel() for p in student.parameters())
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    assert not list(tmp_path.iterdir())
    assert look_at_teacher(CONFIG, teacher, seed=0).classes == 3


def test_first_pictures_leave_the_global_state_alone():
    before = torch.get_rng_state()
    pictures = first_pictures(CONFIG, seed=0)
    assert pictures.shape == (SAMPLE, *CONFIG.input.shape)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first_pictures(CONFIG, seed=0), pictures)
    assert not torch.equal(first_pictures(CONFIG, seed=1), pictures)


def test_a_curve_goes_on_and_refuses_damage(tmp_path: Path):
    space = InputSpace(shape=(1, 8, 8))

    def curve() -> AccuracyCurve:
        return AccuracyCurve(tmp_path, "digits", input=space, data=None, device="cpu")

    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    curve()(4, network)
    curve()(2, network)
    kept = json.loads((tmp_path / CURVE).read_text())
    assert list(kept) == ["2", "4"]
    assert kept["2"] == kept["4"] == curve().score(network)
    with pytest.raises(UserError, match="digits has 10 classes"):
        curve().check(tiny_pair()[0])
    (tmp_path / CURVE).write_text("[1]")
    with pytest.raises(UserError, match=CURVE):
        curve()


class Reads(torch.nn.Module):
    """Answers with the mean brightness of each quarter, sharpened."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, pictures):
        return torch.nn.functional.adaptive_avg_pool2d(pictures, 2).flatten(1) * self.scale


def test_figures_of_a_student_stand_beside_those_of_its_teacher():
    pictures = bright_quarters(40)
    space = InputSpace(shape=(1, 32, 32))
    networks = {"teacher": Reads(20.0), "student": Reads(-20.0)}
    rows = {row["name"]: row for row in compare_with_teacher(networks, pictures, space)}
    assert rows["teacher: accuracy"]["value"] == 1
    assert rows["student: accuracy"]["value"] == 0
    assert rows["student: accuracy"]["ratio"] == 0
    assert rows["student: agreement with the teacher"]["value"] == 0
    assert rows["student: class quarter 1"]["reference"] == 1
    assert rows["student: calibration error"]["value"] > rows["teacher: calibration error"]["value"]


def test_labels_of_another_kind_are_refused():
    pictures = bright_quarters(4)
    with pytest.raises(UserError, match="4 classes and the network 3 outputs"):
        check_labels(pictures, torch.zeros(4, 3))
    with pytest.raises(UserError, match="labels of pictures and the network answers for pixels"):
        check_labels(pictures, torch.zeros(4, 4, 8, 8))
    size = tuple(pictures.images.shape[2:])
    masks = replace(pictures, labels=torch.zeros(4, *size, dtype=torch.int64))
    assert in_size_of_labels(torch.zeros(4, 4, 3, 4), masks).shape == (4, 4, *size)
