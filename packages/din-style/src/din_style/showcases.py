"""One picture under every control: figures that a network draws of itself."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from din_style.figures import Pixels, latency_figure, sweep_figure, triangle_figure
from din_style.inference import StyleTransfer
from din_style.sphere_views import flat_view
from din_style.style_code import StyleCode, mix
from tenfold_shared.plots import image_row
from tenfold_shared.seeds import numpy_stream

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Image = Float[Tensor, "3 height width"]
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
STROKES = (0.5, 1.0, 1.5, 2.0, 3.0)
REPEATS = 3
"""Passes of which the median time is shown."""


def strengths(transfer: StyleTransfer, content: Image, code: StyleCode) -> "Figure":
    """Draw a sweep from the content to the full style."""
    images = [transfer.stylize(content, code, strength=value).numpy() for value in STRENGTHS]
    return image_row(images, [f"strength {value:g}" for value in STRENGTHS])


def strokes(transfer: StyleTransfer, content: Image, code: StyleCode) -> "Figure":
    """Draw a sweep of stroke sizes."""
    images = [transfer.stylize(content, code, stroke=value).numpy() for value in STROKES]
    return image_row(images, [f"stroke {value:g}" for value in STROKES])


def strength_and_strokes(
    transfer: StyleTransfer, content: Image, first: StyleCode, second: StyleCode
) -> "Figure":
    """Draw both sweeps below each other."""
    rows = [
        [transfer.stylize(content, first, strength=value).numpy() for value in STRENGTHS],
        [transfer.stylize(content, second, stroke=value).numpy() for value in STROKES],
    ]
    titles = [[f"strength {v:g}" for v in STRENGTHS], [f"stroke {v:g}" for v in STROKES]]
    return sweep_figure(rows, titles)


def stroke_map(transfer: StyleTransfer, content: Image, code: StyleCode) -> "Figure":
    """Draw strokes that grow from left to right, beside the map."""
    _, height, width = content.shape
    sizes = torch.linspace(0.5, 3, width).expand(height, width)
    shown = (sizes / 3).expand(3, -1, -1)
    images = [
        content.numpy(), shown.numpy(), transfer.stylize(content, code).numpy(),
        transfer.stylize(content, code, stroke=sizes).numpy(),
    ]  # fmt: skip
    return image_row(images, ["content", "stroke map, 0.5 to 3", "stroke 1", "with the map"])


def mixing(
    transfer: StyleTransfer, content: Image, codes: Sequence[StyleCode], names: Sequence[str]
) -> "Figure":
    """Draw a triangle between the content and two styles."""
    first, second = codes
    pictures = mixing_triangle(transfer, content, first, second)
    return triangle_figure(pictures, ("content", names[0], names[1]))


def mixing_triangle(
    transfer: StyleTransfer,
    content: Image,
    first: StyleCode,
    second: StyleCode,
    *,
    steps: int = 4,
) -> dict[tuple[float, float], Pixels]:
    """Return pictures by the shares of two styles, whose sum is the strength.

    Args:
        transfer: network and encoder.
        content: the picture.
        first: a style.
        second: another.
        steps: on each side of the triangle.
    """
    pictures: dict[tuple[float, float], Pixels] = {}
    for level in range(steps + 1):
        for part in range(level + 1):
            code = mix([first, second], [level - part, part]) if level else first
            image = transfer.stylize(content, code, strength=level / steps)
            pictures[(level - part) / steps, part / steps] = image.numpy()
    return pictures


def pole(transfer: StyleTransfer, content: Image, code: StyleCode) -> "Figure":
    """Draw a 360-degree picture seen upwards, and across its seam, stylized plainly and as a sphere."""
    content = content[..., : content.shape[2] // 4 * 4]
    pictures = {
        "content": content,
        "plain": transfer.stylize(content, code),
        "sphere": transfer.stylize(content, code, sphere=True),
    }
    rows, titles = [], []
    for what, latitude, longitude in (("pole", 90.0, 0.0), ("seam", 0.0, 180.0)):
        rows.append(
            [
                flat_view(picture, latitude=latitude, longitude=longitude).numpy()
                for picture in pictures.values()
            ]
        )
        titles.append([f"{what}, {name}" for name in pictures])
    return sweep_figure(rows, titles, height=2.8)


def drawn_globe(*, height: int = 384) -> Image:
    """Return an equirectangular picture of a sphere with shaded patches of one size everywhere."""
    fine = 2 * height  # reduced in the end, so that rims are smooth
    latitude = (0.5 - (np.arange(fine) + 0.5) / fine) * np.pi
    longitude = ((np.arange(2 * fine) + 0.5) / fine - 1) * np.pi
    phi, lam = np.meshgrid(latitude, longitude, indexing="ij")
    points = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    random = numpy_stream(0, "drawn globe")
    centers = random.normal(size=(90, 3))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    near = np.tensordot(centers, points, 1)
    colors = random.uniform(0.1, 0.9, (3, len(centers)))
    # Cosines fall off with the distance from a patch's center: its rim is darker.
    shade = 1 - 14 * (1 - near.max(0))
    pixels = colors[:, near.argmax(0)] * np.clip(shade, 0.2, 1)
    reduced = pixels.reshape(3, height, 2, 2 * height, 2).mean((2, 4))
    return torch.from_numpy(reduced.astype(np.float32))


@torch.no_grad()
def latency(passes: Mapping[str, Callable[[Tensor], object]], sides: Sequence[int]) -> "Figure":
    """Draw the CPU seconds of networks against the side of the picture.

    Args:
        passes: by name; each takes a content (1, 3, side, side).
        sides: in pixels.

    Raises:
        ValueError: if a side is below 32 pixels.
    """
    if not sides or min(sides) < 32:
        raise ValueError(f"sizes must be at least 32 pixels, got {list(sides)}")
    seconds: dict[str, tuple[Sequence[int], list[float]]] = {}
    for name, run in passes.items():
        medians = []
        for side in sides:
            content = torch.rand(1, 3, side, side)
            run(content)  # the first pass of a size prepares
            times = []
            for _ in range(REPEATS):
                start = time.process_time()
                run(content)
                times.append(time.process_time() - start)
            medians.append(float(np.median(times)))
        seconds[name] = (sides, medians)
    return latency_figure(seconds)


def compared_passes(transfer: StyleTransfer) -> dict[str, Callable[[Tensor], object]]:
    """Return the content paths of a network, of MicroAST and of AdaIN, whose weights are random.

    What they cost does not depend on the weights.
    """
    from din_style.adain import AdaINNetwork
    from din_style.microast import MicroAST

    code = transfer.encode(torch.full((3, 64, 64), 0.5))
    microast, adain = MicroAST().eval(), AdaINNetwork().eval()
    with torch.no_grad():
        style = microast.encode(torch.rand(1, 3, 64, 64))
    statistics = (torch.zeros(1, 512, 1, 1), torch.ones(1, 512, 1, 1))
    return {
        f"din {transfer.network.config.preset}": lambda content: transfer.network(content, code),
        "MicroAST": lambda content: microast(content, style),
        "AdaIN": lambda content: adain(content, statistics),
    }
