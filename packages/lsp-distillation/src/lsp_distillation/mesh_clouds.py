"""Points on the surfaces of ModelNet's meshes, in the folders that PyG's class downloads."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lsp_distillation.cloud_data import CloudTask, center_and_scale
from lsp_distillation.pyg_data import import_pyg
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import numpy_stream

_VALIDATION_SHARE = 10


def read_modelnet(raw: Path, *, name: str, points: int, seed: int) -> CloudTask:
    """Return a cloud for every mesh; one training mesh in ten of each class is to validate.

    Args:
        raw: Holds a folder per class with folders `train` and `test` of .off files.
        name: For tables.
        points: Of each cloud.
        seed: Chooses the points; those of a mesh depend on it and the file's name alone.

    Raises:
        UserError: There are no meshes, or one is damaged.
    """
    files = sorted(raw.glob("*/train/*.off")) + sorted(raw.glob("*/test/*.off"))
    names = tuple(sorted({file.parent.parent.name for file in files}))
    if len(names) < 2:
        raise UserError(
            f"{raw} holds no folders <class>/train/*.off of two classes; fetch it again."
        )
    clouds = np.stack([_read_mesh(file, points=points, seed=seed) for file in files])
    is_test = torch.tensor([file.parent.name == "test" for file in files])
    held_out = torch.tensor([_number(file) % _VALIDATION_SHARE == 0 for file in files])
    try:
        return CloudTask(
            name=name,
            points=torch.from_numpy(center_and_scale(clouds)),
            y=torch.tensor([names.index(file.parent.parent.name) for file in files]),
            classes=len(names),
            train_mask=~is_test & ~held_out,
            val_mask=~is_test & held_out,
            test_mask=is_test,
            class_names=names,
        )
    except ValueError as error:
        raise UserError(f"{raw}: {error}.") from error


def sample_surface(
    vertices: NDArray[np.float64], triangles: NDArray[np.int64], *, points: int, random: Any
) -> NDArray[np.float32]:
    """Return points (points, 3) drawn evenly from a surface.

    Args:
        vertices: (vertices, 3).
        triangles: (triangles, 3) numbers of vertices.
        points: How many to draw.
        random: A numpy generator.

    Raises:
        ValueError: The surface has no area.
    """
    corners = vertices[triangles]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = np.sqrt((np.cross(a, b) ** 2).sum(axis=1))
    cumulative = np.cumsum(areas)
    if not len(areas) or not np.isfinite(cumulative[-1]) or cumulative[-1] <= 0:
        raise ValueError("the surface has no area")
    drawn = random.random((points, 3))
    chosen = np.searchsorted(cumulative, drawn[:, 0] * cumulative[-1], side="right")
    chosen = np.minimum(chosen, len(areas) - 1)
    # Points of the parallelogram beyond the triangle are mirrored into it.
    u, v = drawn[:, 1:2], drawn[:, 2:3]
    beyond = u + v > 1
    u, v = np.where(beyond, 1 - u, u), np.where(beyond, 1 - v, v)
    return (corners[chosen, 0] + u * a[chosen] + v * b[chosen]).astype(np.float32)


def _read_mesh(file: Path, *, points: int, seed: int) -> NDArray[np.float32]:
    """Return points on one mesh."""
    try:
        mesh = import_pyg("torch_geometric.io").read_off(str(file))
        random = numpy_stream(seed, "mesh", file.name)
        return sample_surface(
            mesh.pos.double().numpy(), mesh.face.T.numpy(), points=points, random=random
        )
    except Exception as error:  # the reader of the text format raises anything on damaged files
        raise UserError(
            f"{file} is no mesh or is damaged ({error!r:.80}); fetch it again."
        ) from error


def _number(file: Path) -> int:
    """Return the number at the end of a mesh's name, 0 if there is none."""
    digits = file.stem.rsplit("_", 1)[-1]
    return int(digits) if digits.isdecimal() else 0
