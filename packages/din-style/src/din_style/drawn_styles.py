"""Styles drawn by program, free of anybody's rights: for the demonstration, the documentation and tests."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from tenfold_shared.seeds import numpy_stream

SIZE = 256
_FINE = 2
"""Drawn at this multiple of the size, then reduced, so that edges are smooth."""
Color = tuple[int, int, int]


def draw_styles(*, size: int = SIZE, seed: int = 0) -> dict[str, Tensor]:
    """Return pictures (3, size, size) in [0, 1] by name.

    Args:
        size: of the squares, in pixels.
        seed: of everything random.
    """
    painters: dict[str, Callable[[int, np.random.Generator], Image.Image]] = {
        "swirls": _swirls,
        "mosaic": _mosaic,
        "dots": _dots,
        "hatching": _hatching,
        "planes": _planes,
        "rain": _rain,
        "woodcut": _woodcut,
        "drops": _drops,
    }
    styles = {}
    for name, paint in painters.items():
        image = paint(size * _FINE, numpy_stream(seed, "drawn style", name))
        small = image.resize((size, size), Image.Resampling.LANCZOS)
        styles[name] = torch.from_numpy(np.asarray(small, np.float32) / 255).permute(2, 0, 1)
    return styles


def _canvas(size: int, color: Color) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return an empty picture and its pen."""
    image = Image.new("RGB", (size, size), color)
    return image, ImageDraw.Draw(image)


def _vary(random: np.random.Generator, color: Color, amount: float) -> Color:
    """Return a color nearby."""
    moved = np.clip(np.asarray(color) + random.normal(0, amount, 3), 0, 255).astype(int)
    return int(moved[0]), int(moved[1]), int(moved[2])


def _pick(random: np.random.Generator, palette: list[Color], amount: float) -> Color:
    """Return a color of a palette, a little changed."""
    return _vary(random, palette[int(random.integers(len(palette)))], amount)


