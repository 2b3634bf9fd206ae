"""`video`: moving pictures in a style, with statistics that change slowly."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from din_style.verbs.sources import (
    Steering,
    code_of_file,
    expand,
    open_transfer,
    refuse_overwriting,
)
from tenfold_shared.commands import emit
from tenfold_shared.files import check_destination
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from din_style.stabilization import VideoStylizer
    from din_style.video import Frames


@dataclass(frozen=True, kw_only=True)
class Video(Steering):
    """Settings of `video`."""

    content: Annotated[Path, tyro.conf.Positional]
    """Video file, or folder of frames in the order of the numbers in their names."""

    memory: float = 0.9
    """Share of the mean statistics that a frame keeps; 0 normalizes each frame by its own and flickers."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if not 0 <= self.memory < 1:
            raise ValueError(f"memory must be in [0, 1), got {self.memory}")
        if self.keep_color in ("histogram", "covariance"):
            raise ValueError(
                f"videos keep colors by luminance only, got keep_color={self.keep_color}"
            )


@refuses
def video(config: Video) -> None:
    """Stylize a video or a folder of frames in one style.

    --out is a video (.mp4, .mkv, .mov, .gif; default: stylized.mp4), or a folder for frames. Sound is not kept.
    The table tells how much still parts flicker, beside the input, in gray levels of 255.
    """
    from din_style.stabilization import VideoStylizer
    from din_style.video import WRITTEN_SUFFIXES, open_video, write_video

    styles = expand(config.style)
    if config.mix and len(config.mix) != len(styles):
        raise ValueError(
            f"mix needs one value per style, got {len(config.mix)} for {len(styles)} styles"
        )
    if len(styles) > 1 and not config.mix:
        raise ValueError(f"a video has one style, got {len(styles)}; blend them with --mix")
    out = config.out or Path("stylized.mp4")
    if out.suffix and not out.is_dir() and out.suffix.lower() not in WRITTEN_SUFFIXES:
        raise ValueError(f"a video must end in {', '.join(WRITTEN_SUFFIXES)}, got {out.name!r}")
    one_file = bool(out.suffix) and not out.is_dir()
    if one_file:
        check_destination(out)
    # Frames of a folder would be overwritten while they are read.
    refuse_overwriting([out], [config.content, *styles])
    frames = open_video(config.content)
    transfer = open_transfer(config)
    controls = config.controls()
    stylizer = VideoStylizer(
        transfer,
        [code_of_file(transfer, path, controls) for path in styles],
        controls=controls,
        mix_weights=config.mix or None,
        memory=config.memory,
    )
    if one_file:
        write_video(out, stylizer.stylize(_scaled(frames, config.size)), rate=frames.rate)
    else:
        _write_frames(stylizer, frames, out, config.size)
    row = {
        "file": str(out),
        "frames": stylizer.frames,
        "flicker": stylizer.flicker.value,
        "flicker_input": stylizer.flicker.reference,
    }
    emit([row], json=config.json)


def _scaled(frames: "Frames", size: int | None) -> Iterator[Any]:
    """Yield frames, scaled where the user wants that."""
    from din_style.pictures import Picture

    for frame in frames:
        yield frame if size is None else Picture(frame).resized(size).pixels


def _write_frames(
    stylizer: "VideoStylizer", frames: "Frames", folder: Path, size: int | None
) -> None:
    """Write a folder of frames, under the names of the input's where it has any."""
    from din_style.pictures import write_picture

    for number, frame in enumerate(stylizer.stylize(_scaled(frames, size))):
        name = Path(frames.names[number]).stem if frames.names else f"{number:06}"
        write_picture(folder / f"{name}.png", frame.numpy())
