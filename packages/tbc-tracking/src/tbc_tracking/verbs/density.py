"""`density`: a network turns frames into density maps."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import blamed_on, refuses

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Density(Options):
    """Settings of `density`."""

    input: Annotated[Path, tyro.conf.Positional]
    """Video or folder of images."""

    checkpoint: Path
    """Network: density.safetensors of a training, or its folder."""

    batch: int = 4
    """Frames that are computed together."""


@refuses
def density(config: Density) -> None:
    """Turn a video into density maps, whose sum over an area is the number of objects in it.

    --out ends in .npy (default: density.npy) or .tif.
    """
    from tbc_tracking.frames import open_frames
    from tbc_tracking.verbs.sources import load_network

    out = config.out or Path("density.npy")
    if out.suffix.lower() not in (".npy", ".tif", ".tiff"):
        raise ValueError(f"density maps end in .npy or .tif, got {out.name!r}")
    frames = open_frames(config.input)
    network = load_network(config.checkpoint, device=config.device)
    with blamed_on(config.input, package="tbc_tracking"):
        statistics = network.measure(frames, seed=config.seed)
        maps = network.predict(frames, batch=config.batch, statistics=statistics)
        counts = write_maps(out, maps, length=statistics.length)
    row = {
        "frames": len(counts),
        "mean_count": sum(counts) / len(counts),
        "least_count": min(counts),
        "largest_count": max(counts),
        "stride": network.stride,
        "out": str(out),
    }
    emit([row], json=config.json)


def write_maps(path: Path, maps: "Iterable[NDArray[np.float32]]", *, length: int) -> list[float]:
    """Write maps one at a time as .npy or .tif, atomically; return their sums.

    Args:
        path: file; its ending chooses the format.
        maps: maps of one size (height, width).
        length: how many there are.
    """
    import numpy as np
    from PIL import Image

    from tenfold_shared.files import atomic_path

    counts: list[float] = []

    def counted() -> "Iterable[NDArray[np.float32]]":
        for image in maps:
            counts.append(float(image.sum(dtype=np.float64)))
            yield image

    stream = iter(counted())
    first = next(stream)
    with atomic_path(path) as temporary:
        if path.suffix.lower() == ".npy":
            shape = (length, *first.shape)
            target = np.lib.format.open_memmap(temporary, "w+", np.dtype(np.float32), shape)
            target[0] = first
            for frame, image in enumerate(stream, start=1):
                target[frame] = image
            target.flush()
        else:
            pages = (Image.fromarray(image) for image in stream)
            Image.fromarray(first).save(temporary, save_all=True, append_images=pages)
    return counts
