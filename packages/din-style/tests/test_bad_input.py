"""Damaged files of every kind: read, or refused in one line; never a crash or another exception."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_data import make_tiny_data
from tiny_networks import tiny_network, tiny_transfer

from din_style.foreign_weights import read_tensors
from din_style.network_files import load_network, save_network
from din_style.pictures import read_mask, read_picture
from din_style.style_code import StyleCode
from din_style.verbs.inspect import Info, info
from din_style.vgg import load_vgg
from din_style.vgg_import import import_vgg_file
from din_style.video import open_video
from tenfold_shared.testing import damaged_files, refusal

COUNT = 400


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    make_tiny_data(folder)
    transfer = tiny_transfer()
    transfer.encode(torch.rand(3, 40, 40)).save(folder / "code.safetensors")
    save_network(folder / "network.safetensors", tiny_network(), about={})
    torch.save({"features.0.weight": torch.zeros(2, 3, 3, 3)}, folder / "vgg.pth")  # noqa: TID251
    return folder


def import_file(path: Path) -> None:
    """Read a pickled file as `import-weights` does."""
    import_vgg_file(path, path.with_suffix(".out"), pictures=path.with_name("contents"), count=1)


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "png": ("photo.png", read_picture),
    "jpg": ("photo.jpg", read_picture),
    "tif": ("photo.tif", read_picture),
    "webp": ("photo.webp", read_picture),
    "bmp": ("photo.bmp", read_picture),
    "gif": ("photo.gif", read_picture),
    "mask": ("mask.png", lambda path: read_mask(path, (64, 72))),
    "code": ("code.safetensors", StyleCode.load),
    "network": ("network.safetensors", load_network),
    "info": ("code.safetensors", lambda path: info(Info(checkpoint=path, quiet=True))),
    "vgg": ("vgg.safetensors", load_vgg),
    "tensors": ("vgg.safetensors", read_tensors),
    "video": ("film.avi", lambda path: list(open_video(path))),
}


@pytest.mark.parametrize("kind", READERS)
def test_damaged_files_are_read_or_refused(kind: str, place: Path):
    name, read = READERS[kind]
    sound = place / name
    assert refusal(lambda: read(sound)) is None, "test invalid: the sound file is refused"
    damaged = place / f"damaged-{kind}{sound.suffix}"
    refused = 0
    for content in damaged_files(sound.read_bytes(), count=COUNT):
        damaged.write_bytes(content)
        sentence = refusal(lambda: read(damaged))
        if sentence is not None:
            refused += 1
            assert str(damaged) in sentence or damaged.name in sentence
    assert refused > 0, "test invalid: no damaged file is refused"


def test_damaged_pickles_are_refused(place: Path):
    damaged = place / "damaged.pth"
    for content in damaged_files((place / "vgg.pth").read_bytes(), count=200):
        damaged.write_bytes(content)
        assert refusal(lambda: import_file(damaged)) is not None


def test_pickled_code_is_not_run(place: Path):
    import pickle

    class Harmful:
        def __reduce__(self):
            return (Path.touch, (place / "was run",))

    (place / "harmful.pth").write_bytes(pickle.dumps({"features.0.weight": Harmful()}))
    assert refusal(lambda: import_file(place / "harmful.pth")) is not None
    assert not (place / "was run").exists()
