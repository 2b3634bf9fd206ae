"""What the verbs that stylize have in common: the network, the styles and the controls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tenfold_shared.commands import Options
from tenfold_shared.errors import UserError

if TYPE_CHECKING:
    import torch

    from din_style.controls import Controls
    from din_style.inference import StyleTransfer
    from din_style.pictures import Picture
    from din_style.style_code import StyleCode

CODE_SUFFIX = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class Source(Options):
    """Which network stylizes."""

    weights: str = "fast"
    """`fast` or `mobile`, which are shipped; or a network file or run folder of a training."""

    encoder: str = "compact"
    """What reads styles: `compact`, which is shipped; `vgg`, the VGG-16 of the data folder; or a VGG file."""

    memory_limit: float = 6.0
    """GiB; larger pictures are refused."""

    style_size: int = 256
    """Short side to which style pictures are scaled; smaller ones give larger strokes."""

    def __post_init__(self) -> None:
        """Check the limit."""
        super().__post_init__()
        if not self.memory_limit > 0:
            raise ValueError(f"memory_limit must be positive, got {self.memory_limit}")
        if self.style_size < 32:
            raise ValueError(f"style_size must be at least 32 pixels, got {self.style_size}")


@dataclass(frozen=True, kw_only=True)
class Steering(Source):
    """How it stylizes."""

    style: tuple[Path, ...]
    """Style pictures, style codes (.safetensors), or folders of pictures."""

    mix: tuple[float, ...] = ()
    """Weights that blend all styles into one, such as 1 2."""

    strength: float = 1.0
    """0 returns the content untouched, 1 is the full style."""

    keep_color: Literal["none", "luminance", "histogram", "covariance"] = "none"
    """Keep the content's colors: of the result's brightness, or by giving them to the style before it is read."""

    stroke: float = 1.0
    """Factor of the size of strokes, 0.25 to 4."""

    sphere: bool = False
    """The picture is equirectangular, 360 x 180 degrees."""

    size: int | None = None
    """Short side to which contents are scaled; as they are if missing."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if not self.style:
            raise ValueError("style must name at least one picture or code")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must be in [0, 1], got {self.strength}")
        if not 0.25 <= self.stroke <= 4:
            raise ValueError(f"stroke must be in [0.25, 4], got {self.stroke}")
        if self.size is not None and self.size < 32:
            raise ValueError(f"size must be at least 32 pixels, got {self.size}")
        if self.mix and (min(self.mix) < 0 or not 0 < sum(self.mix) < float("inf")):
            raise ValueError(f"mix must not be negative and not all zero, got {list(self.mix)}")

    def controls(self, stroke: "float | torch.Tensor | None" = None) -> "Controls":
        """Return what the network understands."""
        from din_style.controls import Controls

        return Controls(
            strength=self.strength,
            keep_color=self.keep_color,
            stroke=self.stroke if stroke is None else stroke,
            sphere=self.sphere,
            style_size=self.style_size,
        )


def open_transfer(config: Source) -> "StyleTransfer":
    """Return the network with its encoder."""
    from din_style.inference import StyleTransfer

    return StyleTransfer.load(
        config.weights,
        encoder=config.encoder,
        device=config.device,
        memory_limit_gib=config.memory_limit,
    )


def expand(paths: Sequence[Path]) -> list[Path]:
    """Return files, and the pictures of folders in their place.

    Raises:
        UserError: if a folder holds no pictures, or a path does not exist.
    """
    from din_style.pictures import list_pictures

    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += list_pictures(path)
        elif path.exists():
            found.append(path)
        else:
            raise UserError(f"{path} does not exist; check the path.")
    return found


def refuse_overwriting(targets: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse results that would take the place of what they are made of.

    Raises:
        UserError: if there are such.
    """
    read = {path.resolve() for path in inputs}
    for target in targets:
        if target.resolve() in read:
            raise UserError(f"{target} is read by this command; choose another name with --out.")


def labels(paths: Sequence[Path]) -> list[str]:
    """Return a short name for each path, with the ending where names alone are not unique."""
    stems = [path.stem for path in paths]
    names = [
        stem if stems.count(stem) == 1 else path.name
        for stem, path in zip(stems, paths, strict=True)
    ]
    # The same name in different folders: number them.
    return [
        name if names.count(name) == 1 else f"{name}-{index}" for index, name in enumerate(names)
    ]


def read_content(path: Path, size: int | None) -> "tuple[Picture, tuple[int, int]]":
    """Return a content picture, scaled where the user wants that, and its size before."""
    from din_style.pictures import read_picture

    picture = read_picture(path)
    return picture if size is None else picture.resized(size), picture.size


def read_style(path: Path) -> "StyleCode | torch.Tensor":
    """Return a style code, or a style picture (3, height, width)."""
    if path.suffix.lower() == CODE_SUFFIX:
        from din_style.style_code import StyleCode

        return StyleCode.load(path)
    import torch

    from din_style.pictures import read_picture

    return torch.from_numpy(read_picture(path).pixels)


def code_of_file(transfer: "StyleTransfer", path: Path, controls: "Controls") -> "StyleCode":
    """Return the code of a style file, whatever its kind.

    Raises:
        UserError: if it is the code of another network.
    """
    style = read_style(path)
    try:
        return transfer.code_of(style, controls=controls)
    except ValueError as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}.") from error
