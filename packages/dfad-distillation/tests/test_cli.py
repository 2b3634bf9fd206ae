"""The command, called in process, on tiny networks and pictures."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load_file
from tiny_commands import call, done, refused
from tiny_data import GAME, SPACE, make_tiny_data

from dfad_distillation.config import InputSpace
from dfad_distillation.model_files import load_saved
from dfad_distillation.pairing import open_saved
from dfad_distillation.presets import DISTILLATIONS, digits
from dfad_distillation.run_files import open_run
from dfad_distillation.teacher_config import TEACHERS
from dfad_distillation.verbs import distill, train
from dfad_distillation.weight_files import read_weights
from tenfold_shared.images import read_image


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data, and a finished distillation in `run`."""
    folder = tmp_path_factory.mktemp("cli")
    make_tiny_data(folder)
    words = ["--test", folder / "pictures", "--out", folder / "run", "--rounds", "4", *GAME]
    done("distill", folder / "teacher.safetensors", *words)
    return folder


def rows(result: Any) -> dict[str, dict[str, Any]]:
    """Return the rows of --json by their names."""
    return {row["name"]: row for row in map(json.loads, result.stdout.splitlines())}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_presets_are_those_that_the_help_lists():
    assert set(get_args(distill.Preset)) == set(DISTILLATIONS)
    assert set(get_args(train.Preset)) == {"none", *TEACHERS}


def test_a_teacher_is_trained_from_class_folders(place: Path, tmp_path: Path):
    words = ["--network", "small_cnn", "--width", "4", "--input.shape", "1", "8", "8"]
    result = done(
        "train", place / "pictures", *words, "--epochs", "8", "--batch", "8",
        "--learning-rate", "0.02", "--out", tmp_path / "teacher", "--json",
    )  # fmt: skip
    (row,) = map(json.loads, result.stdout.splitlines())
    assert row["classes"] == 2
    assert row["validation accuracy"] == 1
    assert load_saved(Path(row["network"])).classes == ("above", "below")


def test_distill_reports_agreement_scores_and_sizes(place: Path, tmp_path: Path):
    words = ["--test", place / "pictures", "--out", tmp_path, "--rounds", "4", *GAME, "--json"]
    found = rows(done("distill", place / "teacher.safetensors", *words))
    assert found["student"]["value"] == str(tmp_path / "student.safetensors")
    assert found["rounds"]["value"] == 4
    assert 0 <= found["agreement on generated pictures"]["value"] <= 1
    assert 0 <= found["accuracy of the student on pictures"]["value"] <= 1
    sizes = found["parameters"]
    assert sizes["ratio"] == sizes["value"] / sizes["reference"] < 0.5
    assert (tmp_path / "accuracy.json").exists()


def test_the_student_is_the_same_without_and_with_labels_and_with_wrong_ones(
    place: Path, tmp_path: Path
):
    wrong = tmp_path / "wrong"
    shutil.copytree(place / "pictures", wrong)
    for file in list((wrong / "test" / "below").iterdir())[:4]:
        file.rename(wrong / "test" / "above" / f"moved-{file.name}")
    digests, curves = set(), []
    for number, test in enumerate((None, place / "pictures", wrong)):
        out = tmp_path / str(number)
        looked_at = [] if test is None else ["--test", test]
        words = ["--rounds", "4", *GAME, "--select", "--reestimate", "2"]
        done("distill", place / "teacher.safetensors", *words, *looked_at, "--out", out)
        digests.add(digest(out / "student.safetensors"))
        if test is not None:
            curves.append((out / "accuracy.json").read_text())
    assert curves[0] != curves[1], "test invalid: the labels change not even the curve"
    assert len(digests) == 1


def test_the_seed_and_the_settings_change_the_student(place: Path, tmp_path: Path):
    digests = set()
    for number, words in enumerate(([], ["--seed", "1"], ["--student-rate", "0.02"])):
        out = tmp_path / str(number)
        done("distill", place / "teacher.safetensors", "--rounds", "1", *GAME, *words, "--out", out)
        digests.add(digest(out / "student.safetensors"))
    assert len(digests) == 3


def test_a_finished_run_is_read_again_and_belongs_to_its_teacher(place: Path, tmp_path: Path):
    out = tmp_path / "run"
    shutil.copytree(place / "run", out)
    before = digest(out / "student.safetensors")
    words = ["--rounds", "4", *GAME, "--out", out]
    done("distill", place / "teacher.safetensors", *words)
    assert digest(out / "student.safetensors") == before
    refused(call("distill", place / "teacher.pt2", "--input.shape", "1", "8", "8", "--input.mean", "0.5",
                 "--input.std", "0.25", *words), out, "another teacher")  # fmt: skip
    refused(
        call("distill", place / "teacher.safetensors", "--student", "small_cnn", *words), "student"
    )
    refused(call("distill", place / "teacher.safetensors", *words, "--batch", "16"), "batch")
    (out / "pair.json").write_text("{")
    refused(call("distill", place / "teacher.safetensors", *words), out / "pair.json")


