"""Pictures of users from and to files: every common mode, transparency kept, colors in sRGB.

What is read becomes sRGB by its ICC profile and is turned as EXIF says; both are not written again. Transparent
pixels are laid over white, and the transparency itself is kept for the result.
"""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path
from tenfold_shared.images import FORMATS

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Endings that folders are searched for, in lower case; any case is taken."""
WRITTEN = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
"""Endings that can be written, in lower case."""
LIMIT_MEGAPIXELS = 100.0
SMALLEST_SIDE = 32
"""Pixels; below, statistics of a feature map are of a few values."""
QUALITY = 95

_DAMAGE = (
    OSError, ValueError, SyntaxError, TypeError, IndexError, KeyError, OverflowError, MemoryError,
    Image.DecompressionBombError, ImageCms.PyCMSError,
)  # fmt: skip
_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


class Picture(NamedTuple):
    """A picture that was read."""

    pixels: Float[np.ndarray, "3 height width"]
    """sRGB in [0, 1], laid over white where transparent."""
    alpha: Float[np.ndarray, "1 height width"] | None = None
    """Opacity in [0, 1]; None if all is opaque."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[1], self.pixels.shape[2]

    def resized(self, short_side: int) -> "Picture":
        """Return the picture with a shorter side of so many pixels (Lanczos).

        Raises:
            ValueError: if it would have more than 100 megapixels.
        """
        height, width = self.size
        scale = short_side / min(height, width)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        if size[0] * size[1] > LIMIT_MEGAPIXELS * 1e6:
            raise ValueError(
                f"size must leave at most {LIMIT_MEGAPIXELS:g} megapixels, got {short_side} for a picture "
                f"of {width} x {height}, which would become {size[1]} x {size[0]}; take a smaller one"
            )
        alpha = None if self.alpha is None else resize(self.alpha, size)
        return Picture(resize(self.pixels, size), alpha)


def read_picture(
    path: Path | str,
    *,
    limit_megapixels: float = LIMIT_MEGAPIXELS,
    smallest_side: int = SMALLEST_SIDE,
) -> Picture:
    """Read a picture: PNG, JPEG, TIFF, BMP, GIF, WebP or PPM, of which the first frame.

    Gray, palette, RGBA, CMYK and 16-bit gray are understood; 16-bit color is read to 8 bits.

    Args:
        path: the file.
        limit_megapixels: the largest picture that is decoded; the header is checked first.
        smallest_side: fewest pixels on a side.

    Raises:
        UserError: if the file is missing, damaged, no picture, too small or too large.
    """
    path = Path(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata is no reason to talk to the user
        try:
            with Image.open(path, formats=FORMATS) as image:
                _check_size(path, image.size, limit_megapixels, smallest_side)
                picture = _decode(path, image)
        except FileNotFoundError as error:
            raise UserError(f"{path} does not exist; check the path.") from error
        except IsADirectoryError as error:
            raise UserError(f"{path} is a folder; name a picture.") from error
        except UnidentifiedImageError as error:
            kinds = ", ".join(FORMATS)
            raise UserError(f"{path} is not a picture ({kinds} can be read).") from error
        except _DAMAGE as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"{path} cannot be read as a picture: {reason}.") from error
    return picture


def read_mask(
    path: Path | str, size: tuple[int, int], *, before: tuple[int, int] | None = None
) -> Float[np.ndarray, "height width"]:
    """Read a mask: a map, see `read_map`, that selects at least one pixel.

    Raises:
        UserError: if the file cannot be read, has another size or selects no pixel.
    """
    values = read_map(path, size, before=before)
    if values.max() < 0.5 / 255:
        raise UserError(f"{path} selects no pixel; paint white where the style shall be.")
    return values


def read_map(
    path: Path | str, size: tuple[int, int], *, before: tuple[int, int] | None = None
) -> Float[np.ndarray, "height width"]:
    """Read shares from 0 to 1: the brightness of a picture of the content's size; opacity if there is any.

    Args:
        path: the file.
        size: height and width of the content.
        before: the same before the content was scaled; a map of that size is scaled along.

    Raises:
        UserError: if the file cannot be read or has another size.
    """
    picture = read_picture(path, smallest_side=1)
    if picture.size not in (size, before):
        height, width = before or size
        raise UserError(
            f"{path} has {picture.size[1]} x {picture.size[0]} pixels, but the content has "
            f"{width} x {height}; make them alike."
        )
    values = picture.pixels.mean(0) if picture.alpha is None else picture.alpha[0]
    return values if picture.size == size else resize(values[None], size)[0]


