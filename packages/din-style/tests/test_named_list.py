"""The named list is chosen by name, from zip files of any order."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from din_style.named_list import load_named_list, picture_names, read_squares
from tenfold_shared.errors import UserError


def picture(level: int, size: tuple[int, int] = (40, 30)) -> bytes:
    memory = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(memory, "PNG")
    return memory.getvalue()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "style").mkdir()
    with zipfile.ZipFile(tmp_path / "style/bsds_content_test.zip", "w") as archive:
        for number in (5, 3, 8, 1, 7, 2, 6, 4):
            archive.writestr(f"test/{number}.png", picture(number))
    with zipfile.ZipFile(tmp_path / "style/style_test.zip", "w") as archive:
        for kind, level in (("b", 100), ("a", 50), ("classic", 200)):
            for number in (3, 0, 2, 1):
                archive.writestr(f"{kind}/{number}.png", picture(level + number))
        archive.writestr("notes.txt", b"")
    return tmp_path


def test_names_are_sorted_before_they_are_chosen(data: Path):
    chosen = load_named_list(data=data, size=16)
    assert chosen.content_names == ("test/1.png", "test/5.png")
    assert chosen.style_names == ("a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/1.png", "b/2.png")
    assert len(chosen.gallery) == 8
    assert chosen.contents.shape == (2, 3, 16, 16)
    levels = (chosen.style_images[:, 0, 0, 0] * 255).round().int().tolist()
    assert levels == [50, 51, 52, 100, 101, 102]


def test_damaged_files_are_refused(data: Path):
    path = data / "style/style_test.zip"
    with pytest.raises(UserError, match="damaged pictures"):
        read_squares(path, ["notes.txt"], size=16)
    path.write_bytes(b"no zip")
    with pytest.raises(UserError, match="zip file"):
        picture_names(path)


@pytest.mark.realdata
def test_the_list_of_the_results():
    chosen = load_named_list(size=32)
    assert len(chosen.contents) == 10
    assert len(chosen.styles) == 21
    assert len(chosen.gallery) == 84
    assert chosen.content_names[0] == "test/102062.jpg"
    assert np.unique([name.partition("/")[0] for name in chosen.gallery_names]).size == 7
