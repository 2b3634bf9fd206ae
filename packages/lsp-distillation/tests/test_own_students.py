"""Students of a user's own code."""

import torch
from tiny_commands import SMALL_TEACHER, call, done, refused, rows_of
from tiny_data import make_tiny_data
from tiny_training import PygTeacher, blocks, copied, same_state, student_config, teacher_config
from torch import nn

from lsp_distillation.comparison import CompareConfig, compare
from lsp_distillation.compressing import compress
from lsp_distillation.distillation import distill
from lsp_distillation.model_files import Student
from lsp_distillation.named_sets import open_task
from lsp_distillation.pyg_data import import_pyg
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from tenfold_shared.seeds import seed_global_state
from tenfold_shared.testing import refusal

CODE = """
import torch
from torch import nn
from torch_geometric.nn import SAGEConv


class Small(nn.Module):
    def __init__(self, features, outputs, width=4):
        super().__init__()
        self.first = SAGEConv(features, width)
        self.last = nn.Linear(width, outputs)

    def forward(self, x, edge_index):
        return self.last(self.first(x, edge_index).relu())
"""


def sage(width: int = 4) -> nn.Module:
    seed_global_state(1, "student")
    return import_pyg("torch_geometric.nn").GraphSAGE(
        in_channels=5, hidden_channels=width, num_layers=2, out_channels=3
    )


def test_an_own_student_learns_and_comes_back(tmp_path):
    task, student = blocks(nodes_per_class=40), sage()
    before = copied(student)
    terms = TermsConfig(structure=StructureConfig(layers=("inner:convs.0",)), measure_after=2)
    trained = distill(
        student_config(terms, epochs=40), tmp_path, task=task, teacher=PygTeacher(),
        student=student, device="cpu",
    )  # fmt: skip
    assert all(torch.equal(value, before[n]) for n, value in student.state_dict().items())
    assert trained.learned.weights["structure"] > 0
    assert trained.learned.validation > 0.6
    again = Student.load(tmp_path / "model.safetensors", network=sage())
    assert same_state(again.network, trained.student.network)
    assert torch.equal(again.predict(task), trained.student.predict(task))


def short(folder, student):
    config = student_config(epochs=1)
    seed_global_state(0, "teacher")
    return compress(PygTeacher(), blocks(), folder, config=config, student=student, device="cpu")


def test_only_your_code_can_build_it(tmp_path):
    short(tmp_path, sage())
    path = tmp_path / "model.safetensors"
    assert "Student.load(path, network=...)" in refusal(lambda: Student.load(path))
    assert "convs.0" in refusal(lambda: Student.load(path, network=sage(5)))


def test_a_folder_belongs_to_its_student(tmp_path):
    short(tmp_path, sage())
    assert "another student" in refusal(lambda: short(tmp_path, sage(5)))


def test_methods_of_a_seed_begin_with_the_same_own_student(tmp_path):
    begun = []

    def small():
        pyg = import_pyg("torch_geometric.nn")
        network = pyg.GraphSAGE(5, 4, num_layers=2, out_channels=3, dropout=0.5)
        begun.append(copied(network))
        return network

    structure = StructureConfig(layers=("layers.0:convs.0",))
    config = CompareConfig(
        teacher=teacher_config(epochs=2),
        student=student_config(TermsConfig(structure=structure), epochs=2),
        methods=("labels", "lsp"),
        seeds=(0, 1),
    )
    cells = compare(config, tmp_path, task_of=lambda _: blocks(), student=small, device="cpu")
    count = sum(value.numel() for value in begun[0].values())
    assert {cell.parameters for cell in cells if cell.method != "teacher"} == {count}
    assert all(torch.equal(value, begun[1][name]) for name, value in begun[0].items())
    assert not torch.equal(begun[0]["convs.0.lin_l.weight"], begun[2]["convs.0.lin_l.weight"])


def test_the_command_takes_a_factory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_tiny_data(tmp_path)
    (tmp_path / "small_networks.py").write_text(CODE)
    done("train", "graph.npz", *SMALL_TEACHER, "--out", "teacher")
    task = open_task("graph.npz")
    arguments = f'{{"features": {task.features}, "outputs": {task.outputs}}}'
    words = [
        "distill", "graph.npz", "--teacher", "teacher", "--student", "small_networks:Small",
        "--terms.structure.layers", "layers.0:first", "--training.epochs", "8",
    ]  # fmt: skip
    rows = rows_of(*words, "--student-arguments", arguments, "--out", "own")
    named = {row["name"]: row["value"] for row in rows}
    assert named["weight of the structure term"] > 0
    refused(call(*words, "--student-arguments", "{", "--out", "other"), "--student-arguments")
    refused(call("evaluate", "graph.npz", "--teacher", "teacher", "--students", "own"), "your own")
    refused(call("export", "own"), "your own")
    assert call("info", "own").code == 0
