"""How much memory a picture needs, so that too large ones are refused in a sentence before they fail."""

import math

from din_style.networks import SHRINKING, TransferNetwork
from din_style.pictures import SMALLEST_SIDE
from tenfold_shared.errors import UserError

LIMIT_GIB = 6.0
"""Unless the user says otherwise."""
STRIPS_FROM = 1_500_000
"""Pixels from which a picture goes in strips; below, the whole network at once is faster."""
_WORKING_MIB = 300
"""What a strip and the libraries take."""
_COPIES = 7
"""Features of a residual block that exist at one time, measured as 5 to 7."""
_PICTURES = 5
"""Copies of the picture itself: content, padded, result, blend."""
_MASKS = 4
"""Copies of each mask: as given, stacked, as shares, padded."""
_STYLE_PIXEL_BYTES = 1200
"""What each pixel of a style takes; measured as 760 in the compact encoder and 990 in VGG."""
_NUMBER_BYTES = 4


def bytes_per_pixel(network: TransferNetwork, *, masks: int = 0) -> float:
    """Return the memory that each pixel of a picture in strips takes."""
    trunk = _COPIES * network.config.width / SHRINKING**2
    return (trunk + 3 * _PICTURES + _MASKS * masks) * _NUMBER_BYTES


def estimate_gib(network: TransferNetwork, pixels: int, *, masks: int = 0) -> float:
    """Return the memory that a picture in strips takes, in GiB."""
    return _gib(bytes_per_pixel(network, masks=masks), pixels)


def check_memory(
    network: TransferNetwork,
    height: int,
    width: int,
    *,
    limit_gib: float = LIMIT_GIB,
    masks: int = 0,
) -> None:
    """Refuse a picture that would take more than the limit.

    Raises:
        UserError: it would; the sentence says which size fits.
    """
    each = bytes_per_pixel(network, masks=masks)
    _refuse_above(limit_gib, each, height, width, what="picture", option="--size")


def check_style_memory(height: int, width: int, *, limit_gib: float = LIMIT_GIB) -> None:
    """Refuse a style whose encoding would take more than the limit.

    Args:
        height: after it was scaled to `style_size`, as is `width`.
        width: in pixels.
        limit_gib: what is allowed.

    Raises:
        UserError: it would; the sentence says which size fits.
    """
    _refuse_above(limit_gib, _STYLE_PIXEL_BYTES, height, width, what="style", option="--style-size")


def _gib(each: float, pixels: int) -> float:
    """Return what so many pixels take beside what everything takes, in GiB."""
    return (each * pixels + _WORKING_MIB * 2**20) / 2**30


def _refuse_above(
    limit_gib: float, each: float, height: int, width: int, *, what: str, option: str
) -> None:
    """Refuse what takes more than the limit, with the short side that fits if one does."""
    needed = _gib(each, height * width)
    if needed <= limit_gib:
        return
    room = max(0.0, limit_gib * 2**30 - _WORKING_MIB * 2**20)
    fitting = math.floor(min(height, width) * math.sqrt(room / each / (height * width)))
    smaller = f"use {option} {fitting}, or raise" if fitting >= SMALLEST_SIDE else "raise"
    raise UserError(
        f"A {what} of {width} x {height} pixels needs about {needed:.1f} GiB, more than the limit of "
        f"{limit_gib:g}; {smaller} --memory-limit."
    )
