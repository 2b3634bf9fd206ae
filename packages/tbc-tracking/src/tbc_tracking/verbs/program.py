"""`export-mps` and `solvers`: the integer program for other solvers, and the solvers that are here."""

from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import tyro

from tbc_tracking.config import TrackConfig
from tbc_tracking.verbs.presets import PRESETS, Preset
from tbc_tracking.verbs.sources import SourceOptions, open_source
from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import blamed_on, refuses


@dataclass(frozen=True, kw_only=True)
class ExportMps(SourceOptions):
    """Settings of `export-mps`."""

    input: Annotated[Path, tyro.conf.Positional]
    """Video, folder of images, or density maps."""

    start: int = 0
    """First frame of the program."""

    stop: int | None = None
    """End of the frames of the program; --block-frames after the start if missing."""

    preset: Preset = "default"
    """What all other flags start from."""

    settings: Annotated[TrackConfig, tyro.conf.arg(name="")] = field(
        default_factory=PRESETS.settings
    )
    """All settings from maps to tracks."""


@refuses
def export_mps(config: ExportMps) -> None:
    """Write the integer program of some frames as an MPS file, which every solver reads.

    --out ends in .mps (default: program.mps).
    """
    from itertools import islice

    from tbc_tracking.candidates import find_candidates
    from tbc_tracking.integer_program import formulate
    from tbc_tracking.solvers.highs import write_mps
    from tbc_tracking.tracking_program import build_program
    from tenfold_shared.errors import UserError

    settings, out = config.settings, config.out or Path("program.mps")
    stop = config.start + settings.block_frames if config.stop is None else config.stop
    if not 0 <= config.start < stop:
        raise ValueError(f"start must be in [0, stop), got {config.start} and {stop}")
    if out.suffix.lower() != ".mps":
        raise ValueError(f"a program ends in .mps, got {out.name!r}")
    source = open_source(config.input, config)
    maps = list(islice(source.maps, config.start, stop))
    if not maps:
        raise UserError(f"{config.input} has no frame {config.start}; lower --start.")
    with blamed_on(config.input, package="tbc_tracking"):
        candidates = find_candidates(maps, size=source.size, config=settings.candidates)
        program = build_program(maps, candidates, windows=settings.windows, flow=settings.flow)
    matrix = formulate(program)
    write_mps(matrix, out)
    row = {
        "frames": len(maps),
        "candidates": len(candidates),
        "edges": len(program.graph),
        "windows": len(program.windows.counts),
        "rows": len(matrix.lower),
        "columns": len(matrix.cost),
        "nonzeros": matrix.matrix.nnz,
        "out": str(out),
    }
    emit([row], json=config.json)


@dataclass(frozen=True, kw_only=True)
class Solvers(Options):
    """Settings of `solvers`."""


LIBRARIES = {
    "paths": "tbc-tracking",
    "highs": "highspy",
    "scipy": "scipy",
    "pulp-cbc": "pulp",
    "pulp-highs": "pulp",
}


@refuses
def solvers(config: Solvers) -> None:
    """List the solvers, which of them are installed, and what each can do."""
    from tbc_tracking.solvers import available_solvers

    rows = [
        {
            "solver": name,
            "installed": installed,
            "library": LIBRARIES[name],
            "version": _version(LIBRARIES[name]),
            "bound": name != "paths",
            "starts_from_paths": name in ("highs", "pulp-cbc"),
        }
        for name, installed in available_solvers().items()
    ]
    emit(rows, json=config.json)


def _version(distribution: str) -> str | None:
    """Return the version of an installed distribution."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