def write_picture(
    path: Path,
    pixels: NDArray[np.float32],
    *,
    alpha: NDArray[np.float32] | None = None,
    quality: int = QUALITY,
) -> None:
    """Write a picture atomically, 8 bits a channel, sRGB without profile; the suffix chooses the format.

    Args:
        path: ends in .png, .jpg, .tif, .webp or .bmp.
        pixels: (3, height, width); clipped to [0, 1].
        alpha: opacity (1, height, width), dropped where the format has none (JPEG, BMP).
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        ValueError: if the suffix is unknown, the quality out of range or a value not finite.
        UserError: if the file cannot be written.
    """
    suffix = check_suffix(path)
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be between 1 and 100, got {quality}")
    if not np.isfinite(pixels).all():
        raise ValueError("pixels must be finite, got NaN or infinity")
    channels = [pixels]
    if alpha is not None and suffix not in (".jpg", ".jpeg", ".bmp"):
        channels.append(alpha)
    values = np.round(np.clip(np.concatenate(channels), 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(values, 0, -1)))
    file_format = Image.registered_extensions()[suffix]
    settings = {"quality": quality} if file_format in ("JPEG", "WEBP") else {}
    if file_format == "JPEG":
        settings["subsampling"] = 0  # strokes of color are what this is about
    with atomic_path(path) as temporary:
        image.save(temporary, format=file_format, **settings)


def check_suffix(path: Path) -> str:
    """Return the ending in lower case.

    Raises:
        ValueError: if no picture can be written under that name.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise ValueError(
            f"cannot write a picture named {path.name!r}; end the name in .png or .jpg"
        )
    return suffix


def list_pictures(folder: Path) -> list[Path]:
    """Return the visible pictures of a folder, sorted by name.

    Raises:
        UserError: if there are none.
    """
    try:
        files = sorted(
            file
            for file in folder.iterdir()
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        )
    except OSError as error:
        raise UserError(f"{folder} cannot be listed: {error.strerror}; check the path.") from error
    if not files:
        raise UserError(f"{folder} holds no pictures ({', '.join(SUFFIXES)}); check the path.")
    return files


def resize(
    image: NDArray[np.float32], size: Sequence[int]
) -> Float[np.ndarray, "channels new_height new_width"]:
    """Return (channels, height, width) scaled to a height and width (Lanczos), clipped to [0, 1]."""
    shape = (int(size[1]), int(size[0]))
    planes = [
        np.asarray(Image.fromarray(plane).resize(shape, Image.Resampling.LANCZOS))
        for plane in np.ascontiguousarray(image, np.float32)
    ]
    return np.clip(np.stack(planes), 0, 1)


def _check_size(
    path: Path, size: tuple[int, int], limit_megapixels: float, smallest_side: int
) -> None:
    """Refuse what is too small or too large, from the header alone."""
    width, height = size
    if min(width, height) < smallest_side:
        raise UserError(
            f"{path} has {width} x {height} pixels; both sides must have at least {smallest_side}."
        )
    if width * height > limit_megapixels * 1e6:
        raise UserError(
            f"{path} has {width} x {height} pixels, more than the limit of {limit_megapixels:g} "
            "megapixels; shrink it."
        )


def _decode(path: Path, image: Image.Image) -> Picture:
    """Return the pixels of an open file."""
    profile = image.info.get("icc_profile")
    turned = ImageOps.exif_transpose(image)
    if turned.mode in _SIXTEEN_BITS or turned.mode == "F":
        return Picture(np.repeat(_single_channel(path, turned), 3, axis=0))
    alpha = None
    if turned.has_transparency_data:
        turned = turned.convert("RGBA")
        opacity = np.asarray(turned.getchannel("A"), np.float32)[None] / np.float32(255)
        alpha = opacity if opacity.min() < 1 else None
        color = _to_srgb(turned.convert("RGB"), profile)
    else:
        color = _to_srgb(turned, profile)
    pixels = np.moveaxis(np.asarray(color, np.float32) / np.float32(255), -1, 0)
    if alpha is not None:
        pixels = pixels * alpha + (1 - alpha)
    return Picture(np.ascontiguousarray(pixels), alpha)


def _single_channel(path: Path, image: Image.Image) -> NDArray[np.float32]:
    """Return 16-bit or decimal gray in [0, 1], (1, height, width)."""
    values = np.asarray(image, dtype=np.float32)
    top = 1 if image.mode == "F" else 65535
    if not (values.min() >= 0 and values.max() <= top):  # also refuses NaN
        raise UserError(f"{path} has values outside 0 to {top}; scale them to that range.")
    return (values / np.float32(top))[None]


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return RGB, converted by the profile where it is sound and fits the mode."""
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = (
                None  # a damaged profile, or one of another color space: as if there was none
            )
        if converted is not None:
            return converted
    return image.convert("RGB")
