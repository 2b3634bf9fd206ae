"""Videos and folders of frames from and to files, through PyAV, one frame at a time."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from din_style.pictures import LIMIT_MEGAPIXELS, list_pictures, read_picture
from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path

VIDEO_SUFFIXES = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
WRITTEN_SUFFIXES = (".gif", ".mkv", ".mov", ".mp4")
DEFAULT_RATE = Fraction(25)
"""Frames a second where a file does not tell, and for folders."""
_DECODING_ERRORS = (FFmpegError, ValueError, LookupError, MemoryError, EOFError, OSError)
"""What PyAV raises on damaged videos; LookupError includes the IndexError of a file without video."""


@dataclass(frozen=True)
class Frames:
    """Frames that are read one at a time, anew whenever somebody iterates."""

    path: Path
    """Video, or folder of pictures."""
    rate: Fraction
    """Frames a second."""
    names: tuple[str, ...] = ()
    """File names of a folder, in the order of their numbers."""

    def __iter__(self) -> Iterator[Float[np.ndarray, "3 height width"]]:
        """Yield frames in [0, 1], all of one size.

        Raises:
            UserError: if a frame cannot be read or has another size.
        """
        size = None
        for number, frame in enumerate(self._read()):
            size = size or frame.shape
            if frame.shape != size:
                raise UserError(
                    f"Frame {number} of {self.path} has {frame.shape[2]} x {frame.shape[1]} pixels, the "
                    f"first {size[2]} x {size[1]}; make them alike."
                )
            yield frame

    def _read(self) -> Iterator[NDArray[np.float32]]:
        """Yield frames of any size."""
        if self.names:
            for name in self.names:
                yield read_picture(self.path / name).pixels
            return
        with _opened(self.path) as container:
            for frame in container.decode(video=0):
                _check_size(self.path, frame.width, frame.height)
                yield upright_pixels(frame)


def upright_pixels(frame: VideoFrame) -> Float[np.ndarray, "3 height width"]:
    """Return a decoded frame in [0, 1], turned counterclockwise as the file says."""
    # Phones store the turn beside the picture; PyAV tells it from version 14 on.
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    pixels = np.rot90(frame.to_ndarray(format="rgb24"), k=turns)
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0), np.float32) / np.float32(255)


def open_video(path: Path) -> Frames:
    """Open a video, or a folder of frames, which are ordered by the numbers in their names.

    Raises:
        UserError: if there is nothing to read, or no frame can be decoded.
    """
    if path.is_dir():
        names = [file.name for file in list_pictures(path)]
        return Frames(path, DEFAULT_RATE, tuple(sorted(names, key=_natural_order)))
    if not path.is_file():
        raise UserError(f"{path} does not exist; check the path.")
    with _opened(path) as container:
        stream = container.streams.video[0]
        _check_size(path, stream.width, stream.height)
        rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
    frames = Frames(path, Fraction(rate))
    if next(iter(frames), None) is None:
        raise UserError(f"{path} holds no frame; check that it is complete.")
    return frames


def write_video(path: Path, frames: Iterable[Tensor], *, rate: Fraction = DEFAULT_RATE) -> int:
    """Write an H.264 video or an animated GIF atomically; return the number of frames.

    Args:
        path: ends in .mp4, .mkv, .mov or .gif.
        frames: pictures (3, height, width) in [0, 1], taken one at a time. H.264 wants even sizes: an odd last
            row or column is repeated.
        rate: frames a second.

    Raises:
        ValueError: if the ending is another, or there is no frame.
        UserError: if the file cannot be written.
    """
    suffix = check_video_suffix(path)
    count = 0
    with (
        atomic_path(path) as temporary,
        _refused_writing(path),
        av.open(str(temporary), "w") as container,
    ):
        stream = None
        for frame in frames:
            pixels = (frame.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            if suffix != ".gif":
                odd = ((0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0))
                pixels = np.pad(pixels, odd, mode="edge")
            if stream is None:
                codec = "gif" if suffix == ".gif" else "libx264"
                stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1001))
                stream.pix_fmt = "rgb8" if suffix == ".gif" else "yuv420p"
                stream.height, stream.width = pixels.shape[:2]
                if suffix != ".gif":
                    stream.options = {"crf": "16"}  # strokes are what blocks would hide
            picture = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(picture))
            count += 1
        if stream is None:
            raise ValueError("a video needs at least one frame, got none")
        container.mux(stream.encode())
    return count


def check_video_suffix(path: Path) -> str:
    """Return the ending in lower case.

    Raises:
        ValueError: if no video can be written under that name.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITTEN_SUFFIXES:
        raise ValueError(f"a video must end in {', '.join(WRITTEN_SUFFIXES)}, got {path.name!r}")
    return suffix


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Return a sort key under which frame2.png comes before frame10.png."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if k % 2 else (0, part.casefold()) for k, part in enumerate(parts)]


def _check_size(path: Path, width: int, height: int) -> None:
    """Refuse frames that are too large."""
    if width * height > LIMIT_MEGAPIXELS * 1e6:
        raise UserError(
            f"{path} has frames of {width} x {height} pixels, more than {LIMIT_MEGAPIXELS:g} megapixels; "
            "shrink it."
        )


@contextmanager
def _refused_writing(path: Path) -> Iterator[None]:
    """Let every failure of writing name the file; frames that cannot be read have sentences of their own."""
    try:
        yield
    except FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"Cannot write {path}: {reason}; choose another place for it.") from error


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """Open a video whose first video stream exists; every failure inside names the file."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UserError(f"{path} holds no video; check the path.")
            if container.streams.video[0].codec_context is None:
                raise UserError(f"{path} is of a kind that cannot be decoded; re-encode it.")
            yield container
    except _DECODING_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path} cannot be decoded as a video ({reason}); re-encode it with ffmpeg."
        ) from error
