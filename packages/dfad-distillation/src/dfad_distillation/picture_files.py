"""Pictures and masks of a folder or a zip archive, as arrays of one size."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold_shared.errors import UserError
from tenfold_shared.images import read_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm")
"""File names that are read, in any case."""
_ARCHIVE_ERRORS = (
    zipfile.BadZipFile, KeyError, OSError, EOFError, RuntimeError, NotImplementedError, ValueError,
)  # fmt: skip
_LIMIT_BYTES = 2**28  # of one file in an archive, unpacked
_LIMIT_MEGAPIXELS = 50


class PictureFiles:
    """The files of a folder (with its subfolders) or of a zip archive.

    Args:
        source: Folder or archive.

    Raises:
        UserError: It is missing, damaged, or neither of both.
    """

    def __init__(self, source: Path) -> None:
        self.source = Path(source)
        if self.source.is_dir():
            paths = (path for path in self.source.rglob("*") if path.is_file())
            names = [path.relative_to(self.source).as_posix() for path in paths]
        elif self.source.is_file():
            try:
                with zipfile.ZipFile(self.source) as archive:
                    names = archive.namelist()
            except _ARCHIVE_ERRORS as error:
                raise UserError(
                    f"{source} is neither a folder nor a zip archive of pictures; fetch it again."
                ) from error
        else:
            raise UserError(f"{source} does not exist; pass a folder or a zip archive of pictures.")
        self.names = tuple(sorted(name for name in names if not name.endswith("/")))
        """Paths inside of the source, sorted."""

    @property
    def pictures(self) -> tuple[str, ...]:
        """Return the names of pictures."""
        return tuple(name for name in self.names if name.lower().endswith(SUFFIXES))

    def read_text(self, name: str) -> str:
        """Return the content of a text file.

        Raises:
            UserError: It cannot be read.
        """
        (content,) = [file.read() for _, file in self._open([name])]
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self.source}/{name} is no text in UTF-8; save it as such."
            ) from error

    def read_pictures(
        self, names: Sequence[str], *, size: tuple[int, int] | None, channels: int
    ) -> NDArray[np.uint8]:
        """Return pictures, (count, channels, height, width).

        Args:
            names: Which ones.
            size: Height and width to resize to (bilinear); None needs pictures of one size.
            channels: 1 for gray, 3 for RGB.

        Raises:
            UserError: A file is damaged, or the sizes differ and none is given.
            ValueError: Another number of channels.
        """
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 (gray) or 3 (RGB), got {channels}")
        pictures: list[NDArray[np.uint8]] = []
        for name, file in self._open(names):
            pixels = read_image(cast("Path", file), color="gray" if channels == 1 else "rgb")
            array = np.round(pixels * 255).astype(np.uint8)
            self._check_size(name, array.shape[1:], pictures, size)
            pictures.append(array if size is None else _resized(array, size))
        return np.stack(pictures)

    def read_masks(
        self, names: Sequence[str], *, size: tuple[int, int] | None
    ) -> NDArray[np.uint8]:
        """Return masks of class numbers, (count, height, width), resized to the nearest pixel.

        Raises:
            UserError: A file is damaged or holds colors instead of numbers, or the sizes differ.
        """
        masks: list[NDArray[np.uint8]] = []
        for name, file in self._open(names):
            mask = self._read_mask(name, file)
            self._check_size(name, mask.shape, masks, size)
            if size is not None and mask.shape != size:
                image = Image.fromarray(mask)
                mask = np.asarray(image.resize((size[1], size[0]), Image.Resampling.NEAREST))
            masks.append(mask)
        return np.stack(masks)

    def _read_mask(self, name: str, file: IO[bytes]) -> NDArray[np.uint8]:
        """Return one mask: the numbers of a palette, not its colors."""
        try:
            with Image.open(file) as image:
                if image.width * image.height > _LIMIT_MEGAPIXELS * 1e6:
                    raise UserError(f"{self.source}/{name} has more than 50 megapixels; shrink it.")
                if image.mode not in ("L", "P", "1"):
                    raise UserError(
                        f"{self.source}/{name} holds colors ({image.mode}); a mask holds one class "
                        "number per pixel, gray or with a palette, 255 where it is unknown."
                    )
                return np.array(image, dtype=np.uint8)
        except (SyntaxError, Image.DecompressionBombError, *_ARCHIVE_ERRORS) as error:
            raise UserError(f"{self.source}/{name} cannot be read as a mask.") from error

    def _check_size(
        self, name: str, found: Sequence[int], before: Sequence[Any], size: tuple[int, int] | None
    ) -> None:
        """Refuse pictures of several sizes unless they are going to be resized."""
        if size is None and before and tuple(before[0].shape[-2:]) != tuple(found):
            raise UserError(
                f"{self.source}/{name} is {found[0]} x {found[1]} and others are "
                f"{before[0].shape[-2]} x {before[0].shape[-1]}; pass a size."
            )

    def _open(self, names: Sequence[str]) -> Iterator[tuple[str, IO[bytes]]]:
        """Yield the content of files; messages call them by their names."""
        with ExitStack() as stack:
            archive = None
            if not self.source.is_dir():
                archive = stack.enter_context(zipfile.ZipFile(self.source))
            for name in names:
                try:
                    if archive is None:
                        content = (self.source / name).read_bytes()
                    elif archive.getinfo(name).file_size > _LIMIT_BYTES:
                        raise UserError(f"{self.source}/{name} is larger than 256 MiB; not read.")
                    else:
                        content = archive.read(name)
                except Exception as error:
                    # zlib and the decoders of zip raise a dozen kinds on damaged archives.
                    if isinstance(error, UserError):
                        raise
                    raise UserError(
                        f"{self.source}/{name} cannot be read ({error}); fetch it again."
                    ) from error
                yield name, _Member(content, f"{self.source}/{name}")


class _Member(io.BytesIO):
    """The content of a file that calls itself by its name in messages."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self._name = name

    def __str__(self) -> str:
        return self._name


def _resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture (channels, height, width) in another size."""
    if pixels.shape[1:] == size:
        return pixels
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
    array = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return array[None] if array.ndim == 2 else np.ascontiguousarray(np.moveaxis(array, -1, 0))
