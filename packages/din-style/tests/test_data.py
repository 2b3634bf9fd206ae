import zipfile

import numpy as np
import pytest
import torch
from tiny_training import write_pictures

from din_style.augmentation import central_square, random_square, random_view
from din_style.data import ContentSquares, as_tensor, is_held_out, load_squares, open_pictures
from tenfold_shared import numpy_stream
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal


def _zipped(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for i, picture in enumerate(sorted(folder.iterdir(), reverse=True)):
            archive.write(picture, f"class{i % 2}/{picture.name}")
        archive.writestr("readme.txt", "no picture")
    return path


def test_a_folder_and_a_zip_hold_the_same_pictures(tmp_path):
    folder = write_pictures(tmp_path / "pictures", count=4, seed=0)
    archive = _zipped(folder, tmp_path / "pictures.zip")
    loose, packed = open_pictures(folder, size=32), open_pictures(archive, size=32)
    assert packed.names == tuple(sorted(packed.names)), "archives are in any order"
    assert sorted(n.rpartition("/")[2] for n in packed.names) == list(loose.names)
    for i, name in enumerate(loose.names):
        j = next(j for j, other in enumerate(packed.names) if other.endswith(name))
        assert np.array_equal(loose.read(i), packed.read(j))


@pytest.mark.parametrize("size", [20, 40, 64])
def test_the_short_side_gets_the_size(tmp_path, size):
    pictures = open_pictures(write_pictures(tmp_path / "p", count=1, seed=0), size=size)
    assert pictures.read(0).shape == (size, round(48 * size / 40), 3)


def test_the_split_is_a_function_of_the_name_and_overlaps_nowhere(tmp_path):
    folder = write_pictures(tmp_path / "pictures", count=30, seed=0)
    pictures = open_pictures(folder, size=32)
    kept, held_out = pictures.split(5)
    assert not set(kept.names) & set(held_out.names)
    assert set(kept.names) | set(held_out.names) == set(pictures.names)
    assert 0 < len(held_out) < 15
    for i in range(0, 30, 2):
        (folder / f"{i}.png").unlink()
    fewer, _ = open_pictures(folder, size=32).split(5)
    assert set(fewer.names) <= set(kept.names)
    assert is_held_out("any/folder/7.png", 5) == is_held_out("7.png", 5)
    assert len(pictures.split(0)[0]) == 30


def test_about_one_name_in_ten_is_held_out():
    share = np.mean([is_held_out(f"picture {i}.jpg", 10) for i in range(3000)])
    assert 0.08 < share < 0.12


def test_what_holds_no_pictures_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        open_pictures(tmp_path / "nothing", size=32)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        open_pictures(tmp_path / "empty", size=32)
    (tmp_path / "text.zip").write_text("text")
    with pytest.raises(UserError, match="neither a folder nor a zip"):
        open_pictures(tmp_path / "text.zip", size=32)


def test_damaged_archives_end_in_one_sentence(tmp_path):
    archive = _zipped(write_pictures(tmp_path / "p", count=2, seed=0), tmp_path / "p.zip")
    refused = 0
    for number, content in enumerate(damaged_files(archive.read_bytes(), count=60)):
        path = tmp_path / f"damaged{number}.zip"  # readings are remembered by the path
        path.write_bytes(content)

        def read(path=path):
            pictures = open_pictures(path, size=32)
            for i in range(len(pictures)):
                pictures.read(i)

        sentence = refusal(read)
        refused += sentence is not None
        assert sentence is None or path.name in sentence
    assert refused > 10, "test invalid"


def test_squares_depend_on_seed_and_number_only(tmp_path):
    pictures = open_pictures(write_pictures(tmp_path / "p", count=3, seed=0), size=40)
    squares = ContentSquares(pictures, side=32, seed=0)
    later = squares[5]
    assert later.shape == (32, 32, 3)
    _ = squares[1], squares[2]
    assert torch.equal(squares[5], later)
    assert not torch.equal(ContentSquares(pictures, side=32, seed=1)[5], later)
    (batch,) = load_squares(squares, [[5, 1]], workers=0)
    assert torch.equal(batch[0], later)


def test_augmentation_keeps_its_numbers():
    random = numpy_stream(0, "pixels")
    pixels = random.integers(0, 255, size=(40, 48, 3), dtype=np.uint8)
    square = random_square(pixels, 32, random=numpy_stream(0, "square"))
    # Found inside the picture, mirrored or not: nothing but cropping and mirroring.
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (32, 32), axis=(0, 1))
    both = (square.transpose(2, 0, 1), square[:, ::-1].transpose(2, 0, 1))
    assert any((windows == each).all((2, 3, 4)).any() for each in both)
    again = random_square(pixels, 32, random=numpy_stream(0, "square"))
    assert np.array_equal(square, again)
    view = random_view(pixels, 32, random=numpy_stream(0, "view"))
    assert view.shape == (32, 32, 3)
    assert view.dtype == np.uint8


def test_central_squares_are_in_the_middle():
    pixels = np.arange(8 * 10).reshape(8, 10, 1).repeat(3, axis=2).astype(np.uint8)
    assert central_square(pixels, 4)[0, 0, 0] == 2 * 10 + 3


def test_pictures_become_batches_in_unit_range():
    tensor = as_tensor([np.full((4, 5, 3), 255, dtype=np.uint8)])
    assert tensor.shape == (1, 3, 4, 5)
    assert float(tensor.min()) == 1
