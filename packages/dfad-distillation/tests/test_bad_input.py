"""What users get wrong ends in one line that names it, exit code 1, and no traceback."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_commands import call, done, refused
from tiny_data import GAME, SPACE, make_tiny_data

from dfad_distillation.cli import main
from dfad_distillation.data import open_labeled
from dfad_distillation.memory import check_network, memory_limit, refusing_exhaustion
from dfad_distillation.model_sources import load_model
from dfad_distillation.networks import lenet5
from dfad_distillation.pairing import open_saved
from dfad_distillation.run_files import open_run
from dfad_distillation.verbs.inspect import Info, info
from dfad_distillation.weight_files import read_weights
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal, run_command

HUGE = 10**12


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    make_tiny_data(folder)
    words = ["--out", folder / "run", "--rounds", "2", *GAME, "--test", folder / "pictures"]
    done("distill", folder / "teacher.safetensors", *words)
    return folder


@pytest.fixture
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder with the tiny data, as the place where the command is called."""
    monkeypatch.chdir(place)
    yield place
    for name in ("out", "teacher"):
        shutil.rmtree(place / name, ignore_errors=True)


@pytest.mark.parametrize(
    ("flag", "values", "rule"),
    [
        ("--rounds", ("0", "-3"), "rounds must be at least 1"),
        ("--student-steps", ("0",), "student-steps must be at least 1"),
        ("--pool", ("0",), "pool must be at least 1"),
        ("--pool", ("6",), "pool must be at most student_steps (5), got 6"),
        ("--batch", ("0", "1", "-8"), "batch must be at least 2"),
        ("--generator.latent", ("0",), "latent must be at least 1"),
        ("--generator.width", ("-1",), "width must be at least 1"),
        ("--student-rate", ("0", "-0.1", "nan", "inf"), "student-rate must be positive and finite"),
        ("--generator-rate", ("0", "nan"), "generator-rate must be positive and finite"),
        ("--momentum", ("1", "nan", "-0.1"), "momentum must be in [0, 1)"),
        ("--average", ("1", "nan"), "average must be in [0, 1)"),
        ("--weight-decay", ("-1", "nan"), "weight-decay must be"),
        ("--decay", ("0", "inf"), "decay must be positive"),
        ("--bank", ("0",), "bank must be at least 1"),
        ("--regularizers.balance", ("-1", "nan"), "balance must be"),
        ("--input.shape", ("1 0 8", "1 -8 8"), "shape must be channels, height and width"),
        ("--input.std", ("0", "-1", "nan"), "std must be"),
        ("--input.mean", ("nan", "inf"), "mean must be finite"),
        ("--milestones", ("5 3", "0"), "milestones must be positive rounds in rising order"),
    ],
)
def test_settings_out_of_range(inside: Path, flag: str, values: tuple[str, ...], rule: str):
    for value in values:
        both = ["--input.std", "1"] if flag == "--input.mean" else []
        both = ["--input.mean", "0"] if flag == "--input.std" else both
        short = [] if flag == "--rounds" else ["--rounds", "1"]
        words = [*short, *both, flag, *value.split(), "--out", "out"]
        result = call("distill", "teacher.safetensors", *words)
        refused(result, rule)
        assert not (inside / "out").exists()


def test_names_that_do_not_exist(inside: Path):
    for flag in ("--loss", "--generation-loss", "--generator.name", "--preset", "--schedule"):
        result = call("distill", "teacher.safetensors", "--rounds", "1", flag, "nonsense")
        assert result.code == 2
        assert len(result.stderr.strip().splitlines()) == 1
        assert "nonsense" in result.stderr
    shape = ["--input.shape", "1", "8", "8", "--rounds", "1"]
    refused(call("distill", "lenet6", *shape), "lenet6", "lenet5")
    refused(
        call("distill", "torchvision:resnet19", "--input.shape", "3", "32", "32"),
        "resnet19",
        "resnet18",
    )
    refused(call("distill", "timm:nothing", *shape), "timm")
    refused(call("distill", "my_networks.py:Wide", *shape), "Wide", "Narrow")
    refused(call("distill", "no_such_module:Net", *shape), "no_such_module")
    refused(call("distill", "absent.pt2", *shape), "absent.pt2")
    refused(
        call("distill", "teacher.safetensors", "--student", "lenet6", "--rounds", "1", *GAME),
        "lenet6",
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--batch", HUGE], ["--bank", HUGE], ["--replay", HUGE], ["--generator.width", HUGE],
        ["--generator.latent", HUGE], ["--generator.width", 10**30], ["--batch", 10**30],
        ["--student-arguments", '{"width": 1000000}'], ["--student-arguments", '{"width": 1e30}'],
        ["--input.shape", "1", HUGE, HUGE],
    ],
)  # fmt: skip
def test_sizes_that_no_memory_holds(inside: Path, words: list[object]):
    game = {} if "--generator.width" in words else {"--generator.width": "2"}
    own = [word for pair in game.items() for word in pair]
    student = ["--student", "small_cnn"]
    result = call(
        "distill", "teacher.safetensors", *own, *student, *words, "--rounds", "1", "--out", "out"
    )
    refused(result)
    assert not (inside / "out").exists()


