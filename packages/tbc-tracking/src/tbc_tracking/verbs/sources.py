"""What is tracked: density maps from a file, or those that a network makes of a video."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tenfold_shared.commands import Options
from tenfold_shared.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tbc_tracking.density_network import DensityNetwork
    from tbc_tracking.frames import Frames
    from tbc_tracking.object_size import ObjectSize

NETWORK_NAME = "density.safetensors"


@dataclass(frozen=True, kw_only=True)
class SourceOptions(Options):
    """Where density maps come from, and how large an object is on them."""

    checkpoint: Path | None = None
    """Network that turns frames into density maps: density.safetensors of a training, or its folder."""

    treat_as: Literal["auto", "frames", "maps"] = "auto"
    """What the input is; auto takes .npy for maps, and .tif for maps unless there is a checkpoint."""

    sigma: float | None = None
    """Gaussian width of one object in map pixels; not needed with a checkpoint."""

    sigma_perspective: tuple[float, float] | None = None
    """The same in the top and in the bottom row of the map, where the camera looks down at an angle."""

    map_stride: float | None = None
    """Frame pixels per map pixel; that of the checkpoint, else 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MapSource:
    """Density maps and what is known about them."""

    path: Path
    """What the user named."""
    maps: "Iterable[NDArray[np.float32]]"
    """The maps in order; they can be iterated over again."""
    size: "ObjectSize"
    """Sigma of an object in map pixels."""
    stride: float
    """Frame pixels per map pixel."""
    frame_size: tuple[int, int]
    """Width and height of the frames in pixels."""
    frames: "Frames | None"
    """The frames behind the maps, if there are any."""

    @property
    def frame_interval(self) -> float | None:
        """Seconds between frames, where a video tells."""
        return self.frames.frame_interval if self.frames else None


@dataclass(frozen=True)
class NetworkMaps:
    """The maps that a network makes of frames, made again for everybody who iterates."""

    network: "DensityNetwork"
    """Makes the maps."""
    frames: "Frames"
    """Of these frames."""
    seed: int
    """Of the sample for the background."""

    def __iter__(self) -> "Iterator[NDArray[np.float32]]":
        """Yield the map of each frame."""
        return self.network.predict(self.frames, seed=self.seed)


def open_source(path: Path, config: SourceOptions) -> MapSource:
    """Open what a user wants to track.

    Raises:
        UserError: if something cannot be read.
        ValueError: if the size of an object, or the checkpoint for frames, is missing.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; check the path.")
    if _is_maps(path, config):
        return _open_maps(path, config)
    from tbc_tracking.frames import open_frames

    frames = open_frames(path)
    if config.checkpoint is None:
        raise ValueError(
            f"{path} holds pictures: give --checkpoint with the network that turns them into density maps"
        )
    network = load_network(config.checkpoint, device=config.device)
    width, height = (-(-side // network.stride) for side in frames.size)
    return MapSource(
        path=path,
        maps=NetworkMaps(network, frames, config.seed),
        size=_object_size(config, (height, width)) or network.size,
        stride=float(network.stride),
        frame_size=frames.size,
        frames=frames,
    )


def load_network(path: Path, *, device: str) -> "DensityNetwork":
    """Load the network of a file or of the run folder of a training."""
    from tbc_tracking.density_network import DensityNetwork

    return DensityNetwork.load(path / NETWORK_NAME if path.is_dir() else path, device=device)


def _is_maps(path: Path, config: SourceOptions) -> bool:
    """Tell density maps from pictures."""
    if config.treat_as != "auto":
        return config.treat_as == "maps"
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    suffixes = {file.suffix.lower() for file in files}
    if ".npy" in suffixes:
        return True
    return config.checkpoint is None and bool(suffixes) and suffixes <= {".tif", ".tiff"}


def _open_maps(path: Path, config: SourceOptions) -> MapSource:
    """Open density maps; a checkpoint only tells their scale."""
    from tbc_tracking.density_maps import open_density

    maps = open_density(path)
    _, height, width = maps.shape
    size, stride = _object_size(config, (height, width)), config.map_stride
    if config.checkpoint is not None:
        network = load_network(config.checkpoint, device=config.device)
        size, stride = size or network.size, stride or float(network.stride)
    if size is None:
        raise ValueError(
            "the size of an object is needed: give --sigma in map pixels, --sigma-perspective, or the "
            "--checkpoint that the maps come from"
        )
    stride = 1.0 if stride is None else stride
    if not 0 < stride < float("inf"):
        raise ValueError(
            f"map_stride must be positive, got {stride}; it is frame pixels per map pixel"
        )
    return MapSource(
        path=path,
        maps=maps,
        size=size,
        stride=stride,
        frame_size=(round(width * stride), round(height * stride)),
        frames=None,
    )


def _object_size(config: SourceOptions, shape: tuple[int, int]) -> "ObjectSize | None":
    """Return the size that the flags tell for maps (height, width)."""
    from tbc_tracking.object_size import ObjectSize

    if config.sigma is not None and config.sigma_perspective is not None:
        raise ValueError("sigma and sigma_perspective exclude each other: give one of them")
    top, bottom = config.sigma_perspective or (config.sigma, config.sigma)
    if top is None or bottom is None:
        return None
    if not (0 < top < float("inf") and 0 < bottom < float("inf")):
        raise ValueError(f"sigma must be positive, got {min(top, bottom):g}; it is in map pixels")
    size = ObjectSize(
        intercept=top,
        slope=(bottom - top) / max(shape[0] - 1, 1),
        minimum=min(top, bottom),
        maximum=max(top, bottom),
    )
    size.refuse_misfit(shape)
    return size
