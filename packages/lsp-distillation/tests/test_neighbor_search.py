"""Nearest points against sorting all distances."""

import pytest
import torch

import lsp_distillation.neighbor_search as module
from lsp_distillation.neighbor_search import nearest_neighbors


@pytest.mark.parametrize("width", [2, 30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_sorted_distances(
    width: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 50)  # several chunks of rows
    points = torch.randn(3, 17, width, dtype=dtype, generator=torch.Generator().manual_seed(0))
    points[1] += 100
    found = nearest_neighbors(points, 5)
    distances = (points.double()[:, :, None] - points.double()[:, None]).square().sum(3)
    assert torch.equal(found, distances.sort(2).indices[:, :, :5])


@pytest.mark.parametrize("width", [2, 30])
def test_a_point_is_its_own_first_neighbor_even_where_points_coincide(width: int) -> None:
    points = torch.zeros(1, 6, width)
    found = nearest_neighbors(points, 3)
    assert torch.equal(found[0, :, 0], torch.arange(6))
    assert all(len(row.unique()) == 3 for row in found[0])


def test_refusals() -> None:
    points = torch.zeros(1, 6, 2)
    for k in (0, 6):
        with pytest.raises(ValueError, match="k must be"):
            nearest_neighbors(points, k)
    with pytest.raises(ValueError, match="clouds, points, width"):
        nearest_neighbors(points[0], 2)
    with pytest.raises(ValueError, match="finite"):
        nearest_neighbors(points / 0, 2)
