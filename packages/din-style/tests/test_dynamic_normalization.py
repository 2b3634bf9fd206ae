import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from din_style.dynamic_normalization import (
    EPSILON,
    Statistics,
    measure_statistics,
    normalize_dynamically,
    normalize_explicitly,
    normalize_fused,
)
from din_style.losses import moments
from tenfold_shared.seeds import torch_stream
from tenfold_shared.testing import check_gradient


def _random(*shape, name="x"):
    return torch.randn(shape, generator=torch_stream(0, name), dtype=torch.float64)


def _slow(x, weight, bias):
    """Eq. 1 for one pixel and g = C, with loops over samples, channels and pixels."""
    result = torch.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            values = [float(v) for v in x[n, c].flatten()]
            mean = sum(values) / len(values)
            var = sum((v - mean) ** 2 for v in values) / len(values)
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    normal = (float(x[n, c, i, j]) - mean) / math.sqrt(var + EPSILON)
                    result[n, c, i, j] = normal * float(weight[n, c]) + float(bias[n, c])
    return result


def test_the_formula_is_that_of_the_paper():
    x, weight, bias = _random(2, 3, 4, 5), _random(2, 3, name="w"), _random(2, 3, name="b")
    torch.testing.assert_close(normalize_dynamically(x, weight, bias), _slow(x, weight, bias))


@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 5),
    height=st.integers(2, 7),
    width=st.integers(2, 7),
)
def test_fused_and_explicit_form_agree(batch, channels, height, width):
    x = 3 + 2 * _random(batch, channels, height, width)
    weight, bias = _random(batch, channels, name="w"), _random(batch, channels, name="b")
    fused = normalize_fused(x, weight=weight, bias=bias)
    explicit = normalize_explicitly(x, measure_statistics(x), weight=weight, bias=bias)
    torch.testing.assert_close(fused, explicit)


def test_every_sample_has_an_affine_of_its_own():
    x = _random(1, 2, 4, 4).expand(2, -1, -1, -1)
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    result = normalize_dynamically(x, weight, torch.zeros_like(weight))
    assert not torch.allclose(result[0], result[1]), "test invalid"
    scale = (weight[1] / weight[0])[:, None, None]
    torch.testing.assert_close(result[1], result[0] * scale)


def test_moments_of_a_style_as_kernels_are_adain():
    x, style = _random(2, 3, 6, 6), 5 + 2 * _random(2, 3, 8, 7, name="style")
    found = moments(style)
    result = normalize_dynamically(x, found.std, found.mean)
    expected = style.std((2, 3), correction=0)
    assert not torch.allclose(x.std((2, 3), correction=0), expected, rtol=1e-2), "test invalid"
    torch.testing.assert_close(result.std((2, 3), correction=0), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(result.mean((2, 3)), style.mean((2, 3)))


def test_a_table_of_kernels_is_conditional_instance_normalization():
    table = {"scale": _random(5, 3, name="scale"), "shift": _random(5, 3, name="shift")}
    x, chosen = _random(2, 3, 6, 6), torch.tensor([4, 1])
    ours = normalize_dynamically(x, table["scale"][chosen], table["shift"][chosen])
    plain = torch.nn.functional.instance_norm(x, eps=EPSILON)
    for row, style in enumerate(chosen.tolist()):
        expected = torch.nn.functional.instance_norm(
            x[row : row + 1], weight=table["scale"][style], bias=table["shift"][style]
        )
        torch.testing.assert_close(ours[row : row + 1], expected)
    assert not torch.allclose(ours, plain), "test invalid"


def test_statistics_of_another_picture_are_used_where_given():
    x, other = _random(1, 2, 4, 4), 2 + 3 * _random(1, 2, 4, 4, name="other")
    one, zero = torch.ones(1, 2, dtype=x.dtype), torch.zeros(1, 2, dtype=x.dtype)
    given_statistics = normalize_dynamically(x, one, zero, statistics=measure_statistics(other))
    mean, std = measure_statistics(other)
    torch.testing.assert_close(given_statistics, (x - mean[..., None, None]) / std[..., None, None])


def test_weights_of_positions_count_like_repetitions():
    x = _random(2, 3, 4, 5)
    repeated = torch.cat([x, x[:, :, :1]], dim=2)
    weights = torch.ones(4, 5, dtype=x.dtype)
    weights[0] = 2
    for ours, expected in zip(
        measure_statistics(x, position_weights=weights), measure_statistics(repeated), strict=True
    ):
        torch.testing.assert_close(ours, expected)
    assert not torch.allclose(measure_statistics(x).mean, measure_statistics(repeated).mean)


def test_a_flat_channel_stays_finite():
    x = torch.full((1, 1, 4, 4), 0.25)
    result = normalize_dynamically(x, torch.ones(1, 1), torch.full((1, 1), 0.5))
    torch.testing.assert_close(result, torch.full((1, 1, 4, 4), 0.5))


def test_gradients_are_those_of_the_formula():
    inputs = (_random(2, 2, 3, 3), _random(2, 2, name="w"), _random(2, 2, name="b"))
    check_gradient(normalize_dynamically, inputs)

    def frozen(x, weight, bias, mean, std):
        return normalize_dynamically(x, weight, bias, statistics=Statistics(mean, std))

    extra = (_random(2, 2, name="m"), 1 + _random(2, 2, name="s").abs())
    check_gradient(frozen, (*inputs, *extra))


def test_wrong_shapes_are_refused():
    x = torch.rand(2, 3, 4, 4)
    with pytest.raises(ValueError, match="batch"):
        normalize_dynamically(x[0], torch.ones(2, 3), torch.ones(2, 3))
    with pytest.raises(ValueError, match="weight must be"):
        normalize_dynamically(x, torch.ones(1, 3), torch.ones(2, 3))
