"""Renewed candidates: a first solution says where candidates should have been.

Kernel windows see the exact place of an object, so a candidate that is half a pixel off leaves residuals of its
own, and two objects that merge into one peak have no second candidate at all. After a first solution the chosen
candidates move to where the density puts them, and what the solution leaves unexplained is deconvolved once more
for further candidates; then the program is solved again. This is column generation by hand.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.candidates import Candidates, find_peaks, without_neighbors
from tbc_tracking.config import CandidateConfig
from tbc_tracking.deconvolution import RowGaussian
from tbc_tracking.density import density_from_points
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.refinement import refine_positions

REFINE_STEPS = 8
"""Expectation maximization steps: the places only have to be better than the pixel grid."""


def renew_candidates(
    maps: NDArray[np.float32],
    candidates: Candidates,
    chosen: NDArray[np.bool_],
    *,
    size: ObjectSize,
    config: CandidateConfig,
) -> Candidates:
    """Return the candidates with the chosen ones at refined places and new ones where density is unexplained.

    Args:
        maps: density maps, shape (frames, height, width).
        candidates: of all frames, sorted by frame.
        chosen: which of them the first solution took, shape (candidates,).
        size: sigma of the objects over the rows.
        config: `residual_mass` and `residual_separation` of new candidates.
    """
    x, y = candidates.x.copy(), candidates.y.copy()
    x[chosen], y[chosen], _ = refine_positions(
        maps,
        frame=candidates.frame[chosen],
        x=x[chosen],
        y=y[chosen],
        sigma=candidates.sigma[chosen],
        steps=REFINE_STEPS,
    )
    gaussian = RowGaussian((maps.shape[1], maps.shape[2]), size)
    bounds = candidates.starts
    fresh = []
    for frame, image in enumerate(maps):
        here = slice(bounds[frame], bounds[frame + 1])
        taken = chosen[here]
        places = np.stack([x[here][taken], y[here][taken], candidates.sigma[here][taken]], axis=1)
        fresh.append(
            _unexplained(
                image, places, np.stack([x[here], y[here]], axis=1), gaussian, size, config
            )
        )
    return _merged(candidates, x, y, fresh, size)


def _unexplained(
    image: NDArray[np.float32],
    chosen: NDArray[np.float64],
    present: NDArray[np.float64],
    gaussian: RowGaussian,
    size: ObjectSize,
    config: CandidateConfig,
) -> NDArray[np.float64]:
    """Return places (points, 2) of peaks in what one frame's chosen objects leave over."""
    explained = density_from_points(
        (image.shape[0], image.shape[1]), x=chosen[:, 0], y=chosen[:, 1], sigma=chosen[:, 2]
    )
    x, y, _ = find_peaks(
        np.maximum(image - explained, 0), gaussian, replace(config, peak_mass=config.residual_mass)
    )
    return without_neighbors(np.stack([x, y], axis=1), present, size, config.residual_separation)


def _merged(
    candidates: Candidates,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    fresh: list[NDArray[np.float64]],
    size: ObjectSize,
) -> Candidates:
    added = np.concatenate(fresh)
    frame = np.concatenate(
        [candidates.frame, np.repeat(np.arange(len(fresh)), [len(p) for p in fresh])]
    )
    order = np.argsort(frame, kind="stable")
    rows = np.concatenate([y, added[:, 1]])[order]
    return Candidates(
        frame=frame[order],
        x=np.concatenate([x, added[:, 0]])[order],
        y=rows,
        sigma=size.at(rows),
        copied=np.concatenate([candidates.copied, np.zeros(len(added), np.int64)])[order],
        length=candidates.length,
    )
