"""Tracks drawn over their frames: pictures, videos and animations, one frame at a time.

Every identity keeps its color. Observed points are discs, interpolated ones rings; the tail shows where a
track came from; true points are white crosses.
"""

import colorsys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tbc_tracking.tracks import Tracks
from tbc_tracking.video import write_video
from tenfold_shared.images import write_image

GOLDEN_RATIO = 0.618033988749895
"""Hues that are this far apart on the color circle stay apart, however many there are."""


LARGEST_ZOOM = 16
"""A frame that is enlarged further fits into no memory and on no screen."""


@dataclass(frozen=True, kw_only=True)
class OverlayStyle:
    """How tracks are drawn."""

    tail: int = 15
    """Frames back that a track's path is shown."""
    radius: float = 3.0
    """Radius of points in pixels of the frames."""
    zoom: int = 1
    """How many times each pixel of the frames is repeated; lines are drawn on the enlarged picture."""
    labels: bool = False
    """Whether identities are written beside the points."""
    value_range: tuple[float, float] = (0.0, 1.0)
    """Values of the frames that are shown black and white (16-bit pictures are often dark)."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if self.tail < 0 or not 1 <= self.zoom <= LARGEST_ZOOM or not self.radius > 0:
            raise ValueError(
                "tail must be at least 0, zoom from 1 to 16 and radius positive, got "
                f"tail={self.tail}, zoom={self.zoom}, radius={self.radius}"
            )
        if not self.value_range[0] < self.value_range[1]:
            raise ValueError(f"value_range must be (black, white), got {self.value_range}")


def draw_overlay(
    image: NDArray[np.float32],
    tracks: Tracks,
    *,
    frame: int,
    truth: Tracks | None = None,
    style: OverlayStyle | None = None,
) -> NDArray[np.uint8]:
    """Return one frame with its tracks, shape (height * zoom, width * zoom, 3).

    Args:
        image: the frame in [0, 1], shape (height, width) or (3, height, width).
        tracks: tracks in pixels of the frame.
        frame: number of the frame.
        truth: true points to mark with crosses.
        style: how to draw.
    """
    style = style or OverlayStyle()
    canvas = _canvas(image, style)
    pen = ImageDraw.Draw(canvas)
    _draw_tails(pen, tracks, frame=frame, style=style)
    rows = _rows(tracks, frame, frame)
    radius = style.radius * style.zoom
    points = zip(
        _places(tracks, rows, style).tolist(),
        tracks.id[rows].tolist(),
        tracks.interpolated[rows].tolist(),
        strict=True,
    )
    for (x, y), name, interpolated in points:
        color = color_of(name)
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(box, outline=color, fill=None if interpolated else color)
        if style.labels:
            pen.text((x + radius + 1, y - radius - 4), str(name), fill=color)
    if truth is not None:
        _draw_crosses(pen, truth, frame=frame, style=style)
    return np.asarray(canvas)


def overlay_frames(
    frames: Iterable[NDArray[np.float32]],
    tracks: Tracks,
    *,
    truth: Tracks | None = None,
    style: OverlayStyle | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield each frame with its tracks; the arguments are those of `draw_overlay`."""
    for frame, image in enumerate(frames):
        yield draw_overlay(image, tracks, frame=frame, truth=truth, style=style)


def write_overlay(
    path: Path,
    frames: Iterable[NDArray[np.float32]],
    tracks: Tracks,
    *,
    truth: Tracks | None = None,
    style: OverlayStyle | None = None,
    frame_interval: float | None = None,
) -> int:
    """Write a video (.mp4, .mkv, .mov) or animation (.gif) atomically; return its number of frames.

    Args:
        path: file to write.
        frames: frames in [0, 1], taken one at a time.
        tracks: tracks in pixels of the frames.
        truth: true points to mark with crosses.
        style: how to draw.
        frame_interval: seconds between frames; None takes that of the tracks, or else 0.1.

    Raises:
        ValueError: if the suffix is unknown or there is no frame.
        UserError: if a frame cannot be read or the file cannot be written.
    """
    pictures = overlay_frames(frames, tracks, truth=truth, style=style)
    seconds = frame_interval or tracks.frame_interval or 0.1
    return write_video(path, pictures, frame_interval=seconds)


def write_overlay_picture(
    path: Path,
    image: NDArray[np.float32],
    tracks: Tracks,
    *,
    frame: int,
    truth: Tracks | None = None,
    style: OverlayStyle | None = None,
) -> None:
    """Write one frame with its tracks atomically; the arguments are those of `draw_overlay`.

    Raises:
        UserError: if the file cannot be written.
    """
    picture = draw_overlay(image, tracks, frame=frame, truth=truth, style=style)
    write_image(path, np.moveaxis(picture, -1, 0) / np.float32(255))


def color_of(name: int) -> tuple[int, int, int]:
    """Return the color of an identity, always the same and bright enough for dark frames."""
    red, green, blue = colorsys.hls_to_rgb(name * GOLDEN_RATIO % 1.0, 0.6, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def _canvas(image: NDArray[np.float32], style: OverlayStyle) -> Image.Image:
    """Return the enlarged frame in color."""
    if image.ndim not in (2, 3) or (image.ndim == 3 and len(image) != 3):
        raise ValueError(
            f"a frame must be (height, width) or (3, height, width), got shape {image.shape}"
        )
    black, white = style.value_range
    shades = np.clip((image - black) / (white - black), 0, 1) * 255
    shades = np.round(shades).astype(np.uint8)
    colors = np.moveaxis(shades, 0, -1) if image.ndim == 3 else np.repeat(shades[..., None], 3, -1)
    enlarged = colors.repeat(style.zoom, axis=0).repeat(style.zoom, axis=1)
    return Image.fromarray(np.ascontiguousarray(enlarged))


def _rows(tracks: Tracks, first: int, last: int) -> slice:
    """Return the rows of the frames first <= frame <= last."""
    start, stop = np.searchsorted(tracks.frame, [first, last + 1]).tolist()
    return slice(start, stop)


def _places(tracks: Tracks, rows: slice, style: OverlayStyle) -> NDArray[np.float64]:
    """Return points on the enlarged picture, whose pixel centers are at integers too."""
    points = np.stack([tracks.x[rows], tracks.y[rows]], axis=1)
    return (points + 0.5) * style.zoom - 0.5


def _draw_tails(
    pen: ImageDraw.ImageDraw, tracks: Tracks, *, frame: int, style: OverlayStyle
) -> None:
    """Draw the recent path of each track."""
    rows = _rows(tracks, frame - style.tail, frame)
    paths = defaultdict(list)
    for name, place in zip(
        tracks.id[rows].tolist(), _places(tracks, rows, style).tolist(), strict=True
    ):
        paths[name].append(tuple(place))  # rows are in the order of time
    for name, path in paths.items():
        if len(path) > 1:
            pen.line(path, fill=color_of(name), width=1)


def _draw_crosses(
    pen: ImageDraw.ImageDraw, truth: Tracks, *, frame: int, style: OverlayStyle
) -> None:
    """Mark the true points of a frame."""
    arm = style.radius * style.zoom + 1
    for x, y in _places(truth, _rows(truth, frame, frame), style).tolist():
        pen.line([(x - arm, y), (x + arm, y)], fill=(255, 255, 255), width=1)
        pen.line([(x, y - arm), (x, y + arm)], fill=(255, 255, 255), width=1)
