"""The demonstration: photographs of scikit-image in styles that were drawn by program, beside color transfer.

Nothing but the wheel and its dependencies is needed. The judges compare distributions of color patches, and of
high-passed luminance patches (strokes), of result and style; no loss has used them.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from din_style.color import match_moments
from din_style.drawn_styles import draw_styles
from din_style.figures import grid_picture
from din_style.inference import StyleTransfer
from din_style.judges import color_vectors, texture_vectors
from din_style.pictures import resize
from din_style.showcases import mixing, strength_and_strokes
from tenfold_shared.files import make_folder
from tenfold_shared.images import write_image
from tenfold_shared.plots import save_figure

SIZE = 256
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


def photographs(names: Sequence[str] = PHOTOGRAPHS, *, size: int = SIZE) -> dict[str, Tensor]:
    """Return middle squares of photographs of scikit-image, (3, size, size) in [0, 1], by name.

    Args:
        names: of functions in `skimage.data`, of those whose files the package ships.
        size: of the squares, in pixels.
    """
    from skimage import data

    found = {}
    for name in names:
        pixels = np.asarray(getattr(data, name)())
        pixels = np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else np.stack([pixels] * 3)
        pixels = (pixels / 255).astype(np.float32)
        side = min(pixels.shape[1:])
        top, left = (pixels.shape[1] - side) // 2, (pixels.shape[2] - side) // 2
        square = pixels[:, top : top + side, left : left + side]
        found[name] = torch.from_numpy(resize(square, (size, size)))
    return found


def run_demo(
    folder: Path,
    *,
    weights: Path | str = "fast",
    encoder: Path | str = "compact",
    seed: int = 0,
    device: str = "auto",
) -> list[dict[str, object]]:
    """Stylize, write four pictures into a folder and return the table.

    Args:
        folder: where the pictures go.
        weights: `fast` or `mobile`, or a network file.
        encoder: see `StyleTransfer.load`.
        seed: of the drawn styles.
        device: where the network runs.
    """
    make_folder(folder)
    transfer = StyleTransfer.load(weights, encoder=encoder, device=device)
    contents, styles = photographs(), draw_styles(seed=seed)
    start = time.process_time()
    codes = {name: transfer.encode(style) for name, style in styles.items()}
    encoding = (time.process_time() - start) / len(styles)
    start = time.process_time()
    ours = [[transfer.stylize(c, code) for code in codes.values()] for c in contents.values()]
    stylizing = (time.process_time() - start) / (len(contents) * len(styles))
    transferred = [
        [match_moments(c[None], s[None])[0] for s in styles.values()] for c in contents.values()
    ]
    shown, drawn = list(contents.values()), list(styles.values())
    for name, cells in (("1_grid", ours), ("4_grid_of_color_transfer", transferred)):
        arrays = [[cell.numpy() for cell in row] for row in cells]
        grid = grid_picture([c.numpy() for c in shown], [s.numpy() for s in drawn], arrays)
        write_image(folder / f"{name}.png", grid)
    swirls, rain = codes["swirls"], codes["rain"]
    figure = strength_and_strokes(transfer, contents["astronaut"], swirls, rain)
    save_figure(figure, folder / "2_strength_and_stroke.png")
    figure = mixing(transfer, contents["astronaut"], [swirls, rain], ["swirls", "rain"])
    save_figure(figure, folder / "3_mixing.png")
    rows: list[dict[str, object]] = [
        *_distances(shown, drawn, ours, transferred),
        {"name": "stylizing a picture of 256 x 256", "value": 1000 * stylizing, "unit": "CPU ms"},
        {"name": "encoding a style of 256 x 256", "value": 1000 * encoding, "unit": "CPU ms"},
    ]
    return rows


def _distances(
    contents: list[Tensor],
    styles: list[Tensor],
    ours: list[list[Tensor]],
    transferred: list[list[Tensor]],
) -> list[dict[str, object]]:
    """Return how near to the styles the results are, as a share of the contents' own distance."""
    rows: list[dict[str, object]] = []
    for name, describe in (("strokes", texture_vectors), ("colors", color_vectors)):
        known = [describe(style[None]) for style in styles]
        own = [describe(content[None]) for content in contents]
        identity = sum(float((a - b).norm()) for a in own for b in known) / len(own) / len(known)
        value = _mean_distance(ours, known, describe) / identity
        reference = _mean_distance(transferred, known, describe) / identity
        rows.append(
            {
                "name": f"distance of {name} to the style (content: 1; reference: color transfer)",
                "value": value, "unit": "", "reference": reference, "ratio": value / reference,
            }
        )  # fmt: skip
    return rows


def _mean_distance(
    cells: list[list[Tensor]], known: list[Tensor], describe: Callable[[Tensor], Tensor]
) -> float:
    """Return the mean Euclidean distance of descriptors."""
    distances = [
        float((describe(cell[None]) - known[j]).norm())
        for row in cells
        for j, cell in enumerate(row)
    ]
    return sum(distances) / len(distances)
