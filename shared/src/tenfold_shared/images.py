"""Pictures from and to files: float32 in [0, 1], (channels, height, width), read within limits."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
LIMIT_MEGAPIXELS = 50.0

_DECODING_ERRORS = (
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    Image.DecompressionBombError,
)
# ITU-R BT.601, the weights that Pillow, JPEG and OpenCV use.
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_MODES_16_BIT = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def read_image(
    path: Path,
    *,
    color: Literal["rgb", "gray"] = "rgb",
    limit_megapixels: float = LIMIT_MEGAPIXELS,
) -> NDArray[np.float32]:
    """Read a picture: PNG, JPEG, TIFF, BMP, GIF, WEBP or PPM, of which the first frame.

    Rotation from EXIF is applied, 16 bits of gray are kept (16-bit color is read to 8 bits),
    palettes and CMYK become RGB, and transparent pixels are laid over white.

    Args:
        path: The file.
        color: `rgb` for three channels, `gray` for one (luminance).
        limit_megapixels: Largest picture to decode; the header is checked before any pixel is read.

    Returns:
        Array of shape (3 or 1, height, width) in [0, 1].

    Raises:
        UserError: The file is missing, damaged, too large or of another kind.
    """
    if color not in ("rgb", "gray"):
        raise ValueError(f"color must be rgb or gray, got {color!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata is no reason to talk to the user
        try:
            with Image.open(path, formats=FORMATS) as image:
                _check_size(path, image.size, limit_megapixels)
                pixels = _to_float(path, ImageOps.exif_transpose(image))
        except FileNotFoundError as error:
            raise UserError(f"{path} does not exist; check the path.") from error
        except UnidentifiedImageError as error:
            kinds = ", ".join(FORMATS)
            raise UserError(f"{path} is not a picture ({kinds} can be read).") from error
        except _DECODING_ERRORS as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"{path} cannot be read as a picture: {reason}.") from error
    if color == "gray":
        return pixels if len(pixels) == 1 else np.tensordot(_LUMINANCE, pixels, 1)[None]
    return pixels if len(pixels) == 3 else np.repeat(pixels, 3, axis=0)


def write_image(path: Path, image: Any) -> None:
    """Write a picture atomically with 8 bits per channel; the suffix chooses the format.

    Args:
        path: A file name ending in .png, .jpg, .tif, .bmp, .gif or .webp.
        image: Array or CPU tensor of shape (1 or 3, height, width); values are clipped to [0, 1].

    Raises:
        ValueError: Wrong shape, an unknown suffix, or values that are not finite.
        UserError: The file cannot be written.
    """
    array = np.asarray(image, dtype=np.float32)
    if array.ndim != 3 or array.shape[0] not in (1, 3) or 0 in array.shape:
        raise ValueError(f"image must be (1 or 3, height, width), got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("image must be finite, got NaN or infinity; clean it with np.nan_to_num")
    file_format = Image.registered_extensions().get(path.suffix.lower(), "")
    if file_format not in FORMATS:
        raise ValueError(
            f"cannot write a picture named {path.name!r}; end the name in .png or .jpg"
        )
    pixels = np.round(np.clip(array, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
    quality = {"quality": 95} if file_format in ("JPEG", "WEBP") else {}
    with atomic_path(path) as temporary:
        picture.save(temporary, format=file_format, **quality)


def image_grid(
    images: Sequence[NDArray[np.float32]],
    *,
    columns: int | None = None,
    padding: int = 2,
    background: float = 1.0,
) -> NDArray[np.float32]:
    """Lay pictures of one shape out in rows, left to right, top to bottom.

    Args:
        images: Arrays of shape (channels, height, width), all alike.
        columns: Pictures per row; None makes the grid about square.
        padding: Pixels between pictures and around them.
        background: Value of the padding and of empty cells.

    Returns:
        One picture of shape (channels, grid height, grid width).

    Raises:
        ValueError: No pictures, or pictures of different shapes.
    """
    shapes = {np.shape(image) for image in images}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        raise ValueError(
            f"images must be one or more arrays of one shape (channels, height, width), "
            f"got {sorted(shapes)}; resize them first"
        )
    channels, height, width = next(iter(shapes))
    columns = math.ceil(math.sqrt(len(images))) if columns is None else columns
    if columns < 1 or padding < 0:
        raise ValueError(
            f"columns must be at least 1 and padding at least 0, got {columns=} {padding=}"
        )
    rows = math.ceil(len(images) / columns)
    step_y, step_x = height + padding, width + padding
    shape = (channels, rows * step_y + padding, columns * step_x + padding)
    grid = np.full(shape, background, dtype=np.float32)
    for index, image in enumerate(images):
        top = padding + index // columns * step_y
        left = padding + index % columns * step_x
        grid[:, top : top + height, left : left + width] = image
    return grid


def _check_size(path: Path, size: tuple[int, int], limit_megapixels: float) -> None:
    """Refuse an empty picture and one beyond the limit, from its header alone."""
    width, height = size
    if width < 1 or height < 1:
        raise UserError(f"{path} is an empty picture ({width} x {height}).")
    if width * height > limit_megapixels * 1e6:
        raise UserError(
            f"{path} has {width} x {height} pixels, more than the limit of {limit_megapixels:g} "
            "megapixels; shrink it or raise the limit."
        )


def _to_float(path: Path, image: Image.Image) -> NDArray[np.float32]:
    """Decode to float32 in [0, 1] of shape (1 or 3, height, width)."""
    if image.mode in _MODES_16_BIT:
        values = np.asarray(image, dtype=np.float32)
        if values.min() < 0 or values.max() > 65535:
            raise UserError(f"{path} holds integers beyond 16 bits; save it with 8 or 16 bits.")
        return values[None] / np.float32(65535)  # convert("RGB") would saturate instead of scaling
    if image.mode == "F":
        values = np.asarray(image, dtype=np.float32)
        if not (values.min() >= 0 and values.max() <= 1):  # also refuses NaN
            raise UserError(f"{path} holds decimal numbers outside 0 to 1; scale them first.")
        return values[None]
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    image = image.convert("L" if image.mode in ("1", "L") else "RGB")
    array = np.asarray(image, dtype=np.float32) / np.float32(255)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(np.moveaxis(array, -1, 0))
