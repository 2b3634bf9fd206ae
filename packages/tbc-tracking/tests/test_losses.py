import pytest
import torch

from tbc_tracking.losses import density_loss
from tenfold_shared.seeds import torch_stream
from tenfold_shared.testing import check_gradient


def _random(*shape, name="maps"):
    return torch.rand(shape, generator=torch_stream(0, name), dtype=torch.float64)


def test_it_is_the_formula_in_loops():
    maps, targets = _random(3, 1, 4, 5), _random(3, 1, 4, 5, name="targets")
    weights = (_random(3, 1, 4, 5, name="weights") > 0.3).double()
    squared = counts = 0.0
    for picture in range(3):
        difference = 0.0
        for row in range(4):
            for column in range(5):
                place = (picture, 0, row, column)
                error = float(weights[place] * (maps[place] - targets[place]))
                squared += error**2
                difference += error
        counts += abs(difference)
    losses = density_loss(maps, targets, weights=weights, count_weight=0.7)
    assert float(losses.map_error) == pytest.approx(squared / (2 * 3))
    assert float(losses.count_error) == pytest.approx(counts / 3)
    assert float(losses.total) == pytest.approx(squared / 6 + 0.7 * counts / 3)


def test_its_gradient_is_right():
    targets, weights = _random(2, 1, 3, 4, name="targets"), torch.ones(2, 1, 3, 4).double()

    def total(maps):
        return density_loss(maps, targets, weights=weights, count_weight=0.3).total

    check_gradient(total, [_random(2, 1, 3, 4) + 2])


def test_what_nobody_cares_about_has_no_gradient():
    maps = _random(1, 1, 4, 4).requires_grad_()
    weights = torch.ones(1, 1, 4, 4).double()
    weights[..., :2] = 0
    density_loss(
        maps, _random(1, 1, 4, 4, name="t"), weights=weights, count_weight=1
    ).total.backward()
    assert maps.grad is not None
    assert not maps.grad[..., :2].any()
    assert maps.grad[..., 2:].all()


def test_maps_of_another_size_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        density_loss(_random(1, 1, 4, 4), _random(1, 1, 2, 2))
