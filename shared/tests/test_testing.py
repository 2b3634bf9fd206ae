import sys

import numpy as np
import pytest
import torch

from tenfold_shared import UserError
from tenfold_shared.testing import (
    check_gradient,
    damaged_files,
    pytest_collection_modifyitems,
    refusal,
    run_command,
    tiny_image,
)


def test_commands_run_in_process():
    def main(arguments):
        sys.stdout.write(" ".join(arguments))
        sys.stderr.write("note")
        return 3

    assert run_command(main, ["a", 1]) == (3, "a 1", "note")
    for code, expected in [(4, 4), (None, 0), ("text", 1)]:
        assert run_command(lambda _, code=code: sys.exit(code), []).code == expected


def test_refusals_are_sentences():
    def refuse(text):
        raise UserError(text)

    assert refusal(lambda: 3) is None
    assert refusal(lambda: refuse("no")) == "no"
    with pytest.raises(AssertionError, match="one line"):
        refusal(lambda: refuse("no\nway"))
    with pytest.raises(ZeroDivisionError):
        refusal(lambda: 1 / 0)


def test_damage_is_reproducible_varied_and_real():
    data = bytes(range(256)) * 4
    gallery = list(damaged_files(data, count=500, seed=1))
    assert gallery == list(damaged_files(data, count=500, seed=1))
    assert gallery[16:] != list(damaged_files(data, count=500, seed=2))[16:]
    assert [len(piece) for piece in gallery[:16]] == list(range(0, 1024, 64))
    assert len(set(gallery)) > 480
    assert sum(piece == data for piece in gallery) < 10
    lengths = {len(piece) for piece in gallery[16:]}
    assert min(lengths) < 1024 < max(lengths)
    assert len(list(damaged_files(b"", count=50))) == 50


def test_a_wrong_gradient_is_found():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 3

    check_gradient(torch.sin, [torch.rand(3)])
    check_gradient(lambda x, y: (x * y, x + y), [torch.rand(3), torch.rand(3)])
    with pytest.raises(AssertionError, match="mismatch"):
        check_gradient(Wrong.apply, [torch.rand(3)])


def test_tiny_images_are_pictures():
    image = tiny_image(9, 7, seed=3)
    assert image.shape == (3, 9, 7)
    assert image.dtype == np.float32
    assert image.min() >= 0
    assert image.max() == 1
    assert not np.array_equal(image, tiny_image(9, 7, seed=4))


class Item:
    def __init__(self, *markers):
        self.markers, self.added = markers, []

    def get_closest_marker(self, name):
        return name in self.markers

    def add_marker(self, marker):
        self.added.append(marker.kwargs["reason"])


def test_what_cannot_run_is_skipped_with_its_reason(monkeypatch):
    monkeypatch.delenv("TENFOLD_DATA", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    items = [Item("gpu"), Item("realdata"), Item("slow")]
    pytest_collection_modifyitems(items)
    assert [item.added for item in items] == [
        ["no CUDA device"],
        ["TENFOLD_DATA names no folder with real data"],
        [],
    ]
    monkeypatch.setenv("TENFOLD_DATA", "x")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    items = [Item("gpu", "realdata")]
    pytest_collection_modifyitems(items)
    assert items[0].added == []
