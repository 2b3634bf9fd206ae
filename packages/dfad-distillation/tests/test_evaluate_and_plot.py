"""`evaluate` and `plot` with networks of users, on the command line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny_commands import call, done, refused
from tiny_data import GAME, SPACE, make_tiny_data

from dfad_distillation.cli import main
from dfad_distillation.config import InputSpace
from dfad_distillation.data import LabeledPictures
from dfad_distillation.fidelity import compare_with_teacher
from dfad_distillation.model_files import load_saved
from tenfold_shared.images import read_image
from tenfold_shared.testing import run_command

SHAPE = (
    "--input.shape", "1", "8", "8", "--input.mean", "0.5", "--input.std", "0.25",
)  # fmt: skip
FIXED = '''"""Networks of a user whose weights are always the same."""

import torch
from torch import nn
from my_networks import Narrow


class Fixed(nn.Module):
    def __init__(self, width=8, sign=1, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body, self.sign = Narrow(width=width), sign

    def forward(self, pictures):
        return self.sign * self.body(pictures)
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data, code of a user, and a distillation of his networks in `run`."""
    folder = tmp_path_factory.mktemp("users")
    make_tiny_data(folder)
    (folder / "fixed.py").write_text(
        FIXED.replace("from my_networks import Narrow\n", "")
        + (folder / "my_networks.py").read_text().split('"""', 2)[2]
    )
    words = [*SHAPE, *student(folder), "--rounds", "4", *GAME, "--out", folder / "run"]
    done("distill", *teacher(folder), *words)
    return folder


def teacher(place: Path, **arguments: int) -> list[str]:
    """Return the words that name the user's teacher."""
    given = json.dumps({"width": 12} | arguments)
    return [f"{place}/fixed.py:Fixed", "--teacher-arguments", given]


def student(place: Path) -> list[str]:
    """Return the words that name the user's student."""
    return ["--student", f"{place}/fixed.py:Narrow", "--student-arguments", '{"width": 3}']


def rows(result) -> dict:
    """Return the rows of --json by their names."""
    return {row["name"]: row for row in map(json.loads, result.stdout.splitlines())}


def test_a_student_with_arguments_is_scored(place: Path):
    words = [*teacher(place), *SHAPE, "--test", place / "pictures", "--students", place / "run"]
    refused(call("evaluate", *words), "--constructor")
    code = ["--constructor", f"{place}/fixed.py:Narrow"]
    found = rows(done("evaluate", *words, *code, "--json"))
    assert found[f"{place / 'run'}: agreement on class above"]["reference"] == 1
    refused(call("evaluate", *words, *code, "--constructor-arguments", '{"width": 5}'), "(3,)")


def test_the_comparison_takes_weights_and_outputs_of_the_student(place: Path, tmp_path: Path):
    words = [*teacher(place), *SHAPE, "--test", place / "pictures", "--seeds", "0", "--rounds", "1",
             *GAME, "--seconds", "0.01", "--student", f"{place}/fixed.py:Narrow"]  # fmt: skip
    wide = ["--student-arguments", '{"width": 8}']
    weights = load_saved(place / "teacher.safetensors").module.state_dict()
    torch.save(weights, tmp_path / "others.pth")  # noqa: TID251
    refused(call("evaluate", *words, *wide, "--student-weights", tmp_path / "others.pth"), "others")
    refused(call("evaluate", *words, *wide, "--student-outputs", "aux"), "aux")
    ends = ["--student", f"{place}/fixed.py:Ends", "--student-outputs", "probabilities"]
    assert "DFAD" in rows(done("evaluate", *words, *ends, "--json"))


def test_a_second_comparison_is_as_fair_as_the_first(place: Path, tmp_path: Path):
    words = [
        "--test",
        place / "pictures",
        "--seeds",
        "0",
        "--rounds",
        "2",
        *GAME,
        "--out",
        tmp_path,
    ]
    first, second = (
        rows(done("evaluate", *teacher(place), *SHAPE, *words, "--json")) for _ in range(2)
    )
    seconds = json.loads((tmp_path / "seed-0" / "seconds.json").read_text())["seconds"]
    assert first["DFAD"]["cpu_seconds"] == second["DFAD"]["cpu_seconds"] == seconds
    assert first["DFAD"]["value"] == second["DFAD"]["value"]
    assert all("ratio of seconds" in row for row in second.values())
    other = [*teacher(place, sign=-1), *SHAPE]
    refused(call("evaluate", *other, *words), "seed-0", "another teacher")
    (tmp_path / "seed-0" / "seconds.json").unlink()
    refused(call("evaluate", *teacher(place), *SHAPE, *words), "seed-0", "nobody knows")


