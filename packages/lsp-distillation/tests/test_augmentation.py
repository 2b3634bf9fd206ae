import torch

from lsp_distillation.augmentation import scale_and_shift
from tenfold_shared.seeds import torch_stream


def test_each_cloud_is_scaled_and_shifted_along_each_axis():
    points = torch.randn(50, 6, 3, generator=torch_stream(0, "points"))
    changed = scale_and_shift(points, torch_stream(0, "augment"))
    scale = (changed[:, 1] - changed[:, 0]) / (points[:, 1] - points[:, 0])
    shift = changed[:, 0] - scale * points[:, 0]
    assert torch.allclose(points * scale[:, None] + shift[:, None], changed, atol=1e-5)
    assert 2 / 3 - 1e-4 < scale.min() < 0.8
    assert 1.3 < scale.max() < 1.5 + 1e-4
    assert shift.abs().max() < 0.2 + 1e-4
    assert len(scale.unique()) > 140, "axes and clouds share their scale"
    assert torch.equal(changed, scale_and_shift(points, torch_stream(0, "augment")))
