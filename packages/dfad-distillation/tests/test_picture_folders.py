import numpy as np
import pytest
from labeled_pictures import write_class_folders, write_masked_folders, write_picture, zipped

from dfad_distillation.picture_files import PictureFiles
from dfad_distillation.picture_folders import VOID, names_of_part, read_picture_folder
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal


def _read(source, part, *, size=None, channels=3, classes=()):
    return read_picture_folder(source, part, size=size, channels=channels, classes=classes)


def test_folders_are_classes_and_a_zip_holds_the_same(tmp_path):
    folder = write_class_folders(tmp_path / "pets", each=20)
    archive = zipped(folder, tmp_path / "pets.zip")
    parts = {part: _read(folder, part) for part in ("train", "validation", "test")}
    assert parts["test"].classes == ("cat", "dog")
    assert parts["test"].labels.tolist() == [0] * 20 + [1] * 20
    assert not set(parts["train"].names) & set(parts["validation"].names)
    assert len(parts["train"].names) + len(parts["validation"].names) == 40
    for part, content in parts.items():
        packed = _read(archive, part)
        assert np.array_equal(packed.images, content.images)
        assert np.array_equal(packed.labels, content.labels)


def test_parts_without_folders_are_cut_by_the_name():
    names = tuple(f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(500))
    parts = {part: names_of_part(names, "", part) for part in ("train", "validation", "test")}
    assert sorted(sum(parts.values(), ())) == sorted(names), "every picture once"
    assert 60 < len(parts["test"]) < 140
    fewer = names_of_part(names[::2], "", "test")
    assert set(fewer) == set(parts["test"]) & set(names[::2]), "others do not matter"


def test_masks_lie_beside_pictures(tmp_path):
    folder = write_masked_folders(tmp_path / "streets")
    content = _read(folder, "validation")
    assert content.classes == ("0", "1", "2")
    assert content.images.shape == (3, 3, 6, 8)
    assert content.labels.shape == (3, 6, 8)
    assert content.labels[0, 0, 0] == VOID
    (folder / "classes.txt").write_text("road\ncar\nVoid\n")
    named = _read(folder, "validation")
    assert named.classes == ("road", "car")
    assert np.array_equal(named.labels == VOID, content.labels >= 2)
    larger = _read(folder, "validation", size=(12, 16))
    assert np.array_equal(larger.labels[:, ::2, ::2], named.labels), "nearest, no new numbers"


def test_a_class_called_void_may_stand_anywhere(tmp_path):
    folder = write_masked_folders(tmp_path / "streets")
    plain = _read(folder, "train").labels
    shifted = _read(folder, "train", classes=("void", "road", "car"))
    assert shifted.classes == ("road", "car")
    assert np.array_equal(shifted.labels == 0, plain == 1)


def test_labels_beyond_the_classes_are_refused(tmp_path):
    folder = write_masked_folders(tmp_path / "streets")
    with pytest.raises(UserError, match=r"holds the label 2; with 2 classes labels are 0 to 1"):
        _read(folder, "train", classes=("road", "car"))


def test_gray_and_sizes(tmp_path):
    folder = write_class_folders(tmp_path / "pets")
    write_picture(folder / "test" / "cat" / "z.png", np.zeros((9, 8, 3), np.uint8))
    with pytest.raises(UserError, match="pass a size"):
        _read(folder, "test")
    assert _read(folder, "test", size=(4, 6), channels=1).images.shape == (13, 1, 4, 6)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "holds no pictures"),
        (("a.png", "b.png"), "holds no labels"),
        (("train/cat/a.png",), "holds no labels"),
        (("train/a.png", "trainannot/b.png"), "has no mask"),
        (("train/cat/a.png", "train/dog/a.png", "test/cow/a.png"), "no training pictures of class cow"),
    ],
)  # fmt: skip
def test_what_is_no_data_set_is_refused(tmp_path, names, message):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in names:
        write_picture(folder / name, np.zeros((4, 4), np.uint8))
    with pytest.raises(UserError, match=message):
        _read(folder, "train")


def test_masks_with_colors_are_refused(tmp_path):
    folder = write_masked_folders(tmp_path / "streets")
    write_picture(folder / "trainannot" / "0.png", np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(UserError, match="holds colors"):
        _read(folder, "train")


def test_damaged_archives_end_in_one_sentence(tmp_path):
    archive = zipped(write_class_folders(tmp_path / "pets", each=2), tmp_path / "pets.zip")
    path, refused = tmp_path / "damaged.zip", 0
    for content in damaged_files(archive.read_bytes(), count=150):
        path.write_bytes(content)
        sentence = refusal(lambda: _read(path, "test"))
        refused += sentence is not None
        assert sentence is None or "damaged.zip" in sentence
    assert refused > 30, "test invalid"


def test_missing_sources_and_texts_in_other_codes(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        PictureFiles(tmp_path / "nothing")
    (tmp_path / "text.zip").write_text("text")
    with pytest.raises(UserError, match="neither a folder nor a zip"):
        PictureFiles(tmp_path / "text.zip")
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="no text in UTF-8"):
        PictureFiles(tmp_path).read_text("classes.txt")
