"""`plot`: figures of controls, costs, trainings and codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from din_style.verbs.sources import Source, code_of_file, expand, labels, open_transfer
from tenfold_shared.commands import emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

    from din_style.inference import StyleTransfer
    from din_style.style_code import StyleCode

Kind = Literal[
    "strength", "mixing", "strokes", "stroke-map", "pole", "scatter", "latency", "curve", "codes"
]


@dataclass(frozen=True, kw_only=True)
class Plot(Source):
    """Settings of `plot`."""

    kind: Annotated[Kind, tyro.conf.Positional]
    """What to draw."""

    content: Path | None = None
    """Content picture, equirectangular for `pole`; one of our own if missing."""

    style: tuple[Path, ...] = ()
    """Style pictures, codes or folders; styles drawn by program if missing. `codes` colors them by folder."""

    run: Path | None = None
    """`curve`: the folder of a training."""

    table: Path | None = None
    """`scatter`: what `evaluate --json` printed."""

    sizes: tuple[int, ...] = (128, 256, 512)
    """`latency`: sides of the pictures in pixels."""


@refuses
def plot(config: Plot) -> None:
    """Draw a figure; --out is its file (.png, .pdf or .svg; default: <kind>.png).

    strength, mixing, strokes, stroke-map: the controls on one picture. pole: a 360-degree picture seen from
    below its pole, plain and as a sphere. scatter: losses of all methods. latency: CPU time against size,
    beside MicroAST and AdaIN. curve: a training. codes: styles on the principal components of their codes.
    """
    from tenfold_shared.plots import save_figure

    out = config.out or Path(f"{config.kind}.png")
    if out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"figures end in .png, .pdf or .svg, got {out.name!r}")
    match config.kind:
        case "curve":
            figure = _curve(config)
        case "scatter":
            figure = _scatter(config)
        case "codes":
            figure = _codes(config)
        case _:
            figure = _controls(config)
    save_figure(figure, out)
    emit([{"figure": config.kind, "file": str(out)}], json=config.json)


def _controls(config: Plot) -> "Figure":
    """Draw what needs a network, a content and styles."""
    from din_style import showcases

    transfer = open_transfer(config)
    if config.kind == "latency":
        return showcases.latency(showcases.compared_passes(transfer), config.sizes)
    content = _content(config)
    styles = _style_codes(config, transfer)
    names, codes = list(styles), list(styles.values())
    match config.kind:
        case "strength":
            return showcases.strengths(transfer, content, codes[0])
        case "strokes":
            return showcases.strokes(transfer, content, codes[0])
        case "stroke-map":
            return showcases.stroke_map(transfer, content, codes[0])
        case "pole":
            return showcases.pole(transfer, content, codes[0])
    if len(codes) < 2:
        raise ValueError("mixing needs two styles, got one")
    return showcases.mixing(transfer, content, codes[:2], names[:2])


def _content(config: Plot) -> "torch.Tensor":
    """Return the content, (3, height, width)."""
    if config.content is not None:
        import torch

        from din_style.pictures import read_picture

        return torch.from_numpy(read_picture(config.content).pixels)
    if config.kind == "pole":
        from din_style.showcases import drawn_globe

        return drawn_globe()
    from din_style.demo import photographs

    return photographs()["astronaut"]


def _style_codes(config: Plot, transfer: "StyleTransfer") -> "Mapping[str, StyleCode]":
    """Return codes by name."""
    if config.style:
        from din_style.controls import Controls

        paths = expand(config.style)
        controls = Controls(style_size=config.style_size)
        codes = [code_of_file(transfer, path, controls) for path in paths]
        return dict(zip(labels(paths), codes, strict=True))
    from din_style.drawn_styles import draw_styles

    styles = draw_styles(seed=config.seed)
    return {name: transfer.encode(style, size=config.style_size) for name, style in styles.items()}


def _codes(config: Plot) -> "Figure":
    """Draw styles by their codes."""
    import numpy as np

    from din_style.figures import codes_map

    folders = [path for path in config.style if path.is_dir()]
    if len(folders) < 2:
        raise ValueError("codes are colored by folder: name two folders of styles or more")
    transfer = open_transfer(config)
    vectors, kinds = [], []
    for folder in folders:
        for path in expand([folder]):
            code = transfer.encode(path, size=config.style_size)
            vectors.append(code.vector()[0].numpy())
            kinds.append(folder.name)
    return codes_map(np.stack(vectors).astype(np.float64), kinds)


def _curve(config: Plot) -> "Figure":
    """Draw a training."""
    from din_style.figures import training_curve
    from tenfold_shared.metrics import read_metrics

    if config.run is None:
        raise ValueError("curve needs --run, the folder of a training")
    path = config.run / "metrics.jsonl"
    rows: dict[int, dict[str, float]] = {}
    for row in read_metrics(path):
        if row.split == "train":
            rows.setdefault(row.step, {"step": row.step})[row.name] = row.value
    if not rows:
        raise UserError(f"{path} holds no steps of a training; check the folder.")
    return training_curve([rows[step] for step in sorted(rows)])


def _scatter(config: Plot) -> "Figure":
    """Draw the losses of a table."""
    import json

    from din_style.figures import loss_scatter

    if config.table is None:
        raise ValueError("scatter needs --table, a file with what `evaluate --json` printed")
    try:
        lines = config.table.read_text("utf-8").splitlines()
        rows = {row["name"]: float(row["value"]) for row in map(json.loads, lines)}
    except OSError as error:
        raise UserError(f"{config.table} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{config.table} is no table of `evaluate --json`; make it again."
        ) from error
    points = _points(rows)
    if not points:
        raise UserError(f"{config.table} names no style and content losses; make it again.")
    return loss_scatter(points)


def _points(rows: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Return (content loss, style loss) of each method."""
    ending = ": style"
    methods: Sequence[str] = [n.removesuffix(ending) for n in rows if n.endswith(ending)]
    return {
        name: (rows[f"{name}: content"], rows[name + ending])
        for name in methods
        if f"{name}: content" in rows
    }