def test_the_teacher_file_says_what_it_reads_and_flags_win(place: Path, tmp_path: Path):
    assert load_saved(place / "run" / "student.safetensors").input == SPACE
    words = ["--rounds", "1", *GAME, "--input.shape", "1", "8", "8", "--input.mean", "0.1",
             "--input.std", "0.2"]  # fmt: skip
    done("distill", place / "teacher.safetensors", *words, "--out", tmp_path)
    assert load_saved(tmp_path / "student.safetensors").input.mean == (0.1,)


@pytest.mark.parametrize("preset", ["digits", "paper"])
def test_a_preset_does_not_override_what_the_teacher_file_says(
    place: Path, tmp_path: Path, preset: str
):
    assert DISTILLATIONS[preset]().input != SPACE, "test invalid"
    words = ["--preset", preset, "--rounds", "1", *GAME, "--out", tmp_path]
    done("distill", place / "teacher.safetensors", *words)
    assert open_run(tmp_path).config.input == SPACE


@pytest.mark.parametrize(
    "teacher", ["teacher.pt2", "teacher.pt", "weights.pth", "factory", "probabilities"]
)
def test_teachers_of_users(place: Path, tmp_path: Path, teacher: str):
    source = {
        "weights.pth": ["small_cnn", "--teacher-weights", place / "weights.pth",
                        "--teacher-arguments", '{"classes": 2, "width": 4}'],
        "factory": [f"{place}/my_networks.py:Narrow", "--teacher-arguments", '{"width": 16}'],
        "probabilities": [f"{place}/my_networks.py:Ends", "--teacher-outputs", "probabilities"],
    }.get(teacher, [place / teacher])  # fmt: skip
    words = ["--input.shape", "1", "8", "8", "--rounds", "1", *GAME, "--out", tmp_path]
    done("distill", *source, *words)
    assert load_saved(tmp_path / "student.safetensors").classes == ("0", "1")


def test_a_program_may_be_trained_on(place: Path, tmp_path: Path):
    words = ["--student", place / "teacher.pt2", "--rounds", "1", *GAME, "--out", tmp_path / "run"]
    done("distill", place / "teacher.safetensors", *words)
    out = tmp_path / "student.pt2"
    refused(call("export", tmp_path / "run", "--out", out), "teacher.pt2", "--constructor")
    done("export", tmp_path / "run", "--constructor", place / "teacher.pt2", "--out", out)


def test_an_input_that_is_the_default_may_be_said(place: Path, tmp_path: Path):
    words = [f"{place}/my_networks.py:Narrow", "--rounds", "1", *GAME, "--out", tmp_path / "run"]
    refused(call("distill", *words), "--input.shape")
    done("distill", *words, "--input.shape", "1", "32", "32")
    assert open_run(tmp_path / "run").config.input == InputSpace()


def test_students_of_users(place: Path, tmp_path: Path):
    code, out = f"{place}/my_networks.py:Narrow", tmp_path / "run"
    words = ["--student", code, "--student-arguments", '{"width": 3}', "--rounds", "1", *GAME]
    done("distill", place / "teacher.safetensors", *words, "--out", out)
    student = out / "student.safetensors"
    refused(call("export", student, "--out", tmp_path / "a.pt2"), student, "--constructor")
    done("export", student, "--constructor", code, "--out", tmp_path / "a.pt2")
    program = torch.export.load(tmp_path / "a.pt2").module()
    saved = open_saved(student, constructor=code)
    assert saved.arguments == {"width": 3}
    pictures = torch.randn(3, *SPACE.shape)
    torch.testing.assert_close(program(pictures), saved.module(pictures))
    other = ["--constructor", code, "--constructor-arguments"]
    refused(call("export", student, *other, '{"width": 5}', "--out", tmp_path / "b.pt2"), "(3,)")
    refused(call("export", student, *other, "[]", "--out", tmp_path / "b.pt2"), "JSON object")
    evaluated = ["--test", place / "pictures", "--students", student]
    refused(call("evaluate", place / "teacher.safetensors", *evaluated), student, "--constructor")


def test_evaluate_scores_finished_students(place: Path):
    words = ["--test", place / "pictures", "--students", place / "run", "--json"]
    found = rows(done("evaluate", place / "teacher.safetensors", *words))
    own = found[f"{place / 'run'}: agreement with the teacher"]
    assert own["reference"] == found["teacher: agreement with the teacher"]["value"] == 1
    for what in ("accuracy", "calibration error", "class above", "class below"):
        assert f"teacher: {what}" in found


