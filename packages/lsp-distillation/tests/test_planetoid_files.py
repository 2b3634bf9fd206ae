import os
import pickle

import numpy as np
import pytest
import scipy.sparse
import torch

from lsp_distillation.planetoid_files import read_planetoid
from tenfold_shared.errors import UserError


def write_citations(raw, name, *, y=None):
    """Write the eight files of a graph of 540 nodes, those from 530 on to test."""
    raw.mkdir(parents=True)
    nodes, classes = 540, 3
    labels = np.eye(classes, dtype=np.int32)[np.arange(nodes) % classes]
    x = scipy.sparse.csr_matrix(np.eye(8, dtype=np.float32)[np.arange(nodes) % 8])
    contents = {
        "x": x[:10], "y": labels[:10] if y is None else y, "allx": x[:530], "ally": labels[:530],
        "tx": x[530:], "ty": labels[530:],
        "graph": {node: [(node + 1) % nodes, (node - 1) % nodes] for node in range(nodes)},
    }  # fmt: skip
    for ending, content in contents.items():
        (raw / f"ind.{name}.{ending}").write_bytes(pickle.dumps(content))
    numbers = "\n".join(map(str, range(530, nodes)))
    (raw / f"ind.{name}.test.index").write_text(numbers + "\n")


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_files_without_a_known_checksum_need_trust(tmp_path):
    write_citations(tmp_path / "raw", "pubmed")
    with pytest.raises(UserError, match="pickles, which can run any code"):
        read_planetoid(tmp_path / "raw", "pubmed")
    before = sorted(tmp_path.rglob("*"))
    task = read_planetoid(tmp_path / "raw", "pubmed", trust=True)
    assert (task.nodes, task.classes, task.graph.edges) == (540, 3, 1080)
    assert [int(task.mask(part).sum()) for part in ("train", "val", "test")] == [10, 500, 10]
    assert torch.equal(task.y, torch.arange(540) % 3)
    assert sorted(tmp_path.rglob("*")) == before, "something was written to the data folder"


def test_other_files_than_the_public_ones_are_not_unpickled(tmp_path):
    planted = tmp_path / "planted"
    write_citations(tmp_path / "raw", "cora", y=Hostile(planted))
    with pytest.raises(UserError, match=r"raw/ind.cora.x has another content than expected"):
        read_planetoid(tmp_path / "raw", "cora")
    assert not planted.exists()
    # Trusted, the same files run their command: the test can fail.
    with pytest.raises(UserError, match="is damaged"):
        read_planetoid(tmp_path / "raw", "cora", trust=True)
    assert planted.exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"ind.cora.x cannot be read: No such file"):
        read_planetoid(tmp_path, "cora")
