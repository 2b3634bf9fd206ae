"""Rectangles that are kept of generated pictures."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dfad_distillation.occlusion import keep_rectangles


def generator(seed: int = 0) -> torch.Generator:
    """Return a source of randomness."""
    return torch.Generator().manual_seed(seed)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 999))
def test_what_is_kept_is_a_rectangle_and_the_rest_the_lowest_value(height, width, seed):
    pictures = torch.rand(6, 2, height, width, generator=generator(seed)) + 1
    found = keep_rectangles(pictures, share=1.0, random=generator(seed))
    for before, after in zip(pictures, found, strict=True):
        same = (before == after).all(0)
        blank = (after == before.min()).all(0)
        assert bool((same | blank).all())
        kept = ~blank
        rows, columns = kept.any(1).nonzero(), kept.any(0).nonzero()
        for size, places in ((height, rows), (width, columns)):
            assert len(places) >= size // 4
        if len(rows):
            inside = same[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert bool(inside.all())


def test_the_share_is_kept_on_average_and_zero_changes_nothing():
    pictures = torch.rand(2000, 1, 8, 8)
    assert torch.equal(keep_rectangles(pictures, share=0.0, random=generator()), pictures)
    found = keep_rectangles(pictures, share=0.5, random=generator())
    changed = (found != pictures).flatten(1).any(1).double().mean().item()
    assert changed == pytest.approx(0.5, abs=0.07)


def test_it_is_a_function_of_the_randomness():
    pictures = torch.rand(8, 1, 8, 8)
    one, same, other = (
        keep_rectangles(pictures, share=0.5, random=generator(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
