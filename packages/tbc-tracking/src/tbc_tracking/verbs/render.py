"""`render`: tracks drawn over their frames."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from tenfold_shared.commands import Options, emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tbc_tracking.frames import Frames
    from tbc_tracking.overlay import OverlayStyle


@dataclass(frozen=True, kw_only=True)
class Render(Options):
    """Settings of `render`."""

    frames: Annotated[Path, tyro.conf.Positional]
    """Video, folder of images, or density maps (.npy), which are shown in gray."""

    tracks: Annotated[Path, tyro.conf.Positional]
    """Tracks in any format that is read."""

    map_stride: float = 1.0
    """Frame pixels per map pixel, where there are maps instead of frames."""

    truth: Path | None = None
    """True points to mark with crosses."""

    pixel_size: float | None = None
    """Micrometers per pixel, for tables with physical positions (TrackMate, Fiji)."""

    frame: int | None = None
    """Draw this frame only, as a picture (.png)."""

    tail: int = 15
    """Frames back that paths are shown."""

    radius: float = 3.0
    """Radius of points in pixels of the frames."""

    zoom: int = 1
    """How many times the frames are enlarged."""

    labels: bool = False
    """Write identities beside the points."""

    stretch: bool = False
    """Show the range of values of the first frame from black to white, for pictures of low contrast."""

    frame_interval: float | None = None
    """Seconds between frames of the video; that of the tracks or the video, else 0.1."""


@refuses
def render(config: Render) -> None:
    """Draw tracks over their frames, as a video (.mp4, .mkv, .mov, .gif) or, with --frame, a picture."""
    from tbc_tracking.formats import read_tracks
    from tbc_tracking.overlay import write_overlay, write_overlay_picture

    frames = open_pictures(config.frames, color="rgb", map_stride=config.map_stride)
    tracks, truth = (
        None if path is None else read_tracks(path, size=frames.size, pixel_size=config.pixel_size)
        for path in (config.tracks, config.truth)
    )
    assert tracks is not None
    style = _style(config, next(iter(frames)))
    out = config.out or Path("overlay.mp4" if config.frame is None else "overlay.png")
    if config.frame is None:
        interval = config.frame_interval or tracks.frame_interval or frames.frame_interval
        count = write_overlay(
            out, frames, tracks, truth=truth, style=style, frame_interval=interval
        )
    else:
        if out.suffix.lower() != ".png":
            raise ValueError(f"a picture of one frame ends in .png, got {out.name!r}")
        image = pick_frame(frames, config.frame, config.frames)
        write_overlay_picture(out, image, tracks, frame=config.frame, truth=truth, style=style)
        count = 1
    emit([{"frames": count, "tracks": len(tracks.ids), "out": str(out)}], json=config.json)


def open_pictures(
    path: Path, *, color: Literal["gray", "rgb"], map_stride: float
) -> "Frames | MapPictures":
    """Open frames, or density maps (.npy) as gray pictures of the size of the frames."""
    from tbc_tracking.density_maps import open_density
    from tbc_tracking.frames import open_frames
    from tenfold_shared.images import LIMIT_MEGAPIXELS

    if not 0 < map_stride < float("inf"):
        raise ValueError(f"map_stride must be positive, got {map_stride}")
    files = path.iterdir() if path.is_dir() else [path]
    if {file.suffix.lower() for file in files} == {".npy"}:
        pictures = MapPictures(open_density(path), stride=map_stride)
        width, height = pictures.size
        if width * height > LIMIT_MEGAPIXELS * 1e6:
            raise ValueError(
                f"map_stride {map_stride:g} makes pictures of {width} x {height} pixels, more than "
                f"{LIMIT_MEGAPIXELS:g} megapixels; lower it"
            )
        return pictures
    return open_frames(path, color=color)


def pick_frame(
    frames: "Iterable[NDArray[np.float32]]", number: int, path: Path
) -> "NDArray[np.float32]":
    """Return one frame or map of a sequence.

    Raises:
        UserError: if the sequence is shorter.
        ValueError: if the number is negative.
    """
    if number < 0:
        raise ValueError(f"frames count from 0, got frame {number}")
    index = -1
    for index, image in enumerate(frames):
        if index == number:
            return image
    raise UserError(f"{path} has no frame {number}; the last one is {index}.")


@dataclass(frozen=True)
class MapPictures:
    """Density maps as pictures in [0, 1] of the frames' size, made again for everybody who iterates."""

    maps: "Iterable[NDArray[np.float32]]"
    """Density maps."""
    frame_interval = None
    """Maps do not tell the seconds between frames."""
    stride: float = 1.0
    """Frame pixels per map pixel; pictures are enlarged by the nearest whole number."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        height, width = next(iter(self.maps)).shape
        factor = max(1, round(self.stride))
        return width * factor, height * factor

    def __iter__(self) -> "Iterator[NDArray[np.float32]]":
        """Yield each map, enlarged, with the largest value so far shown at three quarters."""
        import numpy as np

        factor = max(1, round(self.stride))
        largest = 1e-9
        for image in self.maps:
            largest = max(largest, float(image.max()))
            shown = np.sqrt(np.clip(image / largest, 0, 1), dtype=np.float32) * np.float32(0.75)
            yield shown.repeat(factor, axis=0).repeat(factor, axis=1)


def _style(config: Render, first: "NDArray[np.float32]") -> "OverlayStyle":
    """Return how to draw."""
    from tbc_tracking.overlay import OverlayStyle

    shown = (0.0, 1.0)
    if config.stretch and first.max() > first.min():
        shown = (float(first.min()), float(first.max()))
    return OverlayStyle(
        tail=config.tail,
        radius=config.radius,
        zoom=config.zoom,
        labels=config.labels,
        value_range=shown,
    )
