import io
import os
import pickle
import warnings
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save
from small_tasks import node_fields

from lsp_distillation.feature_rows import to_sparse
from lsp_distillation.generated_tasks import block_task
from lsp_distillation.graph_files import read_graph, write_graph
from lsp_distillation.pyg_data import from_pyg_data, import_pyg
from lsp_distillation.task_fields import task_from_fields
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal

pyg = import_pyg("torch_geometric.data")


def saved(content):
    """Return what torch.save writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)  # noqa: TID251
    return buffer.getvalue()


def npz(**fields):
    """Return what numpy.savez writes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{n: np.asarray(value) for n, value in fields.items()})
    return buffer.getvalue()


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


CONTENTS = {
    "graph.npz": npz(**node_fields()),
    "graph.safetensors": save(node_fields()),
    "data.pt": saved(pyg.Data(**node_fields())),
    "fields.pt": saved(node_fields()),
    "numbers.pt": saved(pyg.Data(**node_fields()).to_dict()),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_kind_of_file_holds_the_same_graph(tmp_path, name):
    task = read_graph(put(tmp_path, name, CONTENTS[name]))
    expected = task_from_fields(node_fields(), name="graph")
    assert task.graph.fingerprint == expected.graph.fingerprint
    for field in ("x", "y", "train_mask", "val_mask", "test_mask"):
        assert torch.equal(getattr(task, field), getattr(expected, field))
    assert task.name == name.split(".")[0]


@pytest.mark.parametrize("sparse", [False, True])
def test_what_was_written_is_read(tmp_path, sparse):
    task = block_task(graphs=4, nodes_per_class=5)
    # One class without items keeps its number, since names are written.
    task = task.with_features(to_sparse(task.x)) if sparse else task
    write_graph(task, tmp_path / "blocks.safetensors")
    again = read_graph(tmp_path / "blocks.safetensors")
    assert again.graph.fingerprint == task.graph.fingerprint
    assert (again.name, again.task, again.classes) == ("blocks", "multiclass", 4)
    for field in ("y", "train_mask", "val_mask", "test_mask", "graph_of_node"):
        assert torch.equal(getattr(again, field), getattr(task, field))
    assert torch.equal(again.x.to_dense(), task.x.to_dense())


def test_a_list_of_saved_graphs_is_joined(tmp_path):
    one = pyg.Data(x=torch.ones(3, 2), edge_index=torch.tensor([[0], [1]]), y=torch.tensor([0]))
    two = pyg.Data(x=torch.ones(4, 2), edge_index=torch.tensor([[3], [1]]), y=torch.tensor([1]))
    task = read_graph(put(tmp_path, "list.pt", saved([one, two])))
    assert (task.level, task.graphs, task.y.tolist()) == ("graph", 2, [0, 1])
    assert task.graph.edge_index.tolist() == [[0, 6], [1, 4]]


class Hostile:
    """Runs a command when it is unpickled without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("where", ["x", "extra", "alone", "npz"])
def test_a_hostile_file_is_refused_and_not_executed(tmp_path, where):
    planted = tmp_path / "planted"
    hostile = Hostile(planted)
    if where == "npz":
        array = np.empty(1, object)
        array[0] = hostile
        buffer = io.BytesIO()
        np.savez(buffer, x=array)
        path = put(tmp_path, "hostile.npz", buffer.getvalue())
    else:
        content = {"alone": hostile}.get(where) or pyg.Data(**node_fields(), **{})
        if where != "alone":
            content[where] = hostile
        path = put(tmp_path, "hostile.pt", saved(content))
    sentence = refusal(lambda: read_graph(path))
    assert sentence is not None
    assert str(path) in sentence
    if where != "npz":
        assert "system, which is not executed" in sentence
    assert not planted.exists()
    # The same file does run its command where nobody takes care: the test can fail.
    if where == "npz":
        np.load(path, allow_pickle=True)["x"]
    else:
        torch.load(path, weights_only=False)  # noqa: TID251
    assert planted.exists()


def test_heterogeneous_graphs_are_refused_in_one_sentence(tmp_path):
    data = pyg.HeteroData()
    data["paper"].x = torch.ones(3, 2)
    data["paper", "cites", "paper"].edge_index = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match="several kinds of nodes"):
        from_pyg_data(data)
    for name, content in (("data.pt", data), ("fields.pt", data.to_dict())):
        sentence = refusal(lambda n=name, c=content: read_graph(put(tmp_path, n, saved(c))))
        assert sentence is not None
        assert "several kinds of nodes" in sentence


def forged_size():
    """Return x that claims 2^40 rows over one stored number."""
    return saved(node_fields(x=torch.zeros(1).as_strided((2**40, 2), (0, 0))))


def forged_sparse():
    """Return adj_t with an edge that leads out of the matrix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adj_t = torch.sparse_coo_tensor(
            torch.tensor([[0], [2**40]]), torch.ones(1), (6, 6), check_invariants=False,
            is_coalesced=True,
        )  # fmt: skip
    return saved(node_fields(edge_index=None, adj_t=adj_t))


def store_of_a_list():
    data = pyg.Data(**node_fields())
    vars(vars(data)["_store"])["_mapping"] = [1, 2]
    return saved(data)


def bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.npy", b"")
    content = bytearray(buffer.getvalue())
    place = content.index(b"PK\x01\x02")
    content[place + 24 : place + 28] = b"\xff\xff\xff\xfe"
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npz", b"", "is no npz file or is damaged"),
        ("a.npz", npz(y=[1]), "x is missing"),
        ("a.npz", npz(**node_fields(y=torch.tensor([0, 1, 0, 1, 0, -7]))), "within 0 and 1"),
        ("a.npz", npz(x=np.array(["a"])), "x must be a tensor of numbers"),
        ("a.npz", bomb, "damaged|more than"),
        ("a.safetensors", b"12345678{}", "is no safetensors file"),
        ("a.safetensors", save({"y": torch.ones(3)}), "x is missing"),
        ("a.pt", b"junk", "was not written by torch.save"),
        ("a.pt", pickle.dumps([1]), "was not written by torch.save"),
        ("a.pt", saved(3), "holds no Data"),
        ("a.pt", saved([]), "list of graphs is empty"),
        ("a.pt", saved([{"x": torch.ones(2, 2)}]), "graph 0 has no edge_index"),
        ("a.pt", saved(pyg.Data(x=torch.ones(3, 2))), "edge_index or adj_t is missing"),
        ("a.pt", saved(np.ones(3)), "which is not executed"),
        ("a.pt", forged_size, "more than .* bytes"),
        ("a.pt", forged_sparse, "damaged"),
        ("a.pt", store_of_a_list, "holds no Data"),
        ("a.csv", b"1,2", "is no graph file; these end in .npz"),
    ],
)
def test_other_content_is_refused(tmp_path, name, content, message):
    path = put(tmp_path, name, content() if callable(content) else content)
    with pytest.raises(UserError, match=message) as refused:
        read_graph(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_graph(tmp_path / "none.npz")


@pytest.mark.parametrize("name", ["graph.npz", "graph.safetensors", "data.pt", "fields.pt"])
def test_damaged_files_end_in_one_sentence(tmp_path, name):
    refused = 0
    for damaged in damaged_files(CONTENTS[name], count=150):
        path = put(tmp_path, name, damaged)
        sentence = refusal(lambda path=path: read_graph(path))
        refused += sentence is not None
        assert sentence is None or name in sentence
    assert refused > 60, "test invalid"
