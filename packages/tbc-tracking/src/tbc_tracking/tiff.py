"""Pages of TIFF files, one at a time and within limits."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold_shared.errors import UserError
from tenfold_shared.images import LIMIT_MEGAPIXELS

LIMIT_PAGES = 1_000_000
"""Pages after which a file is taken for broken or hostile."""

DECODING_ERRORS = (
    Image.DecompressionBombError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,  # includes Pillow's UnidentifiedImageError
    OverflowError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What Pillow raises on damaged TIFF files."""


def open_pages(path: Path, *, decode: bool) -> Iterator[Image.Image]:
    """Yield the pages of a TIFF file; a page is valid until the next one is asked for.

    Args:
        path: the file.
        decode: whether to read the pixels; without it a page only has its size and mode.

    Raises:
        UserError: if the file cannot be read or a page is larger than 50 megapixels.
    """
    page = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no reason to talk to the user
            stack = Image.open(path, formats=("TIFF",))
        with stack:
            while page < LIMIT_PAGES:
                _check_size(stack, path)
                if decode:
                    _quietly(stack.load)
                yield stack
                page += 1
                try:
                    _quietly(lambda number=page: stack.seek(number))
                except EOFError:
                    return
    except DECODING_ERRORS as error:
        raise _damaged(f"Page {page} of {path}", error) from error


def is_numeric(image: Image.Image) -> bool:
    """Return whether a page holds measured numbers (16 bits or decimal) instead of colors."""
    return image.mode == "F" or image.mode.startswith("I")


def page_values(image: Image.Image, *, name: str) -> NDArray[np.float32]:
    """Return the numbers of a page, shape (height, width).

    Raises:
        UserError: if the page holds colors.
    """
    if not is_numeric(image) and image.mode != "L":
        raise UserError(f"{name} holds colors ({image.mode}); save one number per pixel.")
    return np.asarray(image, dtype=np.float32)


def page_colors(image: Image.Image, *, name: str, mode: Literal["L", "RGB"]) -> NDArray[np.float32]:
    """Return the colors of a page from 0 to 255, shape (height, width) or (height, width, 3).

    Raises:
        UserError: if its kind of color cannot be converted.
    """
    try:
        return np.asarray(image.convert(mode), dtype=np.float32)
    except DECODING_ERRORS as error:
        raise _damaged(name, error) from error


def _check_size(page: Image.Image, path: Path) -> None:
    """Refuse a page without pixels or beyond the limit, from its header."""
    if not 0 < page.width * page.height <= LIMIT_MEGAPIXELS * 1e6:
        raise UserError(
            f"{path} has a page of {page.width} x {page.height} pixels; pages may have up to "
            f"{LIMIT_MEGAPIXELS:g} megapixels."
        )


def _quietly(read: Callable[[], object]) -> None:
    """Call `read` without Pillow's warnings about metadata."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read()


def _damaged(name: str, error: Exception) -> UserError:
    """Return the sentence for a page that cannot be decoded."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{name} cannot be read as TIFF ({reason}); save it again.")
