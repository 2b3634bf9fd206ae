import json

import numpy as np
import pytest
import torch

from lsp_distillation.ppi_files import read_ppi
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal

SIZES = {"train": (4, 3), "valid": (3,), "test": (2, 3)}


def write_tissues(raw, *, directed=True):
    """Write graphs in which node n has an edge to the next, the first node of each graph isolated."""
    raw.mkdir(parents=True)
    for part, sizes in SIZES.items():
        nodes = sum(sizes)
        numbers = np.repeat(np.arange(len(sizes)), sizes) + 5
        links = [
            {"source": int(node), "target": int(node) + 1}
            for node in range(nodes - 1)
            if numbers[node] == numbers[node + 1] and node and numbers[node - 1] == numbers[node]
        ]
        links.append({"source": 1, "target": 1})
        np.save(raw / f"{part}_feats.npy", np.arange(2.0 * nodes).reshape(nodes, 2))
        np.save(raw / f"{part}_labels.npy", np.tile([[1, 0, 1]], (nodes, 1)))
        np.save(raw / f"{part}_graph_id.npy", numbers)
        content = {"directed": directed, "nodes": [{"id": n} for n in range(nodes)], "links": links}
        (raw / f"{part}_graph.json").write_text(json.dumps(content))
    return raw


def test_parts_are_whole_graphs(tmp_path):
    task = read_ppi(write_tissues(tmp_path / "raw"), name="ppi")
    assert (task.nodes, task.graphs, task.classes, task.task) == (15, 5, 3, "multilabel")
    assert [task.graphs_of(part).tolist() for part in ("train", "val", "test")] == [
        [0, 1], [2], [3, 4]
    ]  # fmt: skip
    # Nodes 0, 4, 7, 10 and 12 are the first of their graphs, where nothing begins; loops are gone.
    assert task.graph.edge_index.T.tolist() == [[1, 2], [2, 3], [5, 6], [8, 9], [13, 14]]


def test_undirected_files_hold_both_directions(tmp_path):
    task = read_ppi(write_tissues(tmp_path / "raw", directed=False), name="ppi")
    assert task.graph.edges == 10


@pytest.mark.parametrize("file", ["train_feats.npy", "train_graph.json", "train_graph_id.npy"])
def test_damaged_files_end_in_one_sentence(tmp_path, file):
    raw = write_tissues(tmp_path / "raw")
    content, refused = (raw / file).read_bytes(), 0
    for damaged in damaged_files(content, count=100):
        (raw / file).write_bytes(damaged)
        sentence = refusal(lambda: read_ppi(raw, name="ppi"))
        refused += sentence is not None
        assert sentence is None or str(raw) in sentence
    assert refused > 20, "test invalid"


def test_what_does_not_belong_together_is_refused(tmp_path):
    raw = write_tissues(tmp_path / "raw")
    np.save(raw / "valid_labels.npy", np.ones((2, 3)))
    with pytest.raises(UserError, match="valid: features, labels and graph_id are not of the same"):
        read_ppi(raw, name="ppi")
    (raw / "valid_labels.npy").unlink()
    with pytest.raises(UserError, match=r"valid_labels.npy does not exist"):
        read_ppi(raw, name="ppi")


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore")  # its reader of what it has just written warns
def test_equal_to_the_class_of_pyg(tmp_path):
    import shutil

    from lsp_distillation.named_sets import find_folder
    from lsp_distillation.pyg_data import import_pyg

    raw = find_folder("PPI-layout-HumanGo/raw", data=None, hint="")
    shutil.copytree(raw, tmp_path / "raw")
    task = read_ppi(raw, name="ppi")
    start = 0
    for part in ("train", "val", "test"):
        for data in import_pyg("torch_geometric.datasets").PPI(str(tmp_path), split=part):
            alone = task.select_graphs(torch.tensor([start]))
            assert torch.equal(alone.x, data.x)
            assert torch.equal(alone.y, data.y)
            assert alone.graph.edges == data.edge_index.shape[1]
            start += 1
    assert start == task.graphs
