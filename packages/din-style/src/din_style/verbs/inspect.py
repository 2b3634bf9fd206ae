"""`info` and `data`: what is in a file, and in a folder of pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tenfold_shared.commands import Options, emit, flat
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from din_style.data import Pictures

PACKAGE = "din-style"
FORMAT = """\
`train` takes two folders (or zip archives) of pictures, searched with their subfolders:

  contents    photographs: a few hundred are enough, thousands are better
  styles      paintings, drawings, textures; ten are enough for --from-shipped

PNG, JPEG, TIFF, BMP, GIF, WebP and PPM are read. Crop frames and letterbox bars: their colors count.
"""


@dataclass(frozen=True, kw_only=True)
class Info(Options):
    """Settings of `info`."""

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """Network, style code, encoder or state of a training (.safetensors), the folder of a training, or a name
    that is shipped: `fast`, `mobile` or `encoder`."""


@refuses
def info(config: Info) -> None:
    """Tell what is in a file: a network, a style code, an encoder or the state of a training."""
    from din_style.network_files import NETWORK_FILE
    from din_style.shipped import SHIPPED, shipped_path

    path = config.checkpoint
    if str(path) in (*SHIPPED, "encoder") and not path.exists():
        with shipped_path(str(path)) as shipped:
            path = shipped
    path = path / NETWORK_FILE if path.is_dir() else path
    code = _code_rows(path)
    if code is not None:
        emit(code, json=config.json)
        return
    emit(_checkpoint_rows(path), json=config.json)


def _checkpoint_rows(path: Path) -> list[dict[str, Any]]:
    """Return what a network, an encoder or the state of a training says."""
    from din_style.network_files import load_network
    from tenfold_shared.checkpoints import load_checkpoint

    checkpoint = load_checkpoint(path, package=PACKAGE)
    rows: list[dict[str, Any]] = [
        {"name": name, "value": value} for name, value in flat(checkpoint.metadata)
    ]
    rows += [
        {"name": f"parameters of {name}", "value": sum(tensor.numel() for tensor in model.values())}
        for name, model in checkpoint.models.items()
    ]
    if "network" in checkpoint.metadata:
        network = load_network(path)
        rows.append({"name": "fingerprint", "value": network.fingerprint()})
        path_numbers = sum(
            p.numel() for n, p in network.named_parameters() if not n.startswith("codes.")
        )
        rows.append({"name": "parameters of the content path", "value": path_numbers})
    return rows


def _code_rows(path: Path) -> list[dict[str, Any]] | None:
    """Return what a style code says, None if the file is none."""
    from safetensors import SafetensorError, safe_open

    from din_style.style_code import StyleCode

    try:
        with safe_open(path, "pt") as file:
            if "din_style" not in (file.metadata() or {}):
                return None
    except (SafetensorError, OSError):
        return None
    code = StyleCode.load(path)
    rows: list[dict[str, Any]] = [
        {"name": "kind", "value": "style code"},
        {"name": "fingerprint of its network", "value": code.fingerprint},
        {"name": "styles", "value": code.batch},
        {"name": "numbers", "value": code.vector().shape[1]},
    ]
    rows += [
        {"name": f"layer {name}", "value": "weight " + "x".join(map(str, layer.weight.shape[1:]))}
        for name, layer in code.layers.items()
    ]
    return rows


@dataclass(frozen=True, kw_only=True)
class Data(Options):
    """Settings of `data`."""

    data: Annotated[Path | None, tyro.conf.Positional] = None
    """Folder or zip archive of pictures; without it the format is shown."""


@refuses
def data(config: Data) -> None:
    """Check a folder of pictures before training, or show the format.

    Every picture is read, and all that cannot be read are named.
    """
    if config.data is None:
        rows = [{"line": line} for line in FORMAT.splitlines()]
        emit(rows if config.json else [{FORMAT.rstrip(): ""}], json=config.json)
        return
    from din_style.config import TrainingConfig
    from din_style.data import open_pictures

    settings = TrainingConfig()
    pictures = open_pictures(config.data, size=settings.size)
    shapes = _shapes(pictures)
    kept, held = pictures.split(settings.validation_share)
    row = {
        "pictures": len(pictures),
        "for training": len(kept),
        "left out for validation": len(held),
        "smallest short side after scaling": min(min(shape) for shape in shapes),
        "largest long side after scaling": max(max(shape) for shape in shapes),
    }
    emit([{"name": name, "value": value} for name, value in row.items()], json=config.json)


def _shapes(pictures: "Pictures") -> list[tuple[int, ...]]:
    """Return height and width of every picture, scaled as training does.

    Raises:
        UserError: some cannot be read; all of them are named.
    """
    shapes, damaged = [], []
    for index in range(len(pictures)):
        try:
            shapes.append(pictures.read(index).shape[:2])
        except UserError as error:
            damaged.append(str(error).rstrip("."))
    if damaged:
        raise UserError(
            f"{len(damaged)} of {len(pictures)} pictures cannot be used: {'; '.join(damaged)}."
        )
    return shapes
