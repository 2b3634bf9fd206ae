"""Methods x seeds: what is there is not trained again, and folders are not mixed."""

import json
from dataclasses import replace

import pytest
from tiny_training import PygTeacher, blocks, student_config, teacher_config

from lsp_distillation import comparison
from lsp_distillation.comparison import CELLS, TEACHER, CompareConfig, compare, read_cells
from lsp_distillation.fidelity_ruler import structure_fidelity
from lsp_distillation.model_files import Student
from lsp_distillation.splits import random_split
from lsp_distillation.term_weights import STRUCTURE
from lsp_distillation.terms_config import TermsConfig
from tenfold_shared.testing import refusal

CONFIG = CompareConfig(
    teacher=teacher_config(epochs=4),
    student=student_config(TermsConfig(measure_after=1), epochs=4),
    methods=("labels", "lsp"),
    seeds=(0, 1),
)


def task_of(seed):
    task = blocks()
    return task.with_split(random_split(task.items, seed=seed))


@pytest.fixture
def trainings(monkeypatch):
    """Names and seeds of what is trained, in order."""
    seen = []
    inner = comparison._teach

    def teach(config, method, folder, task, teacher, student, seed, device):
        seen.append((method, seed))
        return inner(config, method, folder, task, teacher, student, seed, device)

    monkeypatch.setattr(comparison, "_teach", teach)
    return seen


def test_finished_cells_are_not_trained_again(tmp_path, trainings):
    cells = compare(CONFIG, tmp_path, task_of=task_of, device="cpu")
    assert trainings == [("labels", 0), ("lsp", 0), ("labels", 1), ("lsp", 1)]
    assert [(c.method, c.seed) for c in cells] == [
        (m, s) for m in (TEACHER, "labels", "lsp") for s in (0, 1)
    ]
    trainings.clear()
    again = compare(CONFIG, tmp_path, task_of=task_of, device="cpu")
    assert trainings == []
    assert [json.dumps(c) for c in again] == [json.dumps(c) for c in cells]
    grown = replace(CONFIG, methods=("labels", "lsp", "kd"), seeds=(0, 1, 2))
    more = compare(grown, tmp_path, task_of=task_of, device="cpu")
    assert trainings == [("kd", 0), ("kd", 1), ("labels", 2), ("lsp", 2), ("kd", 2)]
    assert {json.dumps(c) for c in cells} <= {json.dumps(c) for c in more}


def test_a_kill_loses_one_cell_and_the_rest_is_as_if_there_was_none(tmp_path, monkeypatch):
    whole = compare(CONFIG, tmp_path / "whole", task_of=task_of, device="cpu")
    inner = comparison._append

    def append(folder, cell):
        if (cell.method, cell.seed) == ("lsp", 0):
            raise KeyboardInterrupt
        inner(folder, cell)

    monkeypatch.setattr(comparison, "_append", append)
    with pytest.raises(KeyboardInterrupt):
        compare(CONFIG, tmp_path / "cut", task_of=task_of, device="cpu")
    assert len(read_cells(tmp_path / "cut")) == 2
    monkeypatch.setattr(comparison, "_append", inner)
    cut = compare(CONFIG, tmp_path / "cut", task_of=task_of, device="cpu")
    for one, other in zip(whole, cut, strict=True):
        timeless = {"inference_seconds": 0.0, "cpu_seconds": 0.0}
        assert json.dumps(one._replace(**timeless)) == json.dumps(other._replace(**timeless))


def test_a_cell_holds_what_the_files_say(tmp_path):
    cells = compare(replace(CONFIG, seeds=(0,)), tmp_path, task_of=task_of, device="cpu")
    task = task_of(0)
    places = {m: tmp_path / "seed-0" / m / "model.safetensors" for m in (TEACHER, "labels", "lsp")}
    students = {method: Student.load(place) for method, place in places.items()}
    hidden = {}
    for method, student in students.items():
        kept = student.network.layers[0].register_forward_hook(
            lambda _m, _i, output, name=method: hidden.update({name: output.detach()})
        )
        student.predict(task)
        kept.remove()
    for cell in cells:
        student = students[cell.method]
        assert cell.score == student.evaluate(task, "test")[0].value
        assert cell.validation == student.evaluate(task, "val")[0].value
        assert cell.parameters == student.parameters
        assert cell.inference_seconds > 0
        if cell.method == TEACHER:
            continue
        found = structure_fidelity(hidden[cell.method], hidden[TEACHER], task.graph)
        assert (cell.kl, cell.correlation) == pytest.approx((found.kl, found.correlation))
        assert (cell.weight > 0) == (cell.method == "lsp")
    assert cells[2].weight == students["lsp"].about["weights"][STRUCTURE]


def test_a_given_teacher_serves_all_seeds(tmp_path):
    teacher = PygTeacher()
    cells = compare(CONFIG, tmp_path, task_of=task_of, teacher=teacher, device="cpu")
    assert not (tmp_path / "seed-0" / TEACHER).exists()
    assert len(cells) == 6
    refused = refusal(
        lambda: compare(CONFIG, tmp_path, task_of=task_of, teacher=PygTeacher(), device="cpu")
    )
    assert "other teacher" in refused


def test_another_comparisons_folder_is_refused(tmp_path):
    config = replace(CONFIG, methods=("labels",), seeds=(0,))
    compare(config, tmp_path, task_of=task_of, device="cpu")
    other = blocks(seed=4)
    cases = {
        "settings": (replace(config, student=student_config(epochs=5)), task_of),
        "data": (config, lambda seed: other),
        "splits": (config, lambda seed: task_of(7)),
    }
    for what, (changed, tasks) in cases.items():
        sentence = refusal(lambda c=changed, t=tasks: compare(c, tmp_path, task_of=t, device="cpu"))
        assert f"other {what}" in sentence
        assert str(tmp_path) in sentence
    (tmp_path / CELLS).write_text('{"method": 3}\n')
    assert "damaged" in refusal(lambda: read_cells(tmp_path))
    (tmp_path / CELLS).unlink()
    (tmp_path / "comparison.json").write_text("{")
    sentence = refusal(lambda: compare(config, tmp_path, task_of=task_of, device="cpu"))
    assert "damaged" in sentence


def test_cells_of_one_place_belong_together(tmp_path):
    compare(
        replace(CONFIG, methods=("labels",), seeds=(1,)), tmp_path, task_of=task_of, device="cpu"
    )
    compare(CONFIG, tmp_path, task_of=task_of, device="cpu")
    by_method = {
        m: [c.seed for c in read_cells(tmp_path) if c.method == m] for m in ("labels", "lsp")
    }
    assert by_method == {"labels": [0, 1], "lsp": [0, 1]}


def test_bad_settings_are_refused():
    for change, sentence in (
        ({"methods": ("lsp",)}, "must hold labels"),
        ({"methods": ("labels", "labels")}, "distinct"),
        ({"methods": ("labels", "magic")}, "method must be made of"),
        ({"seeds": ()}, "seeds must be distinct and at least one"),
    ):
        with pytest.raises(ValueError, match=sentence):
            replace(CONFIG, **change)