def test_other_sizes_that_no_memory_holds(inside: Path):
    refused(call("sample", "run", "--count", HUGE), "memory")
    shape = ["--input.shape", "1", "8", "8", "--epochs", "1"]
    refused(call("train", "pictures", "--network", "small_cnn", "--width", 10**6, *shape), "memory")
    refused(
        call("train", "pictures", "--input.shape", "3", 10**6, 10**6, "--epochs", "1"), "memory"
    )
    with pytest.raises(UserError, match="does not suffice"), refusing_exhaustion():
        raise MemoryError
    check_network("small_cnn", classes=2, channels=1, arguments={"width": 8})
    assert memory_limit() > 2**28


def test_arguments_that_are_no_json(inside: Path):
    for text in ("", "[1]", "{", "width=4", "[" * 100_000):
        for flag in ("--teacher-arguments", "--student-arguments"):
            refused(call("distill", "teacher.safetensors", f"{flag}={text}", "--rounds", "1"), flag)
    refused(call("distill", "teacher.safetensors", "--student", "small_cnn", "--student-arguments",
                 '{"depth": 3}', "--rounds", "1", *GAME, "--out", "out"), "depth")  # fmt: skip


def test_networks_that_do_not_fit(inside: Path):
    words = [*GAME, "--rounds", "1", "--out", "out"]
    teacher = "teacher.safetensors"
    code = "my_networks.py:Narrow"
    more = ["--student", code, "--student-arguments", '{"classes": 5}']
    refused(call("distill", teacher, *more, *words), "(64, 2)", "(64, 5)")
    refused(call("distill", teacher, "--input.shape", "3", "8", "8", *words), teacher, "(1, 8, 8)")
    torch.save(lenet5().state_dict(), "lenet5.pth")  # noqa: TID251
    more = ["--input.shape", "1", "8", "8", "--teacher-weights", "lenet5.pth"]
    refused(call("distill", "lenet5", *more, *words), "(64, 1, 8, 8)")
    refused(call("distill", "lenet5", *more[:4], *words), "lenet5", "--teacher-weights")
    refused(call("distill", "my_networks.py:Narrow", *words), "Narrow", "--input.shape")
    more = [
        "--preset",
        "photographs",
        "--input.shape",
        "1",
        "8",
        "8",
        "--input.mean",
        "0.5",
        "--input.std",
        "0.25",
    ]
    refused(call("distill", "teacher.pt2", *more, *words), "--regularizers.batch-statistics 0")
    refused(call("distill", "small_cnn", "--teacher-weights", "weights.pth", "--input.shape", "1",
                 "8", "8", *words), "weights.pth", "(4, 1, 3, 3)")  # fmt: skip
    refused(call("distill", "teacher.pt2", "--teacher-weights", "weights.pth", "--input.shape", "1",
                 "8", "8", *words), "weights")  # fmt: skip
    refused(call("distill", "my_networks.py:Ends", "--input.shape", "1", "8", "8", *words),
            "--teacher-outputs probabilities")  # fmt: skip
    refused(call("distill", teacher, "--teacher-outputs", "aux", *words), "aux")
    assert not Path("out").exists()
    if not torch.cuda.is_available():
        there = ["distill", teacher, *map(str, words), "--device", "cuda"]
        refused(run_command(main, there), "cuda")
        assert not Path("out").exists()


