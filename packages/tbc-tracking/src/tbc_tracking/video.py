"""Videos in and out through PyAV, one frame at a time and within limits."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path
from tenfold_shared.images import LIMIT_MEGAPIXELS

VIDEO_SUFFIXES = frozenset(
    {".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"}
)

DECODING_ERRORS = (FFmpegError, ValueError, LookupError, MemoryError, EOFError, OSError)
"""What PyAV raises on damaged videos; LookupError includes the IndexError of a file without video."""


class VideoFacts(NamedTuple):
    """What the header of a video says."""

    length: int | None
    """Number of frames, None where the container does not tell."""
    frame_interval: float | None
    """Seconds between two frames, None where the container does not tell."""


def probe_video(path: Path) -> VideoFacts:
    """Return what the header says, without decoding.

    Raises:
        UserError: if the file is no video that can be read, or its frames are too large.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        if stream.width * stream.height > LIMIT_MEGAPIXELS * 1e6:
            raise UserError(
                f"{path} has frames of {stream.width} x {stream.height} pixels, more than "
                f"{LIMIT_MEGAPIXELS:g} megapixels; shrink it."
            )
        rate = stream.average_rate
        return VideoFacts(
            length=stream.frames if stream.frames > 0 else None,
            frame_interval=float(1 / rate) if rate else None,
        )


def read_video(
    path: Path, *, color: Literal["gray", "rgb"]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield each frame in [0, 1] with a name for messages; the rotation of phone videos is applied.

    Gray is luminance over its full range, shape (height, width); color is (3, height, width).

    Raises:
        UserError: if the video cannot be decoded, or its frames are too large.
    """
    probe_video(path)
    with _opened(path) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if frame.width * frame.height > LIMIT_MEGAPIXELS * 1e6:
                raise UserError(f"Frame {index} of {path} is larger than the others; re-encode it.")
            yield f"Frame {index} of {path}", _pixels(frame, color=color)


def write_video(
    path: Path, frames: Iterable[NDArray[np.uint8]], *, frame_interval: float = 0.1
) -> int:
    """Write an H.264 video (.mp4, .mkv, .mov) or an animation (.gif) atomically; return its length.

    Args:
        path: file to write; its suffix chooses the format.
        frames: pictures of one size, 8 bits, shape (height, width, 3), taken one at a time. H.264
            wants even sizes: an odd last row or column is repeated.
        frame_interval: seconds between two frames.

    Raises:
        ValueError: if the suffix is unknown, there is no frame or the interval is not positive.
        UserError: if the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".gif", ".mkv", ".mov", ".mp4"):
        raise ValueError(f"a video must end in .mp4, .mkv, .mov or .gif, got {path.name!r}")
    if not (math.isfinite(frame_interval) and frame_interval > 0):
        raise ValueError(f"frame_interval must be positive seconds, got {frame_interval}")
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise ValueError("a video needs at least one frame, got none")
    rate = Fraction(1 / frame_interval).limit_denominator(1000)
    with atomic_path(path) as temporary, av.open(str(temporary), "w") as container:
        stream = container.add_stream("gif" if suffix == ".gif" else "libx264", rate=rate or 1)
        stream.pix_fmt = "rgb8" if suffix == ".gif" else "yuv420p"
        height, width = first.shape[:2]
        odd = (0, 0) if suffix == ".gif" else (height % 2, width % 2)
        stream.height, stream.width = height + odd[0], width + odd[1]
        count = 0
        for picture in _chain(first, pictures):
            padded = np.pad(picture, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode())
    return count


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
    except DECODING_ERRORS as error:
        told = getattr(error, "strerror", None) or str(error)
        reason = " ".join(told.split()) or type(error).__name__
        raise UserError(
            f"{path} cannot be decoded as a video ({reason}); re-encode it with ffmpeg."
        ) from error


def _pixels(frame: VideoFrame, *, color: Literal["gray", "rgb"]) -> NDArray[np.float32]:
    """Return one decoded frame upright and in [0, 1]."""
    values = frame.to_ndarray(format="gray" if color == "gray" else "rgb24")
    pixels = np.rot90(values, k=round(rotation_of(frame) / 90) % 4).astype(np.float32) / np.float32(
        255
    )
    return pixels if color == "gray" else np.ascontiguousarray(np.moveaxis(pixels, -1, 0))


def rotation_of(frame: VideoFrame) -> int:
    """Return by how many degrees counterclockwise the picture is to be turned.

    Phones store the turn beside the picture; PyAV tells it from version 14 on.
    """
    return getattr(frame, "rotation", 0)


def _chain(
    first: NDArray[np.uint8], rest: Iterator[NDArray[np.uint8]]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the first picture and then the rest, refusing a change of size."""
    yield first
    for picture in rest:
        if picture.shape != first.shape:
            raise ValueError(
                f"frames must have one shape, got {picture.shape} after {first.shape}; resize them"
            )
        yield picture
