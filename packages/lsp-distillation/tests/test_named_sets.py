from dataclasses import replace

import numpy as np
import pytest
import torch
from small_tasks import node_fields

from lsp_distillation.generated_tasks import block_task
from lsp_distillation.graph_files import write_graph
from lsp_distillation.named_sets import NAMES, find_folder, open_task
from lsp_distillation.node_data import FewNeighborsWarning
from lsp_distillation.pyg_data import import_pyg
from tenfold_shared.errors import UserError


def sizes_of(task):
    return [int(task.mask(part).sum()) for part in ("train", "val", "test")]


def write_counts(folder):
    """Write 200 nodes on a ring with counts of words, as Amazon and Coauthor come."""
    path = folder / "graphs/Amazon/Photo/raw/amazon_electronics_photo.npz"
    path.parent.mkdir(parents=True)
    nodes = np.arange(200)
    np.savez(
        path,
        adj_data=np.ones(200), adj_indices=(nodes + 1) % 200, adj_indptr=np.arange(201),
        adj_shape=[200, 200], attr_data=np.full(200, 3), attr_indices=(nodes % 5).astype(np.uint16),
        attr_indptr=np.arange(201), attr_shape=[200, 5], labels=nodes % 3,
        attr_text=np.array([["word"]], object),
    )  # fmt: skip


def test_digits_and_blocks_need_no_files():
    assert sizes_of(open_task("digits")) == [200, 300, 1297]
    blocks = open_task("blocks", split="random", split_seed=3)
    assert sizes_of(blocks) == [240, 80, 80]
    assert not torch.equal(blocks.train_mask, open_task("blocks", split="random").train_mask)


def test_counts_of_words_are_presence_on_an_undirected_graph(tmp_path):
    write_counts(tmp_path)
    task = open_task("photo", data=tmp_path)
    assert (task.name, task.graph.edges, task.features) == ("photo", 400, 5)
    assert torch.equal(task.x, torch.eye(5)[torch.arange(200) % 5])
    assert sizes_of(task) == [60, 90, 50]


def test_multilabel_sets_are_made_symmetric_unless_stated(tmp_path):
    fields = {name: value.numpy() for name, value in node_fields().items()}
    fields["y"] = np.eye(6, dtype=np.uint8)[:, :3]
    (tmp_path / "multilabel").mkdir()
    np.savez(tmp_path / "multilabel/pcg.npz", edge_attr=np.ones((5, 2)), **fields)
    assert open_task("pcg", data=tmp_path).graph.edges == 10
    with pytest.warns(FewNeighborsWarning, match="100% of the nodes of pcg"):
        assert open_task("pcg", data=tmp_path, symmetric=False).graph.edges == 5


def test_a_file_keeps_its_parts_unless_others_are_asked_for(tmp_path):
    task = block_task(graphs=4, nodes_per_class=60)
    write_graph(task, tmp_path / "blocks.safetensors")
    shipped = open_task(tmp_path / "blocks.safetensors")
    assert torch.equal(shipped.train_mask, task.train_mask)
    assert sizes_of(open_task(tmp_path / "blocks.safetensors", split="per-class")) == [80, 120, 760]
    write_graph(replace(task, val_mask=None), tmp_path / "half.safetensors")
    with pytest.raises(UserError, match="masks for all of train, val and test"):
        open_task(tmp_path / "half.safetensors")


def test_normalized_rows_sum_to_one():
    rows = open_task("digits", normalize_features=True).x.sum(1)
    assert torch.allclose(rows, torch.ones(1797))


def test_refusals(tmp_path):
    with pytest.raises(UserError, match="is no file and none of the sets by name: digits"):
        open_task("corra")
    with pytest.raises(ValueError, match="split must be one of auto, shipped"):
        open_task("digits", split="public")
    with pytest.raises(UserError, match="does not come with masks"):
        open_task("digits", split="shipped")
    with pytest.raises(UserError, match=r"torch_geometric.datasets.Planetoid") as missing:
        open_task("cora", data=tmp_path)
    assert "\n" not in str(missing.value)
    write_graph(block_task(nodes_per_class=30), tmp_path / "few.safetensors")
    with pytest.raises(UserError, match="class 0 has 30 items, too few"):
        open_task(tmp_path / "few.safetensors", split="per-class")


def test_classes_too_small_for_a_split_by_class_are_drawn_from_all(tmp_path, caplog):
    for count, shares in ((51, (20, 30)), (50, (30, 10))):
        write_graph(block_task(nodes_per_class=count), tmp_path / "some.safetensors")
        task = open_task(tmp_path / "some.safetensors")
        sizes = [int(task.mask(part).sum()) / task.classes for part in ("train", "val")]
        assert sizes == list(shares)
        assert ("a class has 50 items, too few" in caplog.text) == (count == 50)


FACTS = {  # nodes, edges, features, outputs: as the documentation of PyG and of the sets has them
    "cora": (2708, 10556, 1433, 7),
    "citeseer": (3327, 9104, 3703, 6),
    "photo": (7650, 238162, 745, 8),
    "computers": (13752, 491722, 767, 10),
    "cs": (18333, 163788, 6805, 15),
    "physics": (34493, 495924, 8415, 5),
    "ppi-layout-humango": (2552, 9538, 32, 14),
    "humango": (3106, 2 * 15978 + 530, 32, 14),
    "pcg": (3233, 74702, 32, 15),
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", FACTS)
def test_real_sets_have_their_known_sizes(name):
    task = open_task(name)
    assert (task.nodes, task.graph.edges, task.features, task.outputs) == FACTS[name]
    mostly_zeros = ("cora", "citeseer", "cs", "physics")
    assert task.x.is_sparse_csr == (name in mostly_zeros)
    if name in ("cora", "citeseer"):
        assert sizes_of(task) == [20 * task.classes, 500, 1000]
        assert set(task.x.values().tolist()) == {1.0}  # words as presence


@pytest.mark.realdata
def test_most_proteins_of_eukaryotego_have_few_neighbors():
    with pytest.warns(FewNeighborsWarning, match="69%"):
        open_task("eukaryotego")


@pytest.mark.realdata
def test_the_shipped_splits_of_pcg_differ():
    first, second, fourth = (open_task("pcg", split_seed=seed) for seed in (0, 1, 3))
    assert not torch.equal(first.test_mask, second.test_mask)
    assert torch.equal(first.test_mask, fourth.test_mask)


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore")  # its reader of what it has just written warns
@pytest.mark.parametrize("name", ["Photo", "Cora"])
def test_equal_to_the_classes_of_pyg(tmp_path, name):
    import shutil

    kind = "Amazon" if name == "Photo" else "Planetoid"
    raw = find_folder(f"{kind}/{name}/raw", data=None, hint="")
    shutil.copytree(raw, tmp_path / name / "raw")
    data = getattr(import_pyg("torch_geometric.datasets"), kind)(str(tmp_path), name)[0]
    task = open_task(name.lower(), normalize_features=False)
    assert torch.equal(task.x.to_dense(), data.x)
    assert torch.equal(task.y, data.y)
    keys = data.edge_index[1] * task.nodes + data.edge_index[0]
    assert torch.equal(keys.sort().values, task.graph.targets * task.nodes + task.graph.sources)


def test_names_are_listed():
    assert {"digits", "blocks", *FACTS, "eukaryotego", "ppi", "pubmed"} == set(NAMES)
