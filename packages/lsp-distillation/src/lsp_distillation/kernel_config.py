"""Which similarity of two embeddings makes the local structure; nothing heavy is imported here."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

KernelName = Literal["euclidean", "linear", "polynomial", "rbf", "gaussian", "laplacian", "cosine"]
Direction = Literal["teacher", "student"]

WITH_BANDWIDTH: tuple[KernelName, ...] = ("rbf", "gaussian", "laplacian")
"""Kernels of a distance divided by a bandwidth."""

UNBOUNDED: tuple[KernelName, ...] = ("euclidean", "linear", "polynomial")
"""Kernels that are one-hot on wide embeddings unless they are normalized."""


@dataclass(frozen=True, kw_only=True)
class KernelConfig:
    """SIM of arXiv:2003.10477 between the embeddings a and b of two neighbors.

    - euclidean: ``sign * |a - b|^2 / m``
    - linear: ``a . b / m``
    - polynomial: ``(a . b + offset)^degree / m``
    - rbf: ``exp(-|a - b|^2 / (2 bandwidth^2))``
    - gaussian: ``-|a - b|^2 / (2 bandwidth^2)``
    - laplacian: ``exp(-|a - b|_1 / bandwidth)``; with bandwidth 100 what the released code runs
    - cosine: ``a . b / (|a| |b|)``, 0 for a zero embedding

    m is the mean magnitude over the edges, a constant under differentiation, or 1 without `normalize`.

    Raises:
        ValueError: A field is out of its range.
    """

    name: KernelName = "rbf"
    """Which similarity."""
    bandwidth: float | Literal["auto"] = "auto"
    """Of rbf, gaussian, laplacian. auto: from the edges of each embedding, so that a bandwidth fits its scale: the
    square is half the mean squared distance (rbf, gaussian), or it is the mean absolute distance (laplacian)."""
    sign: Literal[-1, 1] = -1
    """Of euclidean: -1 makes near neighbors similar, +1 is the formula as printed."""
    degree: int = 2
    """Of polynomial."""
    offset: float = 0.0
    """Of polynomial."""
    normalize: bool = True
    """Divide the unbounded kernels (euclidean, linear, polynomial) by their mean magnitude over the edges."""

    def __post_init__(self) -> None:
        if self.name not in get_args(KernelName):
            raise ValueError(
                f"kernel must be one of {', '.join(get_args(KernelName))}; got {self.name!r}"
            )
        if self.bandwidth != "auto" and not _is_positive(self.bandwidth):
            raise ValueError(
                f"bandwidth must be a positive finite number or 'auto', got {self.bandwidth!r}"
            )
        if self.sign not in (-1, 1):
            raise ValueError(f"sign must be -1 (near is similar) or 1, got {self.sign!r}")
        if not isinstance(self.degree, int) or self.degree < 1:
            raise ValueError(f"degree must be a whole number of at least 1, got {self.degree!r}")
        if not math.isfinite(self.offset):
            raise ValueError(f"offset must be finite, got {self.offset!r}")


def _is_positive(value: object) -> bool:
    """Whether it is a positive finite number."""
    return isinstance(value, int | float) and math.isfinite(value) and value > 0
