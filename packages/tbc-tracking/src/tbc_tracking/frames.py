"""Frames of a sequence, one at a time: image folders, TIFF stacks and videos."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tbc_tracking.tiff import is_numeric, open_pages, page_colors, page_values
from tbc_tracking.video import VIDEO_SUFFIXES, probe_video, read_video
from tenfold_shared.errors import UserError
from tenfold_shared.images import read_image

Color = Literal["gray", "rgb"]
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
SUBFOLDERS = ("img1", "frames")
"""Where data sets keep frames; img1 is the name of MOTChallenge."""
LIMIT_FRAMES = 1_000_000
"""Frames after which a sequence is taken for a broken or hostile file (11 hours at 25 a second)."""

Named = Iterator[tuple[str, NDArray[np.float32]]]
"""Frames with a name for messages."""


class FrameBlock(NamedTuple):
    """Consecutive frames."""

    start: int
    """Index of the first frame in its sequence."""
    images: NDArray[np.float32]
    """The frames in [0, 1], shape (frames, height, width) or (frames, 3, height, width)."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """A sequence that is read anew, frame by frame, whenever somebody iterates over it.

    Gray frames are float32 (height, width) in [0, 1], color frames (3, height, width).
    """

    path: Path
    """File or folder that the frames come from."""
    size: tuple[int, int]
    """Width and height in pixels; every frame has it."""
    length: int | None
    """Number of frames, None where a video does not tell."""
    frame_interval: float | None
    """Seconds between two frames, where a video tells."""
    read: Callable[[], Named]
    """Starts reading; yields each frame with its name."""

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield the frames in order.

        Raises:
            UserError: if a frame cannot be read or differs in size from the first.
        """
        for index, (name, image) in enumerate(self.read()):
            size = (image.shape[-1], image.shape[-2])
            if size != self.size:
                raise UserError(
                    f"{name} has {size[0]} x {size[1]} pixels, but the first frame of {self.path} "
                    f"has {self.size[0]} x {self.size[1]}; all frames must have one size."
                )
            if index >= LIMIT_FRAMES:
                raise UserError(
                    f"{self.path} has more than {LIMIT_FRAMES} frames; cut it into parts."
                )
            yield image

    def blocks(self, block_length: int, *, overlap: int = 0) -> Iterator[FrameBlock]:
        """Yield blocks of `block_length` frames that share `overlap` frames with the block before.

        The last block holds what is left; a video is held in memory one block at a time.

        Raises:
            ValueError: if `overlap` is not in [0, block_length).
            UserError: as when iterating.
        """
        if not 0 <= overlap < block_length:
            raise ValueError(f"overlap must be in [0, {block_length}), got {overlap}")
        start = fresh = 0
        held: list[NDArray[np.float32]] = []
        for image in self:
            held.append(image)
            fresh += 1
            if len(held) == block_length:
                yield FrameBlock(start, np.stack(held))
                start, fresh = start + block_length - overlap, 0
                held = held[block_length - overlap :]
        if fresh:
            yield FrameBlock(start, np.stack(held))


def open_frames(path: Path | str, *, color: Color = "gray") -> Frames:
    """Open an image folder (or a MOTChallenge folder), a picture, a TIFF stack or a video.

    Files of a folder are ordered by the numbers in their names (frame2 before frame10). Values of 16
    bits are divided by 65,535. The first frame is read at once, so that a wrong path fails here.

    Args:
        path: folder with png, jpg, tif or bmp files, or with such a folder named img1 or frames; or a file.
        color: "gray" or "rgb".

    Raises:
        UserError: if there is nothing to read, or it cannot be read.
    """
    if color not in ("gray", "rgb"):
        raise ValueError(f"color must be gray or rgb, got {color!r}")
    path = Path(path)
    if path.is_dir():
        return _open_folder(path, color=color)
    if not path.is_file():
        raise UserError(f"{path} does not exist; check the path.")
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        about = probe_video(path)
        return _opened(
            path, lambda: read_video(path, color=color), about.length, about.frame_interval
        )
    if suffix in (".tif", ".tiff"):
        pages = sum(1 for _ in open_pages(path, decode=False))
        return _opened(path, lambda: _read_stack(path, color=color), pages, None)
    if suffix in IMAGE_SUFFIXES:
        return _opened(path, lambda: _read_files([path], color=color), 1, None)
    raise UserError(
        f"{path} is neither an image folder, a TIFF stack nor a video "
        f"({', '.join(sorted(VIDEO_SUFFIXES))}); convert it."
    )


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Return a sort key under which frame2.png comes before frame10.png."""
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part), "") if k % 2 else (0, part.casefold()) for k, part in enumerate(parts)]


def list_files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    """Return the visible files of `folder` with one of the suffixes, in natural order."""
    files = (
        file
        for file in folder.iterdir()
        if file.suffix.lower() in suffixes and not file.name.startswith(".")
    )
    return sorted(files, key=natural_order)


def _open_folder(path: Path, *, color: Color) -> Frames:
    """Open the pictures of a folder, or of its subfolder img1 or frames."""
    folder = next((path / name for name in SUBFOLDERS if (path / name).is_dir()), path)
    files = list_files(folder, IMAGE_SUFFIXES)
    if not files:
        raise UserError(
            f"{folder} holds no frames ({', '.join(sorted(IMAGE_SUFFIXES))}); check the path."
        )
    return _opened(path, lambda: _read_files(files, color=color), len(files), None)


def _opened(
    path: Path, read: Callable[[], Named], length: int | None, frame_interval: float | None
) -> Frames:
    """Return the frames with the size of the first one, which must exist."""
    first = next(read(), None)
    if first is None:
        raise UserError(f"{path} holds no frame; check that it is complete.")
    height, width = first[1].shape[-2:]
    return Frames(
        path=path, size=(width, height), length=length, frame_interval=frame_interval, read=read
    )


def _read_files(files: list[Path], *, color: Color) -> Named:
    """Yield pictures of files."""
    for file in files:
        image = read_image(file, color=color)
        yield str(file), image[0] if color == "gray" else image


def _read_stack(path: Path, *, color: Color) -> Named:
    """Yield the pages of a TIFF file."""
    for page, image in enumerate(open_pages(path, decode=True)):
        name = f"Page {page} of {path}"
        yield name, _page(image, name=name, color=color)


def _page(image: Image.Image, *, name: str, color: Color) -> NDArray[np.float32]:
    """Return one page in [0, 1]."""
    if is_numeric(image):
        top = 1 if image.mode == "F" else 65535
        pixels = page_values(image, name=name) / np.float32(top)
        if not (pixels.min() >= 0 and pixels.max() <= 1):  # also refuses NaN
            raise UserError(f"{name} has values outside 0 to {top}; scale them to that range.")
        return pixels if color == "gray" else np.repeat(pixels[None], 3, axis=0)
    pixels = page_colors(image, name=name, mode="L" if color == "gray" else "RGB") / np.float32(255)
    return pixels if color == "gray" else np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
