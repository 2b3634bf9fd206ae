"""Four bright blobs that cross a small dark frame: every kind of file that users may hand over."""

from pathlib import Path

import av
import numpy as np
from PIL import Image

from tbc_tracking.density import density_from_points
from tbc_tracking.formats import write_tracks
from tbc_tracking.tracks import Tracks

LENGTH, HEIGHT, WIDTH = 8, 32, 40
SIGMA = 2.0


def make_tiny_data(folder: Path) -> None:
    """Fill a folder with frames, points, maps, a picture and a video of the same scene."""
    truth = tiny_tracks()
    maps = tiny_maps(truth)
    pictures = [np.clip(30 + 4000 * image, 0, 255).astype(np.uint8) for image in maps]
    (folder / "frames").mkdir()
    for frame, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / "frames" / f"{frame:06}.png")
    Image.fromarray(pictures[0]).save(folder / "frame.jpg")
    np.save(folder / "maps.npy", maps)
    pages = [Image.fromarray(image) for image in maps]
    pages[0].save(folder / "maps.tif", save_all=True, append_images=pages[1:])
    write_tracks(folder / "points.csv", truth)
    with av.open(str(folder / "video.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def tiny_tracks() -> Tracks:
    """Four objects on straight paths, two of which cross."""
    time = np.arange(LENGTH)
    starts = np.array([[6.0, 8.0], [33.0, 8.0], [8.0, 24.0], [32.0, 25.0]])
    steps = np.array([[1.2, 0.0], [-1.2, 0.3], [0.5, -0.2], [-0.4, -0.5]])
    places = starts[:, None] + steps[:, None] * time[:, None]
    return Tracks.from_rows(
        np.tile(time, 4),
        np.repeat([1, 2, 3, 4], LENGTH),
        x=places[..., 0].ravel(),
        y=places[..., 1].ravel(),
        length=LENGTH,
    )


def tiny_maps(truth: Tracks) -> np.ndarray:
    """Exact density maps of tracks."""
    maps = []
    for frame in range(truth.length):
        here = truth.frame == frame
        maps.append(
            density_from_points(
                (HEIGHT, WIDTH),
                x=truth.x[here],
                y=truth.y[here],
                sigma=np.full(here.sum(), SIGMA),
            )
        )
    return np.stack(maps).astype(np.float32)
