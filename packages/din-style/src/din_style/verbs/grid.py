"""`grid`: a table of pictures, contents by styles."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from din_style.verbs.sources import Source, expand, open_transfer, refuse_overwriting
from tenfold_shared.commands import emit
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    import torch

    from din_style.evaluation import Method


@dataclass(frozen=True, kw_only=True)
class Grid(Source):
    """Settings of `grid`."""

    content: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Content pictures, or folders of them: the rows."""

    style: tuple[Path, ...]
    """Style pictures, or folders of them: the columns."""

    method: Literal["din", "microast", "color"] = "din"
    """What stylizes: this package, trained MicroAST (needs its weights in the data folder), or color transfer."""

    size: int = 256
    """Side of the squares, cut from the middle of each picture."""

    data: Path | None = None
    """Data folder with MicroAST's weights."""

    def __post_init__(self) -> None:
        """Check the size."""
        super().__post_init__()
        if self.size < 32:
            raise ValueError(f"size must be at least 32 pixels, got {self.size}")
        if not (self.content and self.style):
            raise ValueError("a grid needs at least one content and one style")


@refuses
def grid(config: Grid) -> None:
    """Write one picture of all contents in all styles: styles above, contents to the left.

    --out is the picture (default: grid.png).
    """
    import torch

    from din_style.figures import grid_picture
    from din_style.pictures import check_suffix, write_picture

    out = config.out or Path("grid.png")
    check_suffix(out)
    rows, columns = expand(config.content), expand(config.style)
    refuse_overwriting([out], [*rows, *columns])
    contents = [_square(path, config.size) for path in rows]
    styles = [_square(path, config.size) for path in columns]
    method = _method(config, torch.stack(styles))
    cells = [
        [method(content[None], j)[0].cpu().numpy() for j in range(len(styles))]
        for content in contents
    ]
    picture = grid_picture([c.numpy() for c in contents], [s.numpy() for s in styles], cells)
    write_picture(out, picture)
    row = {"file": str(out), "contents": len(contents), "styles": len(styles)}
    emit([row], json=config.json)


def _square(path: Path, size: int) -> "torch.Tensor":
    """Return the middle of a picture, (3, size, size)."""
    import torch

    from din_style.pictures import read_picture

    pixels = read_picture(path).resized(size).pixels
    top, left = (pixels.shape[1] - size) // 2, (pixels.shape[2] - size) // 2
    return torch.from_numpy(pixels[:, top : top + size, left : left + size].copy())


def _method(config: Grid, styles: "torch.Tensor") -> "Method":
    """Return what stylizes."""
    from din_style.baselines import microast_method, transfer_method, trivial_methods

    if config.method == "din":
        return transfer_method(open_transfer(config), styles, style_size=config.style_size)
    if config.method == "microast":
        from din_style.microast import load_microast

        return microast_method(load_microast(data=config.data), styles)
    return trivial_methods(styles)["color mean/std"]
