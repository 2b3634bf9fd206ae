"""The pictures of this folder and of the package's README, made again.

    python docs/packages/din-style/make_pictures.py
    TENFOLD_DATA=... python docs/packages/din-style/make_pictures.py --named FOLDER

Without arguments: photographs that come with scikit-image in styles drawn by program, all of which may be passed on;
MicroAST needs its weights in the data folder. With --named: 8 contents and 8 styles of the named list, which may
not be passed on, into a folder of your own.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from din_style import showcases
from din_style.baselines import microast_method, transfer_method
from din_style.demo import photographs
from din_style.drawn_styles import draw_styles
from din_style.evaluation import Method
from din_style.figures import grid_picture
from din_style.inference import StyleTransfer
from din_style.microast import load_microast
from din_style.named_list import load_named_list

HERE = Path(__file__).parent
README = HERE.parents[2] / "packages" / "din-style" / "images"
CONTENTS = (
    "astronaut", "coffee", "chelsea", "rocket", "camera", "hubble_deep_field", "coins", "brick"
)  # fmt: skip
SIDE = 144
"""Pixels of a square in a grid; contents are stylized at 256."""


def save(pixels: np.ndarray, path: Path) -> None:
    """Write (3, height, width) as a small JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.round(np.clip(np.moveaxis(pixels, 0, -1), 0, 1) * 255).astype(np.uint8)
    Image.fromarray(values).save(path, quality=82, optimize=True)


def save_plot(figure: Figure, path: Path) -> None:
    """Write a figure as a small JPEG."""
    memory = io.BytesIO()
    figure.savefig(memory, dpi=90, format="png")
    memory.seek(0)
    save(np.moveaxis(np.asarray(Image.open(memory).convert("RGB"), np.float32) / 255, -1, 0), path)


def small(image: torch.Tensor) -> np.ndarray:
    """Return a square at the size of the grids."""
    pixels = torch.nn.functional.interpolate(
        image[None], (SIDE, SIDE), mode="bicubic", antialias=True
    )
    return pixels[0].clamp(0, 1).numpy()


def grid(contents: list[torch.Tensor], styles: torch.Tensor, method: Method) -> np.ndarray:
    """Return all contents in all styles."""
    cells = [[small(method(c[None], j)[0]) for j in range(len(styles))] for c in contents]
    return grid_picture([small(c) for c in contents], [small(s) for s in styles], cells)


def grids(contents: list[torch.Tensor], styles: torch.Tensor, folder: Path) -> None:
    """Write one grid for each method."""
    for name, weights in (("grid", "fast"), ("grid_mobile", "mobile")):
        transfer = StyleTransfer.load(weights, device="cpu")
        save(grid(contents, styles, transfer_method(transfer, styles)), folder / f"{name}.jpg")
    method = microast_method(load_microast(), styles)
    save(grid(contents, styles, method), folder / "grid_microast.jpg")


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--named", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.named:
        named = load_named_list()
        chosen = named.style_images[[0, 3, 6, 9, 12, 15, 18, 20]]
        grids(list(named.contents[:8]), chosen, arguments.named)
        return
    contents, styles = photographs(CONTENTS), draw_styles()
    grids(list(contents.values()), torch.stack(list(styles.values())), HERE / "figures")
    transfer = StyleTransfer.load("fast", device="cpu")
    codes = {name: transfer.encode(style) for name, style in styles.items()}
    four = [contents[name] for name in CONTENTS[:4]]
    some = torch.stack(list(styles.values())[:6])
    save(grid(four, some, transfer_method(transfer, some)), README / "grid.jpg")
    photo = contents["astronaut"]
    figures = {
        "strength_and_stroke": showcases.strength_and_strokes(
            transfer, photo, codes["swirls"], codes["rain"]
        ),
        "mixing": showcases.mixing(
            transfer, photo, [codes["swirls"], codes["mosaic"]], ["swirls", "mosaic"]
        ),
        "stroke_map": showcases.stroke_map(transfer, photo, codes["rain"]),
        "pole": showcases.pole(transfer, showcases.drawn_globe(), codes["swirls"]),
    }
    for name, figure in figures.items():
        save_plot(figure, HERE / "figures" / f"{name}.jpg")


if __name__ == "__main__":
    main()
