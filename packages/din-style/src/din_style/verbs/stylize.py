"""`stylize`: pictures in styles."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from din_style.verbs.sources import (
    Steering,
    code_of_file,
    expand,
    labels,
    open_transfer,
    read_content,
    read_style,
    refuse_overwriting,
)
from tenfold_shared.commands import emit
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    import torch

    from din_style.controls import Controls
    from din_style.inference import StyleTransfer
    from din_style.pictures import Picture
    from din_style.style_code import StyleCode


@dataclass(frozen=True, kw_only=True)
class Stylize(Steering):
    """Settings of `stylize`."""

    content: Annotated[Path, tyro.conf.Positional]
    """Picture, or folder of pictures."""

    mask: tuple[Path, ...] = ()
    """Pictures of the content's size, one for each style: white where the style shall be; scaled with it by --size."""

    stroke_map: Path | None = None
    """Picture of the content's size: strokes grow from 1 (black) to --stroke (white)."""

    quality: int = 95
    """Of JPEG and WebP, 1 to 100."""

    def __post_init__(self) -> None:
        """Check what cannot be meant together."""
        super().__post_init__()
        if self.mix and self.mask:
            raise ValueError("styles are either mixed or placed by masks, got --mix and --mask")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality must be between 1 and 100, got {self.quality}")


@dataclass(frozen=True)
class _Group:
    """Styles that make one result together."""

    label: str
    paths: list[Path]
    codes: "list[StyleCode] | None"
    """None where a style takes the content's colors before it is read."""


@refuses
def stylize(config: Stylize) -> None:
    """Stylize a picture or a folder of pictures.

    --out is the picture to write (.png, .jpg, .tif, .webp), or a folder (default: stylized) for
    <content>__<style>.png. Several styles give several results, unless --mix or --mask joins them.
    Colors are written as sRGB; orientation is applied; EXIF and ICC profiles are not kept.
    """
    from din_style.pictures import write_picture

    contents = expand([config.content])
    styles = expand(config.style)
    targets = _targets(config, contents, styles)
    inputs = [*contents, *styles, *config.mask, *filter(None, [config.stroke_map])]
    refuse_overwriting((target for names in targets for target in names), inputs)
    first = read_content(contents[0], config.size)  # if it is damaged, say so before all else
    transfer = open_transfer(config)
    controls = config.controls()
    groups = list(_groups(config, transfer, controls, styles))
    rows: list[dict[str, Any]] = []
    for index, (content_path, names) in enumerate(zip(contents, targets, strict=True)):
        picture, before = read_content(content_path, config.size) if index else first
        for group, target in zip(groups, names, strict=True):
            start = time.process_time()
            result = _stylize_one(config, transfer, picture, group, before)
            spent = time.process_time() - start
            write_picture(target, result.numpy(), alpha=picture.alpha, quality=config.quality)
            height, width = picture.size
            rows.append(
                {
                    "content": content_path.name, "style": group.label, "file": str(target),
                    "width": width, "height": height, "cpu_seconds": spent,
                }
            )  # fmt: skip
    emit(rows, json=config.json)


def _joins(config: Stylize) -> bool:
    """Tell whether all styles make one result."""
    return bool(config.mix or config.mask)


def _targets(config: Stylize, contents: Sequence[Path], styles: Sequence[Path]) -> list[list[Path]]:
    """Return the file of each content and group of styles, before anything is computed."""
    from din_style.pictures import WRITTEN, check_suffix

    for name, values in (("mix", config.mix), ("mask", config.mask)):
        if values and len(values) != len(styles):
            raise ValueError(
                f"{name} needs one value per style, got {len(values)} for {len(styles)} styles"
            )
    names = ["+".join(labels(styles))] if _joins(config) else labels(styles)
    out = config.out or Path("stylized")
    single = len(contents) == len(names) == 1 and not config.content.is_dir()
    if out.suffix.lower() in WRITTEN and not out.is_dir():
        if not single:
            raise ValueError(
                f"{len(contents) * len(names)} results go into a folder, got the file {out.name!r}"
            )
        return [[out]]
    if out.suffix and single and not out.is_dir():
        check_suffix(out)
    return [[out / f"{content}__{name}.png" for name in names] for content in labels(contents)]


def _groups(
    config: Stylize, transfer: "StyleTransfer", controls: "Controls", styles: Sequence[Path]
) -> Iterator[_Group]:
    """Yield the styles of each result, encoded once."""
    late = controls.keep_color in ("histogram", "covariance")
    codes = None if late else [code_of_file(transfer, path, controls) for path in styles]
    if _joins(config):
        yield _Group("+".join(labels(styles)), list(styles), codes)
        return
    for index, (label, path) in enumerate(zip(labels(styles), styles, strict=True)):
        yield _Group(label, [path], None if codes is None else [codes[index]])


def _stylize_one(
    config: Stylize,
    transfer: "StyleTransfer",
    picture: "Picture",
    group: _Group,
    before: tuple[int, int],
) -> "torch.Tensor":
    """Return one result; `before` is the size of the picture before it was scaled."""
    import torch

    from din_style.pictures import read_map, read_mask

    content = torch.from_numpy(picture.pixels)[None].to(transfer.device)
    stroke = None
    if config.stroke_map is not None:
        shares = torch.from_numpy(read_map(config.stroke_map, picture.size, before=before))
        stroke = 1 + shares * (config.stroke - 1)
    controls = config.controls(stroke)
    codes = group.codes or [
        transfer.code_of(read_style(path), controls=controls, content=content)
        for path in group.paths
    ]
    masks = [torch.from_numpy(read_mask(path, picture.size, before=before)) for path in config.mask]
    return transfer.apply(
        content, codes, controls=controls, mix_weights=config.mix or None, masks=masks or None
    )
