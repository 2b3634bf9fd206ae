"""The tiny data on which the contract trains and uses the method: pictures of two kinds, masks, and teachers."""

import gzip
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from dfad_distillation.config import InputSpace
from dfad_distillation.model_files import save_model
from dfad_distillation.networks import SmallCNN
from tenfold_shared.seeds import numpy_stream, torch_stream

SPACE = InputSpace(shape=(1, 8, 8), mean=(0.5,), std=(0.25,))
"""What the teachers read."""
GAME = (
    "--generator.width", "4", "--generator.latent", "4", "--batch", "8", "--states", "2",
    "--snapshots", "2", "--bank", "8",
)  # fmt: skip
"""Flags that make a distillation tiny."""


def make_tiny_data(folder: Path) -> None:
    """Fill a folder with class folders, an archive of them, masks, IDX files and teachers."""
    write_classes(folder / "pictures")
    zip_folder(folder / "pictures", folder / "pictures.zip")
    write_masks(folder / "masks")
    write_idx(folder / "idx")
    save_teachers(folder)
    (folder / "my_networks.py").write_text(FACTORIES)


def write_classes(folder: Path) -> None:
    """Write 8 x 8 pictures, bright above or below."""
    for part, count in (("train", 12), ("test", 6)):
        for name in ("above", "below"):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = numpy_stream(0, part, name, number).integers(0, 90, (8, 8), dtype=np.uint8)
                pixels[: 4 if name == "above" else None][-4:] += 140
                Image.fromarray(pixels).save(folder / part / name / f"{part}{number}.png")


def write_masks(folder: Path) -> None:
    """Write 16 x 16 pictures with a bright square, and its mask."""
    for part, count in (("train", 8), ("val", 4), ("test", 4)):
        for place in (part, f"{part}annot"):
            (folder / place).mkdir(parents=True)
        for number in range(count):
            random = numpy_stream(0, part, number)
            pixels = random.integers(0, 90, (16, 16, 3), dtype=np.uint8)
            mask = np.zeros((16, 16), np.uint8)
            top, left = random.integers(0, 8, 2)
            pixels[top : top + 8, left : left + 8] += 140
            mask[top : top + 8, left : left + 8] = 1
            Image.fromarray(pixels).save(folder / part / f"{number}.png")
            Image.fromarray(mask).save(folder / f"{part}annot" / f"{number}.png")


def write_idx(folder: Path) -> None:
    """Write pictures and labels as MNIST has them."""
    folder.mkdir()
    for part, count in (("train", 20), ("t10k", 10)):
        random = numpy_stream(0, "idx", part)
        labels = (np.arange(count) % 2).astype(np.uint8)
        images = random.integers(0, 90, (count, 8, 8), dtype=np.uint8)
        images += (150 * labels).astype(np.uint8)[:, None, None]
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            packed = gzip.compress(header + array.tobytes(), mtime=0)
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(packed)


def zip_folder(folder: Path, path: Path) -> None:
    """Write an archive of a folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))


def save_teachers(folder: Path) -> None:
    """Write one network as a model file, as weights, as a program and as TorchScript."""
    network = tiny_teacher()
    save_model(
        folder / "teacher.safetensors",
        network,
        source="small_cnn",
        arguments={"width": 4},
        input=SPACE,
        classes=("above", "below"),
        about={},
    )
    torch.save(network.state_dict(), folder / "weights.pth")  # noqa: TID251
    example = torch.zeros(2, *SPACE.shape)
    linear = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    free = ({0: torch.export.Dim("batch", min=1)},)
    torch.export.save(
        torch.export.export(linear, (example,), dynamic_shapes=free), folder / "teacher.pt2"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(linear).save(str(folder / "teacher.pt"))


def tiny_teacher() -> nn.Module:
    """Return a network with random weights that distinguish what is bright above and below."""
    with torch.random.fork_rng():
        torch.default_generator.set_state(torch_stream(0, "tiny teacher").get_state())
        return SmallCNN(2, channels=1, width=4).eval()


FACTORIES = '''"""Networks of a user."""

from torch import nn


class Narrow(nn.Module):
    """A classifier for pictures of any size."""

    def __init__(self, classes=2, width=4):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, classes),
        )

    def forward(self, pictures):
        return self.body(pictures)


class Ends(nn.Module):
    """A classifier that ends in softmax."""

    def __init__(self):
        super().__init__()
        self.body = Narrow(width=8)

    def forward(self, pictures):
        return self.body(pictures).softmax(1)
'''
