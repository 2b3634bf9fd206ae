import numpy as np
import pytest

from lsp_distillation.mesh_clouds import read_modelnet, sample_surface
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import numpy_stream
from tenfold_shared.testing import damaged_files, refusal

SQUARE = "OFF\n4 2 0\n0 0 0\n2 0 0\n2 1 0\n0 1 0\n3 0 1 2\n3 0 2 3\n"


def write_meshes(raw):
    for kind, heights in (("chair", 1), ("table", 3)):
        for part, count in (("train", 12), ("test", 2)):
            folder = raw / kind / part
            folder.mkdir(parents=True)
            for number in range(1, count + 1):
                text = SQUARE.replace("1 0\n", f"{heights} 0\n", 2)
                (folder / f"{kind}_{number:04d}.off").write_text(text)
    return raw


def test_points_cover_a_surface_evenly():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 0, 0], [8, 0, 0], [5, 1, 0]], float)
    triangles = np.array([[0, 1, 2], [3, 4, 5]])
    points = sample_surface(vertices, triangles, points=4000, random=numpy_stream(0, "test"))
    assert 0.73 < (points[:, 0] >= 5).mean() < 0.77, "triangles are drawn by their area"
    first = points[points[:, 0] < 5]
    assert (first[:, 0] + first[:, 1]).max() <= 1 + 1e-6
    assert np.allclose(first[:, :2].mean(0), 1 / 3, atol=0.03)
    with pytest.raises(ValueError, match="no area"):
        sample_surface(vertices[:3] * 0, triangles[:1], points=3, random=numpy_stream(0, "test"))


def test_folders_of_classes_and_parts(tmp_path):
    task = read_modelnet(write_meshes(tmp_path / "raw"), name="modelnet10", points=50, seed=0)
    assert task.points.shape == (28, 50, 3)
    assert task.class_names == ("chair", "table")
    assert [int(task.mask(part).sum()) for part in ("train", "val", "test")] == [22, 2, 4]
    chairs, tables = (task.points[task.y == label][:, :, :2].abs().amax((0, 1)) for label in (0, 1))
    assert chairs[0] > chairs[1]
    assert tables[0] < tables[1]
    again = read_modelnet(tmp_path / "raw", name="modelnet10", points=50, seed=0)
    assert (again.points == task.points).all()


def test_damaged_meshes_end_in_one_sentence(tmp_path):
    raw = write_meshes(tmp_path / "raw")
    path = raw / "chair/train/chair_0001.off"
    refused = 0
    for damaged in damaged_files(SQUARE.encode(), count=60):
        path.write_bytes(damaged)
        sentence = refusal(lambda: read_modelnet(raw, name="modelnet10", points=4, seed=0))
        refused += sentence is not None
        assert sentence is None or str(raw) in sentence
    assert refused > 20, "test invalid"


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no folders"):
        read_modelnet(tmp_path, name="modelnet10", points=4, seed=0)