def _angles(size: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the direction of a smooth flow around some centers at each pixel."""
    y, x = np.mgrid[0:size, 0:size] / size
    angle = np.zeros((size, size))
    for _ in range(4):
        cx, cy, sign = random.uniform(0, 1), random.uniform(0, 1), random.choice([-1, 1])
        weight = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.05)
        angle += sign * weight * (np.arctan2(y - cy, x - cx) + np.pi / 2)
    return angle + 0.5 * np.sin(5 * x + 3 * y)


def _swirls(size: int, random: np.random.Generator) -> Image.Image:
    """Short thick strokes along a flow: night blues with yellow."""
    palette = [(24, 44, 110), (40, 80, 160), (90, 140, 200), (235, 200, 70), (15, 25, 70)]
    image, pen = _canvas(size, (30, 50, 120))
    angle = _angles(size, random)
    for _ in range(5200):
        x, y = random.integers(0, size, 2)
        points, width = [(float(x), float(y))], max(1, int(size * random.uniform(0.008, 0.016)))
        for _ in range(8):
            px, py = points[-1]
            turn = angle[int(np.clip(py, 0, size - 1)), int(np.clip(px, 0, size - 1))]
            step = size * 0.008
            points.append((px + step * np.cos(turn), py + step * np.sin(turn)))
        pen.line(points, fill=_pick(random, palette, 14), width=width, joint="curve")
    return image


def _cells(size: int, count: int, random: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Return the nearest center of each pixel, and how much nearer it is than the next."""
    centers = random.uniform(0, size, (count, 2))
    y, x = np.mgrid[0:size, 0:size]
    best = np.full((size, size), np.inf)
    second, owner = best.copy(), np.zeros((size, size), int)
    for index, (cy, cx) in enumerate(centers):
        distance = np.hypot(y - cy, x - cx)
        nearer = distance < best
        second = np.where(nearer, best, np.minimum(second, distance))
        best, owner = np.where(nearer, distance, best), np.where(nearer, index, owner)
    return owner, second - best


def _mosaic(size: int, random: np.random.Generator) -> Image.Image:
    """Stained glass: cells of bright colors with dark seams."""
    palette = [(200, 40, 40), (230, 160, 40), (40, 110, 60), (40, 60, 150), (240, 225, 190)]
    owner, gap = _cells(size, 420, random)
    colors = np.array([_pick(random, palette, 16) for _ in range(420)])
    pixels = colors[owner] * np.clip(gap / (size * 0.008), 0.08, 1)[..., None]
    return Image.fromarray(pixels.astype(np.uint8))


def _dots(size: int, random: np.random.Generator) -> Image.Image:
    """Pointillism: small round dots of warm colors on cream."""
    palette = [(220, 120, 60), (240, 190, 90), (150, 60, 90), (90, 130, 90), (70, 90, 160)]
    image, pen = _canvas(size, (240, 226, 198))
    for _ in range(9000):
        x, y = random.uniform(0, size, 2)
        radius = size * random.uniform(0.004, 0.009)
        band = palette[int(2 * x / size + 3 * y / size) % 5]
        color = _vary(random, band, 22) if random.random() < 0.6 else _pick(random, palette, 18)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    return image


def _hatching(size: int, random: np.random.Generator) -> Image.Image:
    """Ink: crossing fine black lines on paper, dense in places."""
    image, pen = _canvas(size, (238, 232, 220))
    for layer, turn in enumerate((0.6, 2.2, 1.4)):
        for _ in range(1500):
            x, y = random.uniform(0, size, 2)
            if np.sin(7 * x / size + layer) + np.cos(5 * y / size - layer) < random.normal(0, 0.5):
                continue
            length = size * random.uniform(0.03, 0.09)
            angle = turn + random.normal(0, 0.06)
            end = (x + length * np.cos(angle), y + length * np.sin(angle))
            gray = int(random.uniform(10, 70))
            pen.line([(x, y), end], fill=(gray, gray, gray), width=max(1, size // 300))
    return image


def _planes(size: int, random: np.random.Generator) -> Image.Image:
    """Cubism: large flat shards of ocher, green and gray with soft edges of light."""
    palette = [(170, 130, 80), (110, 110, 90), (70, 90, 80), (200, 180, 140), (60, 50, 45)]
    image, pen = _canvas(size, (130, 115, 90))
    for _ in range(130):
        cx, cy = random.uniform(0, size, 2)
        reach = size * random.uniform(0.06, 0.22)
        turns = np.sort(random.uniform(0, 2 * np.pi, 4))
        points = [(cx + reach * np.cos(t), cy + reach * np.sin(t)) for t in turns]
        color = _pick(random, palette, 12)
        pen.polygon(points, fill=color)
        light = (min(255, color[0] + 45), min(255, color[1] + 42), min(255, color[2] + 36))
        pen.line([*points[:2]], fill=light, width=max(1, size // 110))
        pen.line([*points[2:]], fill=(30, 26, 22), width=max(1, size // 160))
    return image


def _rain(size: int, random: np.random.Generator) -> Image.Image:
    """Slanted strokes of pinks and teals, wet on wet."""
    palette = [(230, 130, 150), (60, 150, 160), (250, 210, 200), (120, 90, 150), (30, 80, 100)]
    image, pen = _canvas(size, (200, 170, 180))
    for _ in range(2600):
        x, y = random.uniform(-0.1 * size, size, 2)
        length, angle = size * random.uniform(0.05, 0.14), 1.15 + random.normal(0, 0.08)
        end = (x + length * np.cos(angle), y + length * np.sin(angle))
        pen.line([(x, y), end], fill=_pick(random, palette, 14), width=max(1, int(size * 0.012)))
    return image


def _woodcut(size: int, random: np.random.Generator) -> Image.Image:
    """Dark green grooves of changing width in red-brown, following smooth shapes."""
    y, x = np.mgrid[0:size, 0:size] / size
    height = np.zeros((size, size))
    for _ in range(9):
        cx, cy, reach = *random.uniform(0, 1, 2), random.uniform(0.1, 0.3)
        height += random.choice([-1, 1]) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / reach**2)
    grooves = np.sin(2 * np.pi * (26 * (y + 0.3 * x) + 2.2 * height))
    ink = np.clip((grooves - 0.9 * np.sin(4 * height)) * 4 + 0.5, 0, 1)[..., None]
    pixels = ink * np.array([28, 52, 46]) + (1 - ink) * np.array([196, 92, 58])
    return Image.fromarray(pixels.astype(np.uint8))


def _drops(size: int, random: np.random.Generator) -> Image.Image:
    """Watercolor: large transparent drops with dark rims on white paper."""
    y, x = np.mgrid[0:size, 0:size]
    pixels = np.full((size, size, 3), 246.0)
    palette = [(80, 130, 200), (220, 100, 90), (240, 200, 80), (90, 170, 130), (140, 100, 170)]
    for _ in range(110):
        cx, cy, radius = *random.uniform(0, size, 2), size * random.uniform(0.02, 0.1)
        turn = np.arctan2(y - cy, x - cx)
        wobble = 1 + 0.12 * np.sin(3 * turn + random.uniform(0, 6)) + 0.05 * np.sin(7 * turn)
        inside = radius * wobble - np.hypot(y - cy, x - cx)
        wet = np.clip(inside / 2, 0, 1) * (0.35 + 0.4 * np.exp(-np.clip(inside, 0, None) / 4))
        color = np.array(_pick(random, palette, 16))
        pixels *= 1 - wet[..., None] * (1 - color / 255)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
