"""The named list: the pictures on which methods are compared, and how they are prepared.

Contents: every fourth BSDS500 test picture, names sorted (10). Styles: the first three of each of the seven WikiArt
test classes, names sorted (21); retrieval is among all 84 of them. Short side 256 pixels by Lanczos, then the middle.
"""

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from tenfold_shared.datasets import locate
from tenfold_shared.errors import UserError

CONTENTS = "style/bsds_content_test.zip"
STYLES = "style/style_test.zip"
HINT = "fetch BSDS500 and WikiArt pictures as the page on results says"
SIZE = 256
CONTENT_STEP = 4
STYLES_PER_CLASS = 3
_CLASSIC = "classic/"
"""Members of the style file that are not from WikiArt."""


class NamedList(NamedTuple):
    """Pictures, (number, 3, size, size) in [0, 1], with the names of their files."""

    contents: Float[Tensor, "contents 3 size size"]
    content_names: tuple[str, ...]
    gallery: Float[Tensor, "gallery 3 size size"]
    """All candidates of the retrieval."""
    gallery_names: tuple[str, ...]
    styles: tuple[int, ...]
    """Which pictures of the gallery are the styles."""

    @property
    def style_names(self) -> tuple[str, ...]:
        """The files of the styles."""
        return tuple(self.gallery_names[index] for index in self.styles)

    @property
    def style_images(self) -> Float[Tensor, "styles 3 size size"]:
        """The styles."""
        return self.gallery[list(self.styles)]


def load_named_list(*, data: Path | None = None, size: int = SIZE) -> NamedList:
    """Read the list from the data folder.

    Args:
        data: the data folder; looked for if missing.
        size: of the squares, in pixels.

    Raises:
        UserError: if the pictures are missing or damaged.
    """
    content_zip = locate(CONTENTS, data=data, hint=HINT)
    style_zip = locate(STYLES, data=data, hint=HINT)
    content_names = picture_names(content_zip)[::CONTENT_STEP]
    gallery_names = [name for name in picture_names(style_zip) if not name.startswith(_CLASSIC)]
    seen: dict[str, int] = {}
    styles = []
    for index, name in enumerate(gallery_names):
        kind = name.partition("/")[0]
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= STYLES_PER_CLASS:
            styles.append(index)
    return NamedList(
        contents=read_squares(content_zip, content_names, size=size),
        content_names=tuple(content_names),
        gallery=read_squares(style_zip, gallery_names, size=size),
        gallery_names=tuple(gallery_names),
        styles=tuple(styles),
    )


def picture_names(path: Path) -> list[str]:
    """Return the JPEG and PNG members of a zip file, sorted."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read as a zip file; fetch it again.") from error
    return sorted(name for name in names if name.lower().endswith((".jpg", ".jpeg", ".png")))


def read_squares(
    path: Path, names: list[str], *, size: int = SIZE
) -> Float[Tensor, "pictures 3 size size"]:
    """Return members of a zip file as squares.

    Raises:
        UserError: if a picture is missing or damaged.
    """
    squares = []
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                with Image.open(io.BytesIO(archive.read(name)), formats=("JPEG", "PNG")) as image:
                    squares.append(central_square(image.convert("RGB"), size=size))
    except (OSError, KeyError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} holds damaged pictures; fetch it again.") from error
    return torch.from_numpy(np.stack(squares))


def central_square(image: Image.Image, *, size: int = SIZE) -> Float[np.ndarray, "3 size size"]:
    """Return the middle of a picture whose short side was scaled to `size` (Lanczos)."""
    width, height = image.size
    scale = size / min(width, height)
    scaled = (max(size, round(width * scale)), max(size, round(height * scale)))
    pixels = image.resize(scaled, Image.Resampling.LANCZOS)
    left, top = (scaled[0] - size) // 2, (scaled[1] - size) // 2
    square = pixels.crop((left, top, left + size, top + size))
    return np.ascontiguousarray(np.moveaxis(np.asarray(square, np.float32) / 255, -1, 0))
