"""Small pictures of every kind, a video, a mask, and weights of small networks: what users may hand over."""

from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from tenfold_shared.seeds import numpy_stream, torch_stream

HEIGHT, WIDTH = 64, 72
CHANNELS = 4
VGG_LAYERS = ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3")


def make_tiny_data(folder: Path) -> None:
    """Fill a folder with contents, styles, single pictures, a video and a small VGG."""
    for name, count in (("contents", 5), ("styles", 4)):
        (folder / name).mkdir()
        for number in range(count):
            tiny_picture(name, number).save(folder / name / f"{number}.png")
    picture = tiny_picture("photo", 0)
    for ending in ("png", "jpg", "tif", "webp", "bmp", "gif"):
        picture.save(folder / f"photo.{ending}")
    tiny_picture("painting", 0).save(folder / "painting.png")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, : WIDTH // 2] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    save_vgg(folder / "vgg.safetensors")
    save_film(folder / "film.avi")


def tiny_picture(name: str, number: int) -> Image.Image:
    """Return waves in two colors with some noise."""
    random = numpy_stream(0, name, number)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    wave = 0.5 + 0.5 * np.sin(x / random.uniform(2, 9) + y / random.uniform(2, 9))
    colors = random.uniform(0, 255, (2, 3))
    pixels = wave[..., None] * colors[0] + (1 - wave[..., None]) * colors[1]
    pixels += random.normal(0, 8, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def save_vgg(path: Path) -> None:
    """Write the first seven convolutions of VGG-16 with few channels and random weights."""
    stream, tensors, before = torch_stream(0, "tiny vgg"), {}, 3
    for name in VGG_LAYERS:
        weight = torch.randn(CHANNELS, before, 3, 3, generator=stream) / (4.5 * before) ** 0.5
        tensors[f"conv{name}.weight"] = weight / (128 if before == 3 else 1)
        tensors[f"conv{name}.bias"] = 0.1 * torch.rand(CHANNELS, generator=stream)
        tensors[f"relu{name}.mean_act"] = torch.ones(CHANNELS)
        before = CHANNELS
    save_file(tensors, path)


def save_film(path: Path) -> None:
    """Write six frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for number in range(6):
            pixels = np.roll(np.asarray(tiny_picture("film", 0)), 2 * number, axis=1)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
