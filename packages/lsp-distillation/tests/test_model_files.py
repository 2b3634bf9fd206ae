"""Networks as files, and what they say of data with and without targets."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from tiny_training import as_labels, as_numbers, blocks, of_graphs, same_state, unequal_graphs

from lsp_distillation.distillation import new_network
from lsp_distillation.model_files import Student, reading_of
from lsp_distillation.network_config import NetworkConfig, PointNetworkConfig
from lsp_distillation.networks import build_network
from lsp_distillation.pyg_data import import_pyg, to_pyg_data
from tenfold_shared.checkpoints import save_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal

CONFIG = NetworkConfig(width=3)


def student_of(task, **more):
    network = new_network(CONFIG, task, seed=0, role="student")
    return Student(network, CONFIG, reading_of(task, **more), about={"seed": 0})


def bare(task):
    """Return PyG's data without targets and masks."""
    data = to_pyg_data(task)
    fields = {"x": data.x, "edge_index": data.edge_index}
    if task.graph_of_node is not None:
        fields["batch"] = data.batch
    return import_pyg("torch_geometric.data").Data(**fields)


KINDS = {
    "classes": blocks,
    "labels": lambda: as_labels(blocks()),
    "numbers": lambda: as_numbers(blocks()),
    "graphs": lambda: of_graphs(unequal_graphs()),
    "several graphs": unequal_graphs,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gives_back_what_was_saved(tmp_path, kind):
    task = KINDS[kind]()
    student = student_of(task)
    student.save(tmp_path / "s.safetensors")
    again = Student.load(tmp_path / "s.safetensors")
    assert same_state(again.network, student.network)
    assert (again.config, again.reading, again.about) == (
        student.config, student.reading, student.about,
    )  # fmt: skip
    assert torch.equal(again.predict(task), student.predict(task))
    assert again.evaluate(task) == student.evaluate(task)
    assert not again.network.training
    assert again.parameters == sum(p.numel() for p in student.network.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_need_no_targets(kind):
    task = KINDS[kind]()
    student = student_of(task)
    expected = student.predict(task)
    torch.testing.assert_close(student.predict(bare(task)), expected)
    with_fewer = to_pyg_data(task)
    with_fewer.y = torch.zeros_like(task.y)  # a graph in which not every class occurs
    torch.testing.assert_close(student.predict(with_fewer), expected)
    if task.graph_of_node is not None:
        ones = [task.select_graphs(torch.tensor([number])) for number in range(task.graphs)]
        parts = [bare(one) for one in ones]
        torch.testing.assert_close(student.predict(parts), expected)


def test_data_are_prepared_as_in_training():
    task = blocks()
    one_way = import_pyg("torch_geometric.data").Data(
        x=task.x.abs(), edge_index=task.graph.edge_index[:, task.graph.sources < task.graph.targets]
    )
    raw = student_of(task)
    prepared = student_of(task, normalized=True, symmetric=True)
    whole = task.with_features(one_way.x / one_way.x.sum(1, keepdim=True))
    torch.testing.assert_close(prepared.predict(one_way), raw.predict(whole))
    assert not torch.allclose(raw.predict(one_way), prepared.predict(one_way))


def test_other_data_are_refused():
    student = student_of(blocks())
    with pytest.raises(ValueError, match="reads 5 features per node, unequal has 4"):
        student.predict(unequal_graphs())
    of_nodes = student_of(unequal_graphs())
    with pytest.raises(ValueError, match="predicts for every node"):
        of_nodes.predict(of_graphs(unequal_graphs()))
    with pytest.raises(ValueError, match="no node features"):
        student.predict(
            import_pyg("torch_geometric.data").Data(edge_index=torch.zeros(2, 1).long())
        )


def test_networks_on_clouds_are_kept_too(tmp_path):
    config = PointNetworkConfig(widths=(4,), embedding=6, head=(), neighbors=3)
    network = build_network(config, features=2, outputs=3)
    reading = replace(reading_of(blocks()), features=2, level="graph")
    Student(network, config, reading).save(tmp_path / "c.safetensors")
    again = Student.load(tmp_path / "c.safetensors")
    assert again.config == config
    assert same_state(again.network, network)


@contextmanager
def kept(sentences):
    """Keep the sentences of refusals; everything else is an error."""
    try:
        yield
    except UserError as error:
        sentences.append(str(error))


def test_damaged_and_foreign_files_are_one_sentence(tmp_path):
    path = tmp_path / "s.safetensors"
    student_of(blocks()).save(path)
    sentences = []
    for content in damaged_files(path.read_bytes(), count=60, seed=0):
        path.write_bytes(content)
        with kept(sentences):
            Student.load(path)
    assert len(sentences) > 40
    assert all(str(path) in one and "\n" not in one for one in sentences)
    assert "missing" in refusal(lambda: Student.load(tmp_path / "missing.safetensors"))
    network = new_network(CONFIG, blocks(), seed=0, role="student")
    save_checkpoint(path, models={"network": network}, metadata={}, package="lsp-distillation")
    assert "state of a training" in refusal(lambda: Student.load(path))


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    student = student_of(blocks())
    with torch.no_grad():
        next(student.network.parameters()).view(-1)[0] = torch.nan
    student.save(tmp_path / "s.safetensors")
    assert "not finite" in refusal(lambda: Student.load(tmp_path / "s.safetensors"))
