"""Students for other programs, each compared with its network before it is written."""

import pytest
import safetensors.torch
import torch
from tiny_training import blocks

from lsp_distillation import export
from lsp_distillation.distillation import new_network
from lsp_distillation.export import export_student
from lsp_distillation.model_files import Student, reading_of
from lsp_distillation.network_config import NetworkConfig, PointNetworkConfig
from lsp_distillation.networks import build_network
from lsp_distillation.pyg_exchange import to_pyg
from tenfold_shared.testing import refusal


def student_of(**config):
    task = blocks()
    settings = NetworkConfig(width=3, **config)
    network = new_network(settings, task, seed=0, role="student")
    return Student(network, settings, reading_of(task))


@pytest.mark.parametrize("kind", ["gat", "gcn"])
def test_a_program_says_what_the_network_says_of_another_graph(tmp_path, kind):
    task, student = blocks(nodes_per_class=7), student_of(kind=kind)
    assert export_student(tmp_path / "s.pt2", student) < 1e-4
    program = torch.export.load(tmp_path / "s.pt2").module()
    found = program(task.x, task.graph.edge_index)
    torch.testing.assert_close(found, student.predict(task), rtol=1e-4, atol=1e-5)


def test_weights_of_pyg_are_written(tmp_path):
    student = student_of(heads=2)
    export_student(tmp_path / "s.pyg.safetensors", student)
    other = to_pyg(student.network)
    state = safetensors.torch.load_file(tmp_path / "s.pyg.safetensors")
    assert all(torch.equal(state[name], value) for name, value in other.state_dict().items())


def test_what_differs_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    sentence = refusal(lambda: export_student(tmp_path / "s.pt2", student_of()))
    assert "differs from the network" in sentence
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end in .pt2, .onnx, .pyg.safetensors"):
        export_student(tmp_path / "s.zip", student_of())
    config = PointNetworkConfig(widths=(3,), embedding=4, head=(), neighbors=3)
    network = build_network(config, features=2, outputs=2)
    clouds = Student(network, config, reading_of(blocks()))
    with pytest.raises(ValueError, match=r"no counterpart among PyG's layers"):
        export_student(tmp_path / "c.pyg.safetensors", clouds)