def test_the_comparison_computes_where_it_is_told(place: Path, monkeypatch: pytest.MonkeyPatch):
    from dfad_distillation import comparison

    seen = []

    def stop(*_, device, **__):
        seen.append(device)
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "compare", stop)
    monkeypatch.setattr("tenfold_shared.devices.choose_device", torch.device)
    words = [*teacher(place), *SHAPE, "--test", place / "pictures", "--rounds", "1", *GAME]
    for device in ("cuda:7", "cpu"):
        run_command(main, ["evaluate", *words, "--device", device])
    assert seen == ["cuda:7", "cpu"]


@pytest.mark.parametrize("kind", ["balance", "confusion", "calibration"])
def test_figures_of_a_users_networks(place: Path, tmp_path: Path, kind: str):
    out = tmp_path / "figure.png"
    code, *given = teacher(place)
    words = ["--run", place / "run", "--student", place / "run", "--test", place / "pictures", "--out", out,
             "--constructor", f"{place}/fixed.py:Narrow", "--teacher", code]  # fmt: skip
    done("plot", kind, *words, *given)
    assert read_image(out).std() > 0.02, "something is drawn"
    refused(call("plot", kind, *words), place / "run", "another teacher")
    for other in ({"seed": 1}, {"sign": -1}):
        named = teacher(place, **other)[1:]
        refused(call("plot", kind, *words, *named), place / "run", "another teacher")


def test_a_random_teacher_is_not_drawn(place: Path, tmp_path: Path):
    code = f"{place}/my_networks.py:Narrow"
    words = ["--run", place / "run", "--teacher", code, "--out", tmp_path / "figure.png"]
    refused(call("plot", "balance", *words), "another teacher")
    assert not (tmp_path / "figure.png").exists()


def test_a_damaged_note_of_the_run_is_told(place: Path, tmp_path: Path):
    run = shutil.copytree(place / "run", tmp_path / "run")
    code, *given = teacher(place)
    words = ["--run", run, "--teacher", code, *given, "--out", tmp_path / "figure.png"]
    for text in ("", "[]", '{"teacher": 1}', "[" * 100_000):
        (run / "pair.json").write_text(text)
        refused(call("plot", "balance", *words), "pair.json" if text[:2] != '{"' else "another")


def test_what_networks_read_must_be_known(place: Path, tmp_path: Path):
    words = ["--teacher", place / "teacher.pt2", "--student", place / "teacher.pt2", "--test", place / "pictures",
             "--out", tmp_path / "figure.png"]  # fmt: skip
    result = call("plot", "calibration", *words)
    assert result.code in (1, 2)
    assert "must know what networks read" in result.stderr
    known = ["--teacher", place / "teacher.safetensors", *words[2:]]
    done("plot", "calibration", *known)


class Painted(torch.nn.Module):
    """Answers one class in the left columns and another in the rest."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        left = torch.zeros_like(pictures[:, :1])
        left[..., : self.columns] = 1
        return torch.cat([left, 1 - left], 1)


def test_agreement_is_told_by_class_and_without_void():
    labels = torch.zeros(2, 8, 8, dtype=torch.int64)
    labels[..., 4:] = 1
    labels[..., 6:] = 255
    pictures = LabeledPictures(
        images=torch.zeros(2, 1, 8, 8, dtype=torch.uint8), labels=labels, classes=("left", "right", "none"), name="x"
    )  # fmt: skip

    class Wide(Painted):
        def forward(self, pictures):
            logits = super().forward(pictures)
            return torch.cat([logits, -torch.ones_like(logits[:, :1])], 1)

    space = InputSpace(shape=SPACE.shape)
    networks = {"teacher": Wide(4), "student": Wide(3), "void": Wide(6)}
    found = {row["name"]: row["value"] for row in compare_with_teacher(networks, pictures, space)}
    assert found["student: agreement with the teacher"] == pytest.approx(5 / 6)
    assert found["student: agreement on class left"] == 0.75
    assert found["student: agreement on class right"] == 1
    assert found["void: agreement with the teacher"] == pytest.approx(4 / 6)
    assert found["void: agreement on class right"] == 0
    assert "student: agreement on class none" not in found, "it does not occur"
