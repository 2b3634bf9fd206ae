"""What a user gives by mistake: one sentence, exit code 1, and nothing lost."""

from pathlib import Path

import numpy as np
import pytest
from small_tasks import node_fields
from tiny_commands import SMALL, SMALL_TEACHER, call, done, refused
from tiny_data import make_tiny_data


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    make_tiny_data(folder)
    done("train", folder / "graph.npz", *SMALL_TEACHER, "--out", folder / "teacher")
    return folder


@pytest.fixture(scope="module")
def clouds(place: Path) -> Path:
    words = ["--points-per-cloud", "8", "--points.widths", "2", "--points.embedding", "3"]
    words += ["--points.neighbors", "3", "--points.head", "3", "--training.epochs", "1"]
    done("clouds", "digits", *words, "--out", place / "clouds")
    return place / "clouds"


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_threshold_that_is_no_number(place: Path, value: str):
    words = ["--training.threshold", value, "--out", place / "none"]
    refused(call("train", place / "graph.npz", *words), "threshold", value)


def test_a_student_on_clouds_is_scored_by_another_verb(place: Path, clouds: Path):
    words = ["--teacher", place / "teacher", "--students", clouds]
    refused(call("evaluate", place / "graph.npz", *words), clouds, "the verb clouds")


@pytest.mark.parametrize("verb", ["compare", "tune", "distill"])
def test_a_folder_that_is_a_file(place: Path, tmp_path: Path, verb: str):
    out = tmp_path / "file"
    out.write_text("kept")
    words = [place / "graph.npz", "--teacher", place / "teacher", *SMALL, "--split", "random"]
    refused(call(verb, *words, "--out", out), out)
    assert out.read_text() == "kept"


def test_networks_that_read_the_graph_in_another_way(place: Path, tmp_path: Path):
    graph, raw = place / "graph.npz", place / "teacher"
    other, ways = tmp_path / "teacher", ["--normalize-features", "--symmetric", "yes"]
    done("train", graph, *SMALL_TEACHER, *ways, "--out", other)
    for verb in ("distill", "compare", "tune"):
        words = [graph, *SMALL, "--out", tmp_path / "none", "--teacher"]
        refused(call(verb, *words, other), other, "add --normalize-features")
        refused(call(verb, *words, other, ways[0]), other, "add --symmetric yes")
        refused(call(verb, *words, raw, ways[0]), raw, "leave out --normalize-features")
    words = ["--teacher", raw, "--students", other]
    refused(call("evaluate", graph, *words), other, "add --normalize-features")
    words += ["--graph", graph, "--out", tmp_path / "a.png"]
    refused(call("plot", "neighborhoods", *words), other, "add --normalize-features")
    assert not (tmp_path / "none").exists()


def test_a_refused_cloud_leaves_no_run_behind(tmp_path: Path):
    words = ["digits", "--points-per-cloud", "8", "--training.epochs", "1", "--out", tmp_path / "a"]
    refused(call("clouds", *words), "more points than neighbors (20), got 8")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("nodes", [["-1"], ["99999"]])
def test_a_cloud_that_is_not_there(clouds: Path, tmp_path: Path, nodes: list[str]):
    words = [
        "--graph",
        "digits",
        "--teacher",
        clouds,
        "--nodes",
        *nodes,
        "--out",
        tmp_path / "a.png",
    ]
    refused(call("plot", "shapes", *words), "--nodes")
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_there(place: Path, tmp_path: Path):
    words = ["--teacher", "torch.nn:Linear", "--teacher-weights", tmp_path / "no.pth"]
    words += ["--teacher-arguments", '{"in_features": 5, "out_features": 3}']
    refused(call("distill", place / "graph.npz", *words), tmp_path / "no.pth", "does not exist")


def test_a_class_far_above_the_count_of_nodes(tmp_path: Path):
    fields = {name: value.numpy() for name, value in node_fields().items()}
    fields["y"] = fields["y"].astype(np.int64)
    fields["y"][0] = 2**48
    np.savez(tmp_path / "graph.npz", **fields)
    refused(call("data", tmp_path / "graph.npz"), f"class {2**48}", "number classes from 0")


def test_automatic_weights_without_labels(place: Path, tmp_path: Path):
    words = ["--teacher", place / "teacher", *SMALL, "--terms.labels", "0", "--out", tmp_path / "s"]
    refused(call("distill", place / "graph.npz", *words), "structure.weight")
    assert not (tmp_path / "s").exists()


def test_a_cache_that_is_a_graph_is_left_alone(place: Path):
    graph = place / "graph.npz"
    before = graph.read_bytes()
    words = ["--teacher", place / "teacher", *SMALL, "--cache", graph, "--out", place / "none"]
    refused(call("distill", graph, *words), graph, "name another")
    assert graph.read_bytes() == before


def test_fanouts_are_one_for_each_layer(place: Path, tmp_path: Path):
    words = ["--training.fanouts", "10", "--out", tmp_path / "none"]
    refused(call("train", place / "graph.npz", *words), "fanouts", "2 layers")
    teacher = ["--teacher", place / "teacher"]
    refused(call("distill", place / "graph.npz", *teacher, *words), "fanouts", "2 layers")


def test_files_of_something_else_are_not_overwritten(place: Path, tmp_path: Path):
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"precious")
    refused(call("train", place / "graph.npz", *SMALL_TEACHER, "--out", tmp_path), "of no run")
    assert model.read_bytes() == b"precious"
    words = ["--methods", "labels", "--seeds", "0", *SMALL, "--out", place / "teacher"]
    refused(call("compare", place / "graph.npz", *words), "folder of a run")
