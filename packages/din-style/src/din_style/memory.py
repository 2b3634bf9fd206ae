"""How much memory a picture needs, so that too large ones are refused in a sentence before they fail."""

import math

from din_style.networks import SHRINKING, TransferNetwork
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
_NUMBER_BYTES = 4


def bytes_per_pixel(network: TransferNetwork) -> float:
    """Return the memory that each pixel of a picture in strips takes."""
    trunk = _COPIES * network.config.width / SHRINKING**2
    return (trunk + 3 * _PICTURES) * _NUMBER_BYTES


def estimate_gib(network: TransferNetwork, pixels: int) -> float:
    """Return the memory that a picture in strips takes, in GiB."""
    return (bytes_per_pixel(network) * pixels + _WORKING_MIB * 2**20) / 2**30


def check_memory(
    network: TransferNetwork, height: int, width: int, *, limit_gib: float = LIMIT_GIB
) -> None:
    """Refuse a picture that would take more than the limit.

    Raises:
        UserError: it would; the sentence says which size fits.
    """
    needed = estimate_gib(network, height * width)
    if needed <= limit_gib:
        return
    room = max(0.0, limit_gib * 2**30 - _WORKING_MIB * 2**20)
    scale = math.sqrt(room / bytes_per_pixel(network) / (height * width))
    fitting = math.floor(min(height, width) * scale)
    raise UserError(
        f"A picture of {width} x {height} pixels needs about {needed:.1f} GiB, more than the limit of "
        f"{limit_gib:g}; use --size {fitting}, or raise --memory-limit."
    )
