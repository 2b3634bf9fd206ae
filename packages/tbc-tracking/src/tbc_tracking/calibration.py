"""Calibration of counts: a factor, possibly growing with the row, under which maps sum to what is there."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tbc_tracking.training_config import CALIBRATION_LIMITS, CalibrationKind

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The factor on density at map row y: scale + slope * y, within `CALIBRATION_LIMITS`."""

    scale: float = 1.0
    """Factor at row 0."""
    slope: float = 0.0
    """Its growth per row of the map."""

    def at(self, row: int) -> float:
        """Return the factor that is applied in a row of the map."""
        return float(np.clip(self.scale + self.slope * row, *CALIBRATION_LIMITS))

    def factors(self, maps: Tensor) -> Tensor:
        """Return the factor of each row of maps (..., rows, columns), shape (rows, 1)."""
        rows = torch.arange(maps.shape[-2], device=maps.device, dtype=maps.dtype)
        return (self.scale + self.slope * rows).clamp(*CALIBRATION_LIMITS)[:, None]


def fit_calibration(
    kind: CalibrationKind, rows: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> Calibration:
    """Fit the factor on frames that the network has not learned from.

    `scale` makes the sums over all frames agree: a sum F = sum D. `rows` also makes their first moments
    over the rows agree: sum (a + b y) F = sum D and sum (a + b y) y F = sum y D, two linear equations.

    Args:
        kind: `none`, `scale` or `rows`.
        rows: for each frame the sums of the rows of the map F and of the target D, both (map_height,).

    Returns:
        The calibration; the neutral one where the maps or the targets are empty.
    """
    if kind == "none":
        return Calibration()
    moments, targets = np.zeros(3), np.zeros(2)
    height = 0
    for predicted, target in rows:
        height = len(predicted)
        y = np.arange(height, dtype=np.float64)
        moments += [predicted.sum(), predicted @ y, predicted @ y**2]
        targets += [target.sum(), target @ y]
    if min(moments[0], targets[0]) <= 0:
        logger.warning("the maps or the points of the validation frames are empty: not calibrated")
        return Calibration()
    scale = float(np.clip(targets[0] / moments[0], *CALIBRATION_LIMITS))
    if scale != targets[0] / moments[0]:
        _warn("counts", targets[0] / moments[0])
    system = np.array([[moments[0], moments[1]], [moments[1], moments[2]]])
    if kind == "scale" or np.linalg.cond(system) > 1e12:
        return Calibration(scale=scale)
    intercept, slope = np.linalg.solve(system, targets)
    ends = intercept, intercept + slope * (height - 1)
    worst = max(
        ends, key=lambda factor: max(CALIBRATION_LIMITS[0] - factor, factor - CALIBRATION_LIMITS[1])
    )
    if not CALIBRATION_LIMITS[0] <= worst <= CALIBRATION_LIMITS[1]:
        _warn("counts of some rows", worst)
    return Calibration(scale=float(intercept), slope=float(slope))


def _warn(what: str, factor: float) -> None:
    """Tell that calibration ended at a limit."""
    logger.warning(
        "the %s need a factor of %.2f, beyond the limits of calibration, %g to %g, which are applied "
        "instead: train for more steps, or check sigma, the points and the validation frames",
        what,
        factor,
        *CALIBRATION_LIMITS,
    )
