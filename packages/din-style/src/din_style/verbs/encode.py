"""`encode` and `bake`: a style as a small code, and as a network of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from din_style.verbs.sources import (
    CODE_SUFFIX,
    Source,
    code_of_file,
    expand,
    labels,
    open_transfer,
    refuse_overwriting,
)
from tenfold_shared.commands import emit
from tenfold_shared.refusals import refuses


@dataclass(frozen=True, kw_only=True)
class Encode(Source):
    """Settings of `encode`."""

    style: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Style pictures, or folders of them."""


@refuses
def encode(config: Encode) -> None:
    """Write the code of a style: a file of a few kB that stylizes without the picture.

    --out is the file (.safetensors), or a folder (default: codes) for <style>.safetensors.
    """
    from din_style.controls import Controls

    styles = expand(config.style)
    if not styles:
        raise ValueError("style must name at least one picture")
    out = config.out or Path("codes")
    single = out.suffix.lower() == CODE_SUFFIX and not out.is_dir()
    if out.suffix and not (single or out.is_dir()) and len(styles) == 1:
        raise ValueError(f"a style code ends in {CODE_SUFFIX}, got {out.name!r}")
    if single and len(styles) > 1:
        raise ValueError(f"{len(styles)} codes go into a folder, got the file {out.name!r}")
    names = [out] if single else [out / f"{label}{CODE_SUFFIX}" for label in labels(styles)]
    refuse_overwriting(names, styles)
    transfer = open_transfer(config)
    controls = Controls(style_size=config.style_size)
    rows = []
    for path, target in zip(styles, names, strict=True):
        code = code_of_file(transfer, path, controls)
        code.save(target)
        rows.append(
            {
                "style": path.name, "file": str(target),
                "numbers": code.vector().shape[1], "bytes": target.stat().st_size,
            }
        )  # fmt: skip
    emit(rows, json=config.json)


@dataclass(frozen=True, kw_only=True)
class Bake(Source):
    """Settings of `bake`."""

    style: Annotated[Path, tyro.conf.Positional]
    """Style picture or style code (.safetensors)."""


@refuses
def bake(config: Bake) -> None:
    """Write one style as a network of its own: --out style.onnx, or style.pt2 for torch.export.

    The file takes pictures (batch, 3, height, width) in [0, 1] whose sizes are multiples of 4, and
    needs no encoder and no din-style.
    """
    from din_style.baking import bake as write_baked
    from din_style.controls import Controls

    out = config.out or Path(f"{config.style.stem}.pt2")
    styles = expand([config.style])
    if len(styles) != 1:
        raise ValueError(f"one style is baked, got the {len(styles)} pictures of {config.style}")
    transfer = open_transfer(config)
    code = code_of_file(transfer, styles[0], Controls(style_size=config.style_size))
    write_baked(transfer.network, code, out)
    row = {"style": config.style.name, "file": str(out), "bytes": out.stat().st_size}
    emit([row], json=config.json)
