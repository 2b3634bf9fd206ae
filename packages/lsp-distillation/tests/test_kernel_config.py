"""Settings of kernels are checked."""

import math

import pytest

from lsp_distillation.kernel_config import KernelConfig


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ({"name": "quadratic"}, "euclidean, linear, polynomial, rbf"),
        ({"bandwidth": 0.0}, "bandwidth"),
        ({"bandwidth": -1.0}, "bandwidth"),
        ({"bandwidth": math.nan}, "bandwidth"),
        ({"bandwidth": math.inf}, "bandwidth"),
        ({"bandwidth": "automatic"}, "bandwidth"),
        ({"sign": 0}, "sign"),
        ({"degree": 0}, "degree"),
        ({"degree": 1.5}, "degree"),
        ({"offset": math.inf}, "offset"),
    ],
)
def test_refusals(setting: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        KernelConfig(**setting)
