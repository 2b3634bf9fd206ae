"""Small labeled pictures for tests: easy classes, and masks of bright squares."""

import gzip
import zipfile

import numpy as np
import torch
from PIL import Image

from dfad_distillation.data import LabeledPictures
from tenfold_shared import numpy_stream


def bright_quarters(count=64, *, size=32, classes=4, seed=0):
    """Return pictures whose class is the quarter that is bright."""
    random = numpy_stream(seed, "quarters")
    labels = random.integers(classes, size=count)
    images = random.integers(0, 60, size=(count, 1, size, size), dtype=np.uint8)
    half = size // 2
    for image, label in zip(images, labels, strict=True):
        top, left = (label // 2) * half, (label % 2) * half
        image[0, top : top + half, left : left + half] += 150
    return LabeledPictures(
        images=torch.from_numpy(images),
        labels=torch.from_numpy(labels.astype(np.int64)),
        classes=tuple(f"quarter {i}" for i in range(classes)),
        name="quarters",
    )


def bright_squares(count=24, *, size=16, seed=0):
    """Return RGB pictures whose bright pixels are class 1, with some void."""
    random = numpy_stream(seed, "squares")
    images = random.integers(0, 60, size=(count, 3, size, size), dtype=np.uint8)
    labels = np.zeros((count, size, size), dtype=np.int64)
    for image, mask in zip(images, labels, strict=True):
        top, left = random.integers(0, size - 6, 2)
        image[:, top : top + 6, left : left + 6] += 150
        mask[top : top + 6, left : left + 6] = 1
        mask[0] = 255
    return LabeledPictures(
        images=torch.from_numpy(images),
        labels=torch.from_numpy(labels),
        classes=("dark", "bright"),
        name="squares",
    )


def idx_bytes(array):
    """Return an array of bytes as an IDX file."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()


def write_idx_folder(folder, *, train=30, test=10, classes=3, packed=True):
    """Write a small data set in the layout of MNIST and return its arrays by part."""
    folder.mkdir(parents=True, exist_ok=True)
    random = numpy_stream(0, "idx")
    parts = {}
    for part, stem, count in (("train", "train", train), ("test", "t10k", test)):
        images = random.integers(0, 256, size=(count, 5, 4), dtype=np.uint8)
        labels = (np.arange(count) % classes).astype(np.uint8)
        for name, array in ((f"{stem}-images-idx3-ubyte", images), (f"{stem}-labels-idx1-ubyte", labels)):  # fmt: skip
            content = idx_bytes(array)
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
        parts[part] = (images, labels)
    return parts


def write_picture(path, pixels):
    """Write an array (height, width[, 3]) as a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_class_folders(folder, *, parts=("train", "test"), each=6, size=8):
    """Write RGB pictures of two classes into folders."""
    random = numpy_stream(0, "folders")
    for part in parts:
        for name in ("cat", "dog"):
            for i in range(each):
                pixels = random.integers(0, 256, size=(size, size, 3), dtype=np.uint8)
                write_picture(folder / part / name / f"{part}{i}.png", pixels)
    return folder


def write_masked_folders(folder, *, parts=("train", "val", "test"), each=3):
    """Write pictures and masks with classes 0, 1, a void class 2 and unknown pixels."""
    random = numpy_stream(0, "masks")
    for part in parts:
        for i in range(each):
            pixels = random.integers(0, 256, size=(6, 8, 3), dtype=np.uint8)
            mask = random.integers(0, 3, size=(6, 8), dtype=np.uint8)
            mask[0, 0] = 255
            write_picture(folder / part / f"{i}.jpg", pixels)
            write_picture(folder / f"{part}annot" / f"{i}.png", mask)
    return folder


def zipped(folder, path):
    """Return a zip archive of a folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent))
    return path