def test_a_paper_generator_refuses_sizes_that_it_cannot_paint(inside: Path):
    words = [
        "--preset",
        "paper",
        *GAME,
        "--input.shape",
        "1",
        "10",
        "10",
        "--out",
        "out",
        "--rounds",
        "1",
    ]
    result = call("distill", "my_networks.py:Narrow", *words)
    refused(result, "10x10", "multiples of 4")
    done("distill", "my_networks.py:Narrow", *words, "--generator.crop")


def test_pictures_of_other_classes_are_refused_before_the_run(inside: Path):
    words = [*GAME, "--rounds", "1", "--out", "out"]
    result = call("distill", "teacher.safetensors", "--test", "digits", *words)
    refused(result, "digits", "10 classes")
    assert not (inside / "out" / "student.safetensors").exists()
    refused(
        call("evaluate", "teacher.safetensors", "--test", "digits", "--students", "run"),
        "10 classes",
    )
    refused(
        call("evaluate", "teacher.safetensors", "--test", "masks", "--students", "run"),
        "labels of pixels",
    )
    refused(
        call("evaluate", "teacher.safetensors", "--test", "nowhere", "--students", "run"), "nowhere"
    )


def test_evaluate_refuses_odd_settings(inside: Path):
    words = ["evaluate", "teacher.safetensors", "--test", "pictures", "--rounds", "1", *GAME]
    for value in ("0", "-1", "nan", "inf"):
        refused(call(*words, "--seconds", value), "seconds")
    refused(call(*words, "--students", "absent.safetensors"), "absent.safetensors")
    refused(call(*words, "--students", "run/checkpoint.safetensors"), "checkpoint.safetensors")
    refused(call(*words, "--seeds", "-1"), "seeds must not be negative")


def test_places_that_hold_something_else(inside: Path):
    words = [*GAME, "--rounds", "1"]
    refused(call("distill", "teacher.safetensors", *words, "--out", "teacher.pt2"), "teacher.pt2")
    refused(call("distill", "teacher.safetensors", *words, "--out", ""), "--out", "present folder")
    refused(
        call("distill", "teacher.safetensors", *words, "--check", "--test", "pictures"), "--test"
    )
    refused(call("distill", "pictures", "--input.shape", "1", "8", "8", *words), "pictures")
    refused(call("train", "pictures", "--out", "pictures", "--epochs", "1"), "pictures")
    refused(call("train", "pictures.zip", "--out", "pictures.zip", "--epochs", "1"), "pictures.zip")
    refused(call("sample", "pictures"), "pictures")
    refused(call("sample", "run", "--out", "pictures"), "pictures")
    refused(call("sample", "run", "--out", "samples.txt"), "samples.txt")
    refused(call("sample", "run", "--raw", "--out", "samples.png"), "samples.png")
    refused(
        call("export", "run/student.safetensors", "--out", "run/student.safetensors"), "run/student"
    )
    refused(call("export", "run", "--out", "masks"), "masks")
    refused(call("export", "run", "--out", "student.pth"), "student.pth")
    refused(call("info", "pictures"), "pictures")
    refused(call("data", "teacher.safetensors"), "teacher.safetensors")
    assert not list(Path("pictures").glob("*.safetensors"))
    student = Path("run/student.safetensors")
    shutil.copytree("run", "out")
    words = ["--student", "small_cnn", "--student-arguments", '{"width": 2}', *words]
    refused(
        call("distill", "out/student.safetensors", *words, "--out", "out"), "student.safetensors"
    )
    assert Path("out/student.safetensors").read_bytes() == student.read_bytes()


def test_export_refuses_odd_temperatures(inside: Path):
    for value in ("0", "-1", "nan", "inf"):
        refused(call("export", "run", "--temperature", value, "--out", "out.pt2"), "temperature")
        assert not Path("out.pt2").exists()
    words = ["--temperature", "auto", "--out", "out.pt2"]
    refused(call("export", "teacher.safetensors", *words), "teacher.safetensors", "--temperature")


def test_plots_say_what_they_need(inside: Path):
    for kind in ("samples", "losses", "progress", "balance", "confusion"):
        refused(call("plot", kind), kind, "--run")
    refused(call("plot", "balance", "--run", "run"), "--teacher")
    refused(call("plot", "comparison"), "--table")
    refused(call("plot", "strips"), "--teacher")
    refused(call("plot", "losses", "--run", "run", "--out", "figure.txt"), "figure.txt")
    refused(call("plot", "samples", "--run", "run", "--count", "0"), "count")
    table = Path("table.jsonl")
    for text in (
        "",
        "nonsense",
        "[]",
        "3",
        '{"name": "a"}',
        '{"name": "a", "value": "b"}',
        "[" * 100_000,
    ):
        table.write_text(text)
        refused(call("plot", "comparison", "--table", table), table)
    table.write_bytes(b"\xff\xfe")
    refused(call("plot", "comparison", "--table", table), table)


