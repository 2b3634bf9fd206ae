"""Small graphs as tensors by name, for the tests of data."""

import torch


def node_fields(**changes):
    """Return the fields of a path of six nodes with two classes; None removes one."""
    fields = {
        "x": torch.arange(12.0).reshape(6, 2),
        "edge_index": torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]),
        "y": torch.tensor([0, 1, 0, 1, 0, 1]),
        "train_mask": torch.tensor([1, 1, 0, 0, 0, 0]).bool(),
        "val_mask": torch.tensor([0, 0, 1, 1, 0, 0]).bool(),
        "test_mask": torch.tensor([0, 0, 0, 0, 1, 1]).bool(),
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}
