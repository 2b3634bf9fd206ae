"""Parts of a set as pure functions of its labels or size and a seed."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from tenfold_shared.seeds import numpy_stream

PARTS = ("train", "val", "test")
"""Names of the parts, in this order everywhere."""

TRAIN, VALIDATE = 20, 30
"""Items of each class that Shchur et al. (2018, arXiv:1811.05868) take for graphs that come without a split."""


class Split(NamedTuple):
    """Three disjoint parts, True for the items that belong to each."""

    train: Bool[Tensor, " items"]
    val: Bool[Tensor, " items"]
    test: Bool[Tensor, " items"]


def per_class_split(labels: Tensor, *, seed: int, train: int = TRAIN, val: int = VALIDATE) -> Split:
    """Take so many items of each class at random to train and to validate, the rest to test.

    Args:
        labels: (items,) integers, the class of each; items below 0 belong to no part.
        seed: Chooses the items.
        train: Items of each class.
        val: Items of each class.

    Raises:
        ValueError: A class is too small for all three parts.
    """
    if train < 1 or val < 1:
        raise ValueError(f"train and val must be at least 1 per class, got {train} and {val}")
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(
            f"a split by class needs one integer class per item, got {labels.dtype} of shape "
            f"{tuple(labels.shape)}; use a random split"
        )
    known = labels.cpu().numpy()
    keys = numpy_stream(seed, "split by class").random(len(known))
    part = np.full(len(known), -1)
    for label in np.unique(known[known >= 0]):
        members = np.flatnonzero(known == label)
        if len(members) <= train + val:
            raise ValueError(
                f"class {label} has {len(members)} items, too few for {train} to train, {val} to "
                "validate and some to test; take fewer or use a random split"
            )
        members = members[np.argsort(keys[members], kind="stable")]
        part[members[:train]], part[members[train : train + val]] = 0, 1
        part[members[train + val :]] = 2
    return _masks(part, labels.device)


def random_split(items: int, *, seed: int, train: float = 0.6, val: float = 0.2) -> Split:
    """Take shares of all items at random, the rest to test.

    Raises:
        ValueError: The shares leave a part without items.
    """
    counts = round(items * train), round(items * val)
    if min(*counts, items - sum(counts)) < 1:
        raise ValueError(
            f"shares {train} and {val} of {items} items leave a part empty; take other shares or "
            "more items"
        )
    order = np.argsort(numpy_stream(seed, "random split").random(items), kind="stable")
    part = np.full(items, 2)
    part[order[: counts[0]]] = 0
    part[order[counts[0] : sum(counts)]] = 1
    return _masks(part, torch.device("cpu"))


def _masks(part: np.ndarray, device: torch.device) -> Split:
    """Return the numbers of parts as three masks."""
    return Split(*(torch.from_numpy(part == number).to(device) for number in range(3)))
