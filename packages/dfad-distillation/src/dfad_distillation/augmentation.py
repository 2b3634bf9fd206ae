"""Augmentation of labeled pictures; the only module that uses albumentations, and only for `strong`."""

import os
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from torch import Tensor

from dfad_distillation.picture_folders import VOID
from dfad_distillation.teacher_config import Augmentation

Images = UInt8[Tensor, "batch channels height width"]
Labels = Integer[Tensor, " batch"] | Integer[Tensor, "batch height width"]


def augment(
    images: Images, labels: Labels, kind: Augmentation, *, random: np.random.Generator
) -> tuple[Images, Labels]:
    """Return changed pictures; masks are moved with them, and void enters at their borders.

    Args:
        images: Bytes.
        labels: Of pictures, which stay, or masks.
        kind: See `TeacherConfig.augment`.
        random: The only source of randomness.
    """
    if kind == "strong":
        return _strongly(images, labels, random)
    if kind in ("shift", "shift_flip"):
        images, labels = _shifted(images, labels, random)
    if kind in ("flip", "shift_flip"):
        mirrored = torch.from_numpy(random.random(len(images)) < 0.5)
        images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)
        if labels.ndim > 1:
            labels = torch.where(mirrored.view(-1, 1, 1), labels.flip(-1), labels)
    return images, labels


def _shifted(images: Images, labels: Labels, random: np.random.Generator) -> tuple[Images, Labels]:
    """Move each picture by up to an eighth of its sides; black enters."""
    count, _, height, width = images.shape
    down, right = (
        torch.from_numpy(random.integers(-(side // 8), side // 8 + 1, size=(count, 1)))
        for side in (height, width)
    )
    rows, columns = torch.arange(height) - down, torch.arange(width) - right
    inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    one = torch.arange(count)[:, None, None]
    moved = images.movedim(1, -1)[one, rows[:, :, None], columns[:, None, :]]
    moved = (moved * inside[..., None]).movedim(-1, 1)
    if labels.ndim > 1:
        labels = labels[one, rows[:, :, None], columns[:, None, :]].masked_fill(~inside, VOID)
    return moved, labels


def _within(places: Tensor, side: int) -> Tensor:
    return (places >= 0) & (places < side)


def _strongly(images: Images, labels: Labels, random: np.random.Generator) -> tuple[Images, Labels]:
    """Apply the pipeline of albumentations picture by picture."""
    pipeline = _pipeline()
    pictures: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    for index, pixels in enumerate(images.movedim(1, -1).numpy()):
        pipeline.set_random_seed(int(random.integers(2**31)))
        inputs: dict[str, Any] = {"image": np.ascontiguousarray(pixels)}
        if labels.ndim > 1:
            inputs["mask"] = labels[index].numpy().astype(np.uint8)
        result = pipeline(**inputs)
        pictures.append(result["image"].reshape(pixels.shape))
        if labels.ndim > 1:
            masks.append(result["mask"])
    changed = torch.from_numpy(np.stack(pictures)).movedim(-1, 1).contiguous()
    return changed, torch.from_numpy(np.stack(masks)).to(labels.dtype) if masks else labels


@lru_cache(maxsize=1)
def _pipeline() -> Any:
    """Return the transforms; a process builds them once."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks a server otherwise
    import albumentations

    return albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.Affine(
                scale=(0.8, 1.25), rotate=(-8, 8), translate_percent=0.1, fill_mask=VOID, p=0.8
            ),
            albumentations.RandomBrightnessContrast(p=0.5),
        ]
    )