@pytest.mark.parametrize(
    "name",
    ["progress.json", "accuracy.json", "pair.json", "metrics.jsonl", "checkpoint.safetensors"],
)
def test_damaged_files_of_a_run(inside: Path, name: str):
    shutil.copytree("run", "out")
    path = Path("out") / name
    kind = "losses" if name == "metrics.jsonl" else "progress"
    for content in (b"", b"null", b'{"states": 3}', b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(content)
        again = call("distill", "teacher.safetensors", "--rounds", "2", *GAME, "--test", "pictures",
                     "--out", "out")  # fmt: skip
        drawn = call("plot", kind, "--run", "out", "--out", "figure.png")
        for result in (again, drawn):
            assert result.code in (0, 1)
            if result.code:
                refused(result)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_places(inside: Path, tmp_path: Path):
    tmp_path.chmod(0o500)
    refused(
        call("distill", "teacher.safetensors", "--rounds", "1", *GAME, "--out", tmp_path / "run")
    )
    refused(call("sample", "run", "--out", tmp_path / "a.png"))
    refused(call("export", "run", "--out", tmp_path / "a.pt2"))


def test_a_place_that_cannot_be_written(inside: Path):
    below = Path("teacher.pt2") / "below"
    refused(call("distill", "teacher.safetensors", "--rounds", "1", *GAME, "--out", below), below)
    refused(call("sample", "run", "--out", below / "a.png"), below)
    refused(call("export", "run", "--out", below / "a.pt2"), below)
    refused(call("plot", "losses", "--run", "run", "--out", below / "a.png"), below)


def test_a_student_that_diverges_is_stopped(inside: Path):
    words = ["--student-rate", "1e30", "--loss", "mse", "--rounds", "20", *GAME, "--out", "out"]
    refused(call("distill", "teacher.safetensors", *words), "out")


READERS = {
    "teacher.safetensors": open_saved,
    "weights.pth": read_weights,
    "teacher.pt2": lambda path: load_model(str(path), shape=SPACE.shape),
    "teacher.pt": lambda path: load_model(str(path), shape=SPACE.shape),
    "pictures.zip": lambda path: open_labeled(path, "train"),
    "run/checkpoint.safetensors": lambda path: info(Info(checkpoint=path, quiet=True)),
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused(place: Path, tmp_path: Path, name: str):
    sound, read = place / name, READERS[name]
    assert refusal(lambda: read(sound)) is None, "test invalid: the sound file is refused"
    damaged = tmp_path / sound.name
    refused_count = 0
    for content in damaged_files(sound.read_bytes(), count=60):
        damaged.write_bytes(content)
        sentence = refusal(lambda: read(damaged))
        if sentence is not None:
            refused_count += 1
            assert damaged.name in sentence or damaged.stem in sentence
    assert refused_count > 0, "test invalid: no damaged file is refused"


def test_damaged_runs_are_read_or_refused(place: Path, tmp_path: Path):
    sound = (place / "run" / "checkpoint.safetensors").read_bytes()
    for content in damaged_files(sound, count=60):
        (tmp_path / "checkpoint.safetensors").write_bytes(content)
        refusal(lambda: open_run(tmp_path))


def test_damaged_idx_files_are_read_or_refused(place: Path, tmp_path: Path):
    folder = tmp_path / "idx"
    shutil.copytree(place / "idx", folder)
    path = folder / "train-labels-idx1-ubyte.gz"
    for content in damaged_files(path.read_bytes(), count=100):
        path.write_bytes(content)
        refusal(lambda: open_labeled(folder, "train"))


def test_pickled_code_is_not_run(inside: Path, tmp_path: Path):
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (ran.touch, ())

    torch.save({"a": Bomb()}, tmp_path / "bomb.pth")  # noqa: TID251
    words = ["--input.shape", "1", "8", "8", "--out", "out"]
    for source in (
        ["small_cnn", "--teacher-weights", tmp_path / "bomb.pth"],
        [tmp_path / "bomb.pth"],
    ):
        refused(call("distill", *source, *words), "bomb.pth")
    assert not ran.exists()