def test_evaluate_trains_all_methods_in_the_same_seconds(place: Path, tmp_path: Path):
    words = ["--test", place / "pictures", "--related", place / "idx", "--unrelated", place / "masks",
             "--seeds", "0", "1", "--seconds", "0.05", "--rounds", "2", *GAME]  # fmt: skip
    result = done("evaluate", place / "teacher.safetensors", *words, "--out", tmp_path, "--json")
    found = rows(result)
    assert list(found) == [
        "DFAD", "real data", "related data", "unrelated data", "noise", "untrained generator", "DAFL", "ZSKT",
    ]  # fmt: skip
    for row in found.values():
        assert set(row) >= {"value", "unit", "reference", "ratio", "seeds", "spread", "cpu_seconds"}
        assert row["seeds"] == "0 1"
    assert (tmp_path / "seed-1" / "checkpoint.safetensors").exists()
    table = tmp_path / "table.jsonl"
    table.write_text(result.stdout)
    done("plot", "comparison", "--table", table, "--out", tmp_path / "bars.png")


def test_samples_are_pictures_or_numbers(place: Path, tmp_path: Path):
    done("sample", place / "run", "--count", "9", "--out", tmp_path / "grid.png")
    assert read_image(tmp_path / "grid.png").shape[1] >= 24
    raw = tmp_path / "raw.safetensors"
    done("sample", place / "run", "--raw", "--count", "5", "--round", "2", "--out", raw)
    pictures = load_file(raw)["pictures"]
    assert pictures.shape == (5, *SPACE.shape)
    assert pictures.mean().abs() < 1e-4, "the last layer standardizes each batch"
    refused(call("sample", place / "run", "--round", "3", "--out", raw), "round 3", "2, 4")


@pytest.mark.parametrize(
    "kind", ["samples", "losses", "progress", "balance", "confusion", "calibration"]
)
def test_every_figure_is_drawn(place: Path, tmp_path: Path, kind: str):
    words = ["--run", place / "run", "--teacher", place / "teacher.safetensors",
             "--student", place / "run" / "student.safetensors", "--test", place / "pictures"]  # fmt: skip
    out = tmp_path / "figure.png"
    done("plot", kind, *words, "--out", out)
    assert read_image(out).std() > 0.02, "something is drawn"


def test_strips_of_a_segmentation_pair(place: Path, tmp_path: Path):
    words = ["--network", "unet", "--width", "2", "--input.shape", "3", "16", "16", "--batch", "4"]
    teacher, run = tmp_path / "teacher", tmp_path / "run"
    done("train", place / "masks", *words, "--epochs", "1", "--out", teacher)
    file = teacher / "teacher.safetensors"
    result = done(
        "distill", file, "--generation-loss", "log_mae", "--rounds", "1", *GAME,
        "--test", place / "masks", "--out", run, "--json",
    )  # fmt: skip
    assert "mean IoU of the student on masks" in rows(result)
    student = run / "student.safetensors"
    words = ["--teacher", file, "--student", student, "--test", place / "masks", "--count", "2"]
    done("plot", "strips", *words, "--out", tmp_path / "strips.png")
    _, height, width = read_image(tmp_path / "strips.png").shape
    assert width > 4 * 16
    assert height > 2 * 16
    words = [
        "--teacher",
        place / "teacher.safetensors",
        "--student",
        place / "run/student.safetensors",
    ]
    refused(call("plot", "strips", *words, "--test", place / "pictures"), "labels of pixels")


def test_export_writes_a_program_and_its_card(place: Path, tmp_path: Path):
    out = tmp_path / "student.pt2"
    done("export", place / "run", "--from-unit-range", "--out", out)
    program = torch.export.load(out).module()
    pictures = torch.rand(3, *SPACE.shape)
    student = load_saved(place / "run" / "student.safetensors").module
    torch.testing.assert_close(program(pictures), student((pictures - 0.5) / 0.25))
    card = (tmp_path / "student.pt2.md").read_text("utf-8")
    settings = "rounds planned | 4", "rounds played | 4", "state taken | 4", "batch | 8", "seed | 0"
    for words in ("small_cnn", "agreement", *settings, "privacy", "teacher"):
        assert words in card


