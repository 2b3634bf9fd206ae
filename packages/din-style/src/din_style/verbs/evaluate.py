"""`evaluate`: the method and its baselines on the same pairs, in one table."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from torch import Tensor

    from din_style.evaluation import Method, MethodScores
    from din_style.vgg import VGG

REFERENCE = "microast"
"""Method that the others are compared with, where it is there; else color transfer."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Options):
    """Settings of `evaluate`."""

    weights: tuple[str, ...] = ("fast", "mobile")
    """Networks: `fast`, `mobile`, network files or run folders."""

    encoder: str = "compact"
    """What reads styles: `compact`, `vgg` or a VGG file."""

    contents: Path | None = None
    """Folder or zip archive of contents; without it, the named list of the data folder."""

    styles: Path | None = None
    """Folder or zip archive of styles, with --contents."""

    vgg: Path | None = None
    """VGG file of the losses; the VGG-16 of the data folder if missing."""

    data: Path | None = None
    """Data folder, if not that of TENFOLD_DATA."""

    every: int = 1
    """Only one pair in so many is judged."""

    gatys_steps: int = 0
    """Steps of optimizing pixels, as one more baseline; 0 leaves it out, since it is slow."""

    size: int = 256
    """Side of the squares."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if (self.contents is None) != (self.styles is None):
            raise ValueError("give both contents and styles, or neither")
        for name, smallest in (("every", 1), ("gatys_steps", 0), ("size", 64)):
            if getattr(self, name) < smallest:
                raise ValueError(f"{name} must be at least {smallest}, got {getattr(self, name)}")


@refuses
def evaluate(config: Evaluate) -> None:
    """Score networks and baselines on the same pairs of content and style.

    Without --contents: the 10 contents and 21 styles of the named list, retrieval among 84 styles. `style` and
    `content` are the losses of training; all other columns are of judges that no loss has used.
    """
    from din_style.evaluation import Gallery, evaluate_methods
    from din_style.mobilenet import load_mobilenet
    from din_style.vgg import load_vgg
    from tenfold_shared.errors import UserError

    contents, styles, gallery_images = _pictures(config)
    vgg = load_vgg(config.vgg, data=config.data)
    try:
        mobilenet = load_mobilenet(data=config.data)
    except UserError:
        mobilenet = None  # one judge fewer, where its weights are not there
    gallery = Gallery(vgg, mobilenet, gallery_images)
    methods = _methods(config, gallery_images[list(styles)], vgg)
    pairs = [(i, j) for i in range(len(contents)) for j in range(len(styles))][:: config.every]
    table = evaluate_methods(methods, contents, styles, gallery, pairs=pairs)
    emit(_figures(table) if config.json else [scores.row() for scores in table], json=config.json)


def _pictures(config: Evaluate) -> "tuple[Tensor, Sequence[int], Tensor]":
    """Return contents, which pictures of the gallery are styles, and the gallery."""
    if config.contents is None or config.styles is None:
        from din_style.named_list import load_named_list

        named = load_named_list(data=config.data, size=config.size)
        return named.contents, named.styles, named.gallery
    from din_style.augmentation import central_square
    from din_style.data import as_tensor, open_pictures

    squares = []
    for source in (config.contents, config.styles):
        pictures = open_pictures(source, size=config.size)
        squares.append(
            as_tensor([central_square(pictures.read(i), config.size) for i in range(len(pictures))])
        )
    return squares[0], range(len(squares[1])), squares[1]


def _methods(config: Evaluate, styles: "Tensor", vgg: "VGG") -> "dict[str, Method]":
    """Return all methods by name, ours first."""
    from din_style.baselines import gatys_method, microast_method, transfer_method, trivial_methods
    from din_style.inference import StyleTransfer
    from din_style.microast import load_microast
    from tenfold_shared.errors import UserError

    methods = {}
    for weights in config.weights:
        transfer = StyleTransfer.load(weights, encoder=config.encoder, device=config.device)
        methods[f"din {Path(weights).name}"] = transfer_method(
            transfer, styles, style_size=config.size
        )
    methods |= trivial_methods(styles)
    with suppress(UserError):  # where its weights are not there, the table lacks the line
        methods[REFERENCE] = microast_method(load_microast(data=config.data), styles)
    if config.gatys_steps:
        name = f"gatys, {config.gatys_steps} steps"
        methods[name] = gatys_method(vgg, styles, steps=config.gatys_steps)
    return methods


def _figures(table: "Sequence[MethodScores]") -> list[dict[str, Any]]:
    """Return one line for each figure, beside MicroAST's, or the color transfer's where that is missing."""
    rows = {scores.method: scores.row() for scores in table}
    reference = rows.get(REFERENCE, rows["color mean/std"])
    figures = []
    for method, row in rows.items():
        for name, value in row.items():
            if name in ("method", "cpu_seconds") or isinstance(value, str):
                continue
            known = float(reference[name])
            figures.append(
                {
                    "name": f"{method}: {name}",
                    "value": value,
                    "unit": "",
                    "reference": known,
                    "ratio": value / known if known else None,
                    "seeds": 1,
                    "spread": None,
                    "cpu_seconds": row["cpu_seconds"],
                }
            )
    return figures
