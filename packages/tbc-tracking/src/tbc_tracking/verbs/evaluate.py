"""`evaluate`: the method and its baselines on the same maps, in one table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tbc_tracking.config import TrackConfig
from tbc_tracking.training_config import FrameRange, parse_blocks, refuse_overlap
from tbc_tracking.verbs.presets import PRESETS, Preset
from tbc_tracking.verbs.sequences import find_sequence
from tbc_tracking.verbs.sources import MapSource, SourceOptions, open_source
from tenfold_shared.commands import emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import blamed_on, refuses

if TYPE_CHECKING:
    from tbc_tracking.evaluation import Evaluation, MapSequence
    from tbc_tracking.tracks import Tracks

SHOWN = (
    "mota", "idf1", "hota", "recall", "precision", "switches", "fragmentations",
    "mostly_tracked", "mostly_lost", "motp", "count_mae", "count_bias", "division_f1",
)  # fmt: skip
"""Columns of the table."""
PLACES = ("recall", "precision", "motp", "count_mae", "count_bias")
"""Columns of the table where no links are made: identities would be those of single points."""
UNITS = {"motp": "map pixels", "count_mae": "objects", "count_bias": "objects"}
VALIDATION_SHARE = 5
"""Without blocks, the first of so many parts of the video chooses the settings."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(SourceOptions):
    """Settings of `evaluate`."""

    data: Annotated[Path, tyro.conf.Positional]
    """Folder with frames and points (see `data`), or density maps together with --truth."""

    truth: Path | None = None
    """True tracks, in pixels of the frames."""

    distance: float
    """Largest distance in pixels of the frames at which points match."""

    validate: tuple[str, ...] = ()
    """Blocks of frames, as start:stop, on which the baselines are tuned; the first fifth if missing."""

    test: tuple[str, ...] = ()
    """Blocks of frames that are scored, each a sequence of its own; all after the first fifth if missing."""

    anchor: Literal["center", "bottom"] = "center"
    """Which point of a box counts."""

    preset: Preset = "default"
    """What all other flags start from."""

    settings: Annotated[TrackConfig, tyro.conf.arg(name="")] = field(
        default_factory=PRESETS.settings
    )
    """All settings from maps to tracks."""


@refuses
def evaluate(config: Evaluate) -> None:
    """Score the method and its tuned baselines on the same maps.

    The baselines choose their settings on --validate; all methods are scored on --test, the method with
    the settings given here. With --json, each figure is one line, its reference the best baseline's.
    Where the settings make no links (preset `per-frame`), only places and counts are scored.
    """
    from tbc_tracking.evaluation import evaluate_methods

    if not 0 < config.distance < float("inf"):
        raise ValueError(f"distance must be positive, got {config.distance}; it is in frame pixels")
    validate, test = parse_blocks(config.validate), parse_blocks(config.test)
    refuse_overlap(validate, test)
    if bool(validate) != bool(test):
        raise ValueError("give both --validate and --test, or neither")
    source, truth = _open(config)
    sequences = [_cut(source, truth, blocks) for blocks in _blocks(validate, test, source, truth)]
    with blamed_on(config.data, package="tbc_tracking"):
        results = evaluate_methods(
            sequences[1],
            validation=sequences[0],
            size=source.size,
            distance=config.distance / source.stride,
            config=config.settings,
            seed=config.seed,
        )
    shown = SHOWN if config.settings.makes_links else PLACES
    emit(_figures(results, shown) if config.json else _table(results, shown), json=config.json)


def _open(config: Evaluate) -> "tuple[MapSource, Tracks]":
    """Return the maps, and the truth in pixels of the frames."""
    from tbc_tracking.formats import read_tracks

    if config.truth is None:
        place = find_sequence(config.data)
        source, path = open_source(place.frames, config), place.points
    else:
        source, path = open_source(config.data, config), config.truth
    return source, read_tracks(path, anchor=config.anchor, size=source.frame_size)


def _blocks(
    validate: Sequence[FrameRange],
    test: Sequence[FrameRange],
    source: MapSource,
    truth: "Tracks",
) -> tuple[Sequence[FrameRange], Sequence[FrameRange]]:
    """Return the blocks to validate and to test on."""
    if test:
        return validate, test
    length = truth.length
    first = length // VALIDATION_SHARE
    if not first:
        raise UserError(f"{source.path} has {length} frames with points; too few to split.")
    return [(0, first)], [(first, length)]


def _cut(source: MapSource, truth: "Tracks", blocks: Sequence[FrameRange]) -> "list[MapSequence]":
    """Return the maps and the truth of some blocks, in map pixels."""
    from dataclasses import replace
    from itertools import islice

    import numpy as np

    from tbc_tracking.evaluation import MapSequence

    on_map = replace(
        truth,
        x=(truth.x + 0.5) / source.stride - 0.5,
        y=(truth.y + 0.5) / source.stride - 0.5,
        width=truth.width / source.stride,
        height=truth.height / source.stride,
    )
    cut = []
    for start, stop in blocks:
        maps = list(islice(source.maps, start, stop))
        if len(maps) < stop - start:
            raise UserError(f"{source.path} ends before frame {stop}; correct the blocks.")
        part = replace(on_map, length=max(on_map.length, stop)).between(start, stop)
        cut.append(MapSequence(maps=np.stack(maps), truth=part))
    return cut


def _table(results: "Sequence[Evaluation]", shown: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row for each method."""
    return [
        {
            "method": result.method,
            **{name: result.figures[name] for name in shown if name in result.figures},
            "cpu_seconds": result.cpu_seconds,
        }
        for result in results
    ]


def _figures(results: "Sequence[Evaluation]", shown: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row for each figure, the method's beside that of the baseline with the best MOTA."""
    scored = [result for result in results[1:] if "mota" in result.figures]
    best = max(scored, key=lambda result: result.figures["mota"])
    rows = []
    for result in results:
        for name in (name for name in shown if name in result.figures):
            value, reference = result.figures[name], best.figures.get(name)
            rows.append(
                {
                    "name": f"{result.method}: {name}",
                    "value": value,
                    "unit": UNITS.get(name, ""),
                    "reference": reference,
                    "ratio": value / reference if reference else None,
                    "seeds": 1,
                    "spread": None,
                    "cpu_seconds": result.cpu_seconds,
                }
            )
    return rows
