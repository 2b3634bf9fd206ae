"""`info` and `data`: what is in a file, and in a folder of labeled pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tenfold_shared.commands import Options, emit, flat
from tenfold_shared.refusals import refuses

FORMAT = """\
Distilling needs no data. `train` and the scores of `evaluate` take labeled pictures:

  mnist, fashion-mnist, cifar10-subset, camvid   named sets of the data folder (TENFOLD_DATA or --data)
  digits                                         scikit-learn's, always there
  a folder or zip archive                        train/<class>/*.png and test/<class>/*.png, or <class>/*.png
  a folder or zip archive of pixels              train/, trainannot/, val/, valannot/, test/, testannot/
  a folder of IDX files                          as MNIST's, plain or gzip; CIFAR's binary files

Validation pictures are cut from the training part, unless the set has its own.
"""


@dataclass(frozen=True, kw_only=True)
class Info(Options):
    """Settings of `info`."""

    checkpoint: Annotated[Path | None, tyro.conf.Positional] = None
    """Model file, state of a run (.safetensors) or run folder; without it, networks that have a name are listed."""


@refuses
def info(config: Info) -> None:
    """Tell what is in a file, or which networks have a name."""
    if config.checkpoint is None:
        from dfad_distillation.registry import describe_networks

        emit(describe_networks(), json=config.json)
        return
    from dfad_distillation.model_files import PACKAGE
    from tenfold_shared.checkpoints import load_checkpoint

    path = _file(config.checkpoint)
    checkpoint = load_checkpoint(path, package=PACKAGE)
    rows = [{"name": "file", "value": str(path)}]
    rows += [{"name": name, "value": value} for name, value in flat(checkpoint.metadata)]
    rows += [
        {"name": f"numbers in {name}", "value": sum(tensor.numel() for tensor in model.values())}
        for name, model in checkpoint.models.items()
    ]
    emit(rows, json=config.json)


def _file(path: Path) -> Path:
    """Return the most finished file of a run folder, or the file itself."""
    from dfad_distillation.model_files import STUDENT_FILE, TEACHER_FILE
    from tenfold_shared.runs import CHECKPOINT_NAME

    if not path.is_dir():
        return path
    names = (STUDENT_FILE, TEACHER_FILE, CHECKPOINT_NAME)
    found = [path / name for name in names if (path / name).exists()]
    return found[0] if found else path / CHECKPOINT_NAME


@dataclass(frozen=True, kw_only=True)
class Data(Options):
    """Settings of `data`."""

    pictures: Annotated[str | None, tyro.conf.Positional] = None
    """Named set, folder or archive; without it the format is shown."""

    data: Path | None = None
    """Data folder of named sets, if not that of TENFOLD_DATA."""


@refuses
def data(config: Data) -> None:
    """Read labeled pictures whole and count them, or show the format."""
    if config.pictures is None:
        rows = [{"line": line} for line in FORMAT.splitlines()]
        emit(rows if config.json else [{FORMAT.rstrip(): ""}], json=config.json)
        return
    from dfad_distillation.data import open_labeled

    rows = []
    for part in ("train", "validation", "test"):
        pictures = open_labeled(config.pictures, part, data=config.data)
        values = pictures.images.double() / 255
        rows.append(
            {
                "part": part,
                "pictures": len(pictures),
                "shape": "x".join(map(str, pictures.images.shape[1:])),
                "classes": len(pictures.classes),
                "labels of": "pictures" if pictures.task == "classification" else "pixels",
                "mean": float(values.mean()),
                "std": float(values.std()),
            }
        )
    emit(rows, json=config.json)