def test_the_card_tells_the_state_that_was_taken(place: Path, tmp_path: Path):
    words = ["--rounds", "4", *GAME, "--states", "4", "--bank", "64", "--select", "--student-rate", "1",
             "--schedule", "constant", "--seed", "1", "--json"]  # fmt: skip
    found = rows(done("distill", place / "teacher.safetensors", *words, "--out", tmp_path / "run"))
    taken = json.loads((tmp_path / "run" / "progress.json").read_text())["chosen"]
    assert taken < 4, "test invalid: the last state was taken"
    assert (found["rounds"]["value"], found["state taken"]["value"]) == (4, taken)
    done("export", tmp_path / "run", "--out", tmp_path / "student.pt2")
    card = (tmp_path / "student.pt2.md").read_text("utf-8")
    assert "| rounds played | 4 |" in card
    assert f"| state taken | {taken} |" in card


def test_export_finds_the_temperature_of_the_teacher(place: Path, tmp_path: Path):
    out = tmp_path / "student.pt2"
    done("export", place / "run", "--temperature", "auto", "--out", out)
    saved = load_saved(place / "run" / "student.safetensors")
    temperature = saved.about["matched_temperature"]
    assert temperature != 1, "test invalid"
    pictures = torch.rand(3, *SPACE.shape)
    program = torch.export.load(out).module()
    torch.testing.assert_close(program(pictures), saved.module(pictures) / temperature)
    assert f"temperature {temperature:.4g}" in (tmp_path / "student.pt2.md").read_text("utf-8")


def test_a_student_starts_from_weights(place: Path, tmp_path: Path):
    words = [
        "--student",
        "small_cnn",
        "--student-arguments",
        '{"width": 4}',
        "--rounds",
        "1",
        *GAME,
    ]
    words += ["--student-rate", "1e-9", "--momentum", "0"]
    weights = ["--student-weights", place / "weights.pth"]
    for name, more in (("own", weights), ("random", [])):
        done("distill", place / "teacher.safetensors", *words, *more, "--out", tmp_path / name)
    given = read_weights(place / "weights.pth")
    own, random = (
        dict(open_saved(tmp_path / name / "student.safetensors").module.named_parameters())
        for name in ("own", "random")
    )
    assert all(torch.allclose(own[name], given[name], atol=1e-6) for name in own)
    assert not all(torch.allclose(random[name], given[name], atol=1e-6) for name in random)


def test_export_to_onnx(place: Path, tmp_path: Path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    out = tmp_path / "student.onnx"
    done("export", place / "run" / "student.safetensors", "--out", out)
    pictures = torch.randn(5, *SPACE.shape)
    (answer,) = runtime.InferenceSession(out).run(None, {"pictures": pictures.numpy()})
    student = load_saved(place / "run" / "student.safetensors").module
    torch.testing.assert_close(torch.from_numpy(answer), student(pictures), rtol=1e-4, atol=1e-5)


def test_check_tells_what_to_expect(place: Path, tmp_path: Path):
    words = ["--check", "--rounds", "500", *GAME, "--out", tmp_path / "run", "--json"]
    found = rows(done("distill", place / "teacher.safetensors", *words))
    assert found["task"]["value"] == "classification"
    assert found["classes"]["value"] == 2
    assert found["CPU minutes for 500 rounds"]["value"] > 0
    assert found["minutes for 500 rounds"]["value"] > 0
    assert found["gradient of the largest logit by a picture, norm"]["value"] > 0
    assert not (tmp_path / "run").exists(), "nothing is written"


def test_info_knows_files_runs_and_networks(place: Path):
    assert "lenet5_half" in done("info").stdout
    for path in ("teacher.safetensors", "run", "run/checkpoint.safetensors"):
        assert "file" in rows(done("info", place / path, "--json")), path
    told = rows(done("info", place / "run", "--json"))
    assert told["about.settings.rounds"]["value"] == 4


def test_data_counts_pictures_or_shows_the_format(place: Path):
    assert "train/<class>" in done("data").stdout
    counted = [
        json.loads(line) for line in done("data", place / "masks", "--json").stdout.splitlines()
    ]
    assert [(row["part"], row["pictures"], row["labels of"]) for row in counted] == [
        ("train", 8, "pixels"), ("validation", 4, "pixels"), ("test", 4, "pixels"),
    ]  # fmt: skip


@pytest.mark.slow
def test_demo_beats_noise(tmp_path: Path):
    found = list(map(json.loads, done("demo", "--out", tmp_path, "--json").stdout.splitlines()))
    (beside_noise, beside_teacher) = found[:2]
    # Noise that is taught for as many seconds is no weak rival on digits: up to 0.7 of them, by the seed.
    assert beside_noise["value"] > beside_noise["reference"] + 0.1
    assert beside_teacher["ratio"] > 0.85
    assert len(list(tmp_path.glob("*.png"))) == 4
    assert load_saved(tmp_path / "student.safetensors").about["rounds"] == digits().rounds
