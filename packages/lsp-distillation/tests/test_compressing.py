"""Three lines: a network and a graph in, a small network out."""

import warnings
from pathlib import Path

import pytest
import torch
from tiny_training import PygTeacher, blocks, student_config, teacher_config, unequal_graphs

from lsp_distillation.compressing import as_task, compress
from lsp_distillation.distillation import train_teacher
from lsp_distillation.feature_rows import normalize_rows
from lsp_distillation.model_files import Student
from lsp_distillation.named_sets import split_task
from lsp_distillation.pyg_data import import_pyg, to_pyg_data
from lsp_distillation.teacher_outputs import OtherSplitWarning


def test_a_network_and_data_of_pyg_become_a_student(tmp_path: Path):
    data = to_pyg_data(blocks())
    student = compress(PygTeacher(), data, tmp_path, config=student_config(epochs=8)).student
    assert student.predict(data).shape == (36, 3)
    again = Student.load(tmp_path / "model.safetensors")
    assert torch.equal(again.predict(data), student.predict(data))


@pytest.mark.parametrize("as_text", [False, True])
def test_a_teacher_may_be_a_student_a_file_or_a_run_folder(tmp_path: Path, as_text: bool):
    task, config = blocks(), student_config(epochs=7)
    first = compress(PygTeacher(), task, tmp_path / "first", config=config).student
    places = [first, tmp_path / "first", tmp_path / "first" / "model.safetensors"]
    if as_text:
        places = [str(place) for place in places[1:]]
    states = []
    for number, place in enumerate(places):
        trained = compress(place, task, tmp_path / f"second-{number}", config=config)
        states.append(trained.student.predict(task))
        assert trained.learned.weights["structure"] > 0
    assert all(torch.equal(state, states[0]) for state in states)


def test_data_are_prepared_as_the_teachers_file_says(tmp_path: Path):
    task = blocks()
    divided = task.with_features(normalize_rows(task.x))
    trained = train_teacher(
        teacher_config(epochs=2), tmp_path / "teacher", task=divided, normalized=True, device="cpu"
    )
    data, config = to_pyg_data(task), student_config(epochs=4)
    found = compress(tmp_path / "teacher", data, tmp_path / "student", config=config).student
    assert found.reading.normalized
    right = compress(trained.student.network, divided, tmp_path / "right", config=config).student
    assert torch.equal(found.predict(data), right.predict(divided))
    raw = compress(trained.student.network, task, tmp_path / "raw", config=config).student
    assert not torch.equal(found.predict(data), raw.predict(task))


def test_a_teacher_of_other_parts_of_the_graph_is_told(tmp_path: Path):
    task = blocks(nodes_per_class=60)
    ours, other = (split_task(task, "random", seed) for seed in (0, 1))
    teacher = train_teacher(
        teacher_config(epochs=1), tmp_path / "teacher", task=ours, device="cpu"
    ).student
    config = student_config(epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OtherSplitWarning)
        compress(teacher, ours, tmp_path / "same", config=config)
        elsewhere = other.with_features(other.x + 1)  # another graph has no test items in common
        compress(teacher, elsewhere, tmp_path / "elsewhere", config=config)
    with pytest.warns(OtherSplitWarning, match="may have seen labels of its test items"):
        compress(tmp_path / "teacher", other, tmp_path / "other", config=config)


def test_data_without_masks_get_parts():
    drawn = as_task(import_pyg("torch_geometric.data").Data(**_fields(blocks(nodes_per_class=60))))
    assert drawn.has_split
    assert int(drawn.mask("train").sum()) == 3 * 20
    given = blocks()
    assert as_task(given) is given
    assert as_task(to_pyg_data(unequal_graphs())).graphs == 6


def _fields(task):
    return {"x": task.x, "edge_index": task.graph.edge_index, "y": task.y}


def test_an_unknown_recipe_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="config must be one of standard"):
        compress(PygTeacher(), blocks(), tmp_path, config="tiny")
