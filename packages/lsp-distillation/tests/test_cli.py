"""The command, called in process."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_commands import SMALL, SMALL_TEACHER, call, done, refused, rows_of
from tiny_data import make_tiny_data

from lsp_distillation.cli import main
from lsp_distillation.model_files import Student
from lsp_distillation.named_sets import open_task
from lsp_distillation.recipes import STUDENTS, TEACHERS
from lsp_distillation.verbs.clouds import teacher_size
from tenfold_shared.testing import run_command


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    make_tiny_data(folder)
    done("train", folder / "graph.npz", *SMALL_TEACHER, "--out", folder / "teacher")
    words = ["--teacher", folder / "teacher", *SMALL, "--out", folder / "student"]
    done("distill", folder / "graph.npz", *words)
    return folder


@pytest.mark.slow
def test_demo_shows_a_picture_and_a_number_beside_the_baseline(tmp_path: Path):
    result = run_command(main, ["demo", "--out", str(tmp_path), "--json"])
    assert result.code == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert any(row["reference"] is not None for row in rows)
    assert list(tmp_path.glob("*.png"))


def test_train_reports_validation_and_writes_the_network(place: Path, tmp_path: Path):
    out = tmp_path / "again"
    rows = rows_of("train", place / "graph.npz", *SMALL_TEACHER, "--out", out)
    named = {row["name"]: row["value"] for row in rows}
    student = Student.load(named["network"])
    assert named["weights"] == student.parameters
    task = open_task(place / "graph.npz")
    assert named["validation accuracy"] == student.evaluate(task, "val")[0].value
    assert not any("test" in name for name in named)
    first = (place / "teacher" / "model.safetensors").read_bytes()
    assert (out / "model.safetensors").read_bytes() == first


def test_check_estimates_and_writes_nothing(place: Path, tmp_path: Path):
    out = tmp_path / "none"
    for words in (
        ["train", place / "graph.npz", *SMALL_TEACHER],
        ["distill", place / "graph.npz", "--teacher", place / "teacher", *SMALL],
    ):
        named = {row["name"]: row["value"] for row in rows_of(*words, "--check", "--out", out)}
        assert named["CPU seconds an epoch"] > 0
        assert not out.exists()
    assert named["the term"] == "alive"


@pytest.mark.parametrize("file", ["graph.npz", "graph.safetensors", "data.pt"])
def test_distill_reads_every_kind_of_file(place: Path, tmp_path: Path, file: str):
    words = ["--teacher", place / "teacher" / "model.safetensors", *SMALL, "--out", tmp_path]
    rows = rows_of("distill", place / file, *words)
    assert [row["name"] for row in rows][:4] == [
        "network", "weights", "best epoch", "weight of the structure term",
    ]  # fmt: skip
    assert rows[3]["value"] > 0


def test_a_cache_is_written_used_without_the_teacher_and_refused_when_stale(
    place: Path, tmp_path: Path
):
    cache, graph = tmp_path / "said.safetensors", place / "graph.npz"
    words = ["--cache", cache, *SMALL]
    refused(call("distill", graph, *words, "--out", tmp_path / "0"), cache, "--teacher once")
    done("distill", graph, *words, "--teacher", place / "teacher", "--out", tmp_path / "1")
    assert cache.exists()
    done("distill", graph, *words, "--out", tmp_path / "2")
    models = [(tmp_path / n / "model.safetensors").read_bytes() for n in ("1", "2")]
    assert models[0] == models[1]
    done("distill", graph, *words, "--teacher", place / "teacher", "--out", tmp_path / "3")
    cases = {
        "teacher": ["--teacher", place / "student"],
        "kernel": ["--terms.structure.kernel.bandwidth", "3"],
        "self-loops": ["--terms.structure.self-loops", "add"],
        "features": ["--normalize-features"],
    }
    for what, more in cases.items():
        refused(call("distill", graph, *words, *more, "--out", tmp_path / "4"), f"another {what}")
    refused(call("distill", "blocks", *words, "--out", tmp_path / "4"), "another graph")
    layers = ["--terms.structure.layers", "layers.1:layers.0"]
    refused(call("distill", graph, *words, *layers, "--out", tmp_path / "4"), "layers.1")
    cache.write_bytes(cache.read_bytes()[:-5])
    refused(call("distill", graph, *words, "--out", tmp_path / "4"), cache, "damaged")


def test_a_cache_without_layers_does_not_serve_terms_that_need_them(place: Path, tmp_path: Path):
    words = ["--cache", tmp_path / "c", "--teacher", place / "teacher", *SMALL]
    alone = ["--terms.structure.weight", "0", "--terms.soft-labels", "1"]
    done("distill", place / "graph.npz", *words, *alone, "--out", tmp_path / "1")
    result = call("distill", place / "graph.npz", *words, "--out", tmp_path / "2")
    refused(result, "layers")


def test_a_teacher_of_ones_own_code(place: Path, tmp_path: Path):
    words = ["--teacher", "tiny_pyg:network", "--teacher-arguments", '{"width": 5}']
    done("distill", place / "graph.npz", *words, *SMALL, "--out", tmp_path)
    assert Student.load(tmp_path / "model.safetensors").about["layers"] == [["inner", "layers.0"]]


def test_compare_goes_on_and_grows(place: Path, tmp_path: Path):
    words = [
        place / "graph.npz", "--split", "random", "--methods", "labels", "lsp", "--out", tmp_path,
        *SMALL, "--teacher-settings.network.width", "4", "--teacher-settings.network.heads", "1",
        "--teacher-settings.training.epochs", "3",
    ]  # fmt: skip
    rows = rows_of("compare", *words, "--seeds", "0", "1")
    lines = (tmp_path / "cells.jsonl").read_text().splitlines()
    assert len(lines) == 6
    verdicts = {row["name"]: row.get("verdict") for row in rows}
    assert verdicts["graph, lsp: test accuracy"] is not None
    for name in ("table.md", "table.csv", "differences.png"):
        assert (tmp_path / name).stat().st_size > 100
    rows_of("compare", *words, "--seeds", "0", "1", "2")
    again = (tmp_path / "cells.jsonl").read_text().splitlines()
    assert again[:6] == lines
    assert len(again) == 9
    other = [word if word != "random" else "per-class" for word in words]
    refused(call("compare", *other, "--seeds", "0"), "graph")
    picture = tmp_path / "d.png"
    done("plot", "differences", "--run", tmp_path, "--out", picture)
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_evaluate_puts_students_beside_their_teacher(place: Path):
    words = ["--teacher", place / "teacher", "--students", place / "student"]
    rows = rows_of("evaluate", place / "graph.npz", *words)
    named = {row["name"].partition(": ")[2]: row for row in rows}
    student, teacher = (
        Student.load(place / n / "model.safetensors") for n in ("student", "teacher")
    )
    task = open_task(place / "graph.npz")
    row = named["test accuracy (reference: its teacher)"]
    assert row["value"] == student.evaluate(task)[0].value
    assert row["reference"] == teacher.evaluate(task)[0].value
    assert named["weights (reference: its teacher)"]["reference"] == teacher.parameters
    assert all(np.isfinite(row["value"]) for row in rows)


def test_info_tells_what_is_in_a_file(place: Path):
    rows = {row["name"]: row["value"] for row in rows_of("info", place / "student")}
    assert rows["network.width"] == 3
    assert rows["about.layers"] is not None
    state = rows_of("info", place / "student" / "checkpoint.safetensors")
    assert any(row["name"] == "numbers in weights" for row in state)
    names = [row["name"] for row in rows_of("info")]
    assert {"gat-teacher", "gat-student"} <= set(names)


def test_info_refuses_a_file_that_is_no_checkpoint(tmp_path: Path):
    path = tmp_path / "picture.safetensors"
    path.write_bytes(b"\x89PNG")
    result = run_command(main, ["info", str(path)])
    assert result.code == 1
    assert str(path) in result.stderr


def test_data_counts_a_graph_and_shows_the_format(place: Path):
    rows = {row["name"]: row["value"] for row in rows_of("data", place / "graph.npz")}
    task = open_task(place / "graph.npz")
    assert (rows["nodes"], rows["edges"]) == (60, task.graph.edges)
    assert rows["items in train"] == int(task.mask("train").sum())
    assert "edge_index" in done("data").stdout


@pytest.mark.parametrize("what", ["curves", "neighborhoods", "entropies"])
def test_plots(place: Path, tmp_path: Path, what: str):
    source = {
        "curves": ["--run", place / "student"],
        "neighborhoods": [
            "--graph", place / "graph.npz", "--teacher", place / "teacher", "--students", place / "student",
        ],
        "entropies": ["--graph", place / "graph.npz", "--teacher", place / "teacher"],
    }[what]  # fmt: skip
    out = tmp_path / "picture.png"
    done("plot", what, *source, "--out", out)
    assert out.read_bytes()[:4] == b"\x89PNG"


def test_normalized_features_are_remembered(place: Path, tmp_path: Path):
    words = [*SMALL_TEACHER, "--out", tmp_path, "--normalize-features", "--symmetric", "yes"]
    done("train", place / "graph.npz", *words)
    student = Student.load(tmp_path / "model.safetensors")
    assert student.reading.normalized
    assert student.reading.symmetric
    task = open_task(place / "graph.npz", normalize_features=True, symmetric=True)
    raw = open_task(place / "graph.npz")
    from torch_geometric.data import Data

    prepared = student.predict(Data(x=raw.x, edge_index=raw.graph.edge_index))
    torch.testing.assert_close(prepared, student.predict(task))


def test_a_teacher_on_clouds_keeps_the_size_that_is_not_asked_for():
    student, teacher = STUDENTS["points"].points, TEACHERS["points"].points
    assert teacher_size(student) == teacher
    assert teacher_size(replace(student, neighbors=5)) == replace(teacher, neighbors=5)
    wide = replace(student, widths=(7, 7))
    assert teacher_size(wide) == replace(teacher, widths=(7, 7))


def test_a_teacher_and_a_student_on_clouds(tmp_path: Path):
    small = [
        "--points-per-cloud", "8", "--points.widths", "4", "--points.embedding", "8", "--points.neighbors", "3",
        "--points.head", "4", "--training.epochs", "1", "--training.batch-graphs", "100",
    ]  # fmt: skip
    archive = tmp_path / "clouds.npz"
    random = np.random.default_rng(0)
    np.savez(archive, points=random.random((40, 8, 2), dtype=np.float32), y=np.arange(40) % 2)
    done("clouds", archive, *small, "--out", tmp_path / "teacher")
    rows = rows_of(
        "clouds", archive, *small, "--teacher", tmp_path / "teacher", "--out", tmp_path / "student"
    )
    assert any("over the union" in row["name"] for row in rows)
