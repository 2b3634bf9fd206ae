import pytest
import torch

from lsp_distillation.augmentation import augment
from lsp_distillation.cloud_config import CloudAugmentation
from tenfold_shared.seeds import torch_stream


def draw_clouds(axes=3):
    return torch.randn(60, 6, axes, generator=torch_stream(0, "clouds"))


def test_nothing_changes_unless_it_is_asked_for():
    clouds = draw_clouds()
    changed = augment(clouds, CloudAugmentation(), random=torch_stream(0, "augment"))
    assert torch.equal(changed, clouds)


def test_the_generator_alone_decides():
    clouds, config = draw_clouds(), CloudAugmentation(scale=0.3, shift=0.2, rotation=20)
    first, again, other = (
        augment(clouds, config, random=torch_stream(seed, "augment")) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_scale_and_shift_stay_within_their_ranges():
    clouds = draw_clouds()
    config = CloudAugmentation(scale=0.3, shift=0.2)
    changed = augment(clouds, config, random=torch_stream(0, "augment"))
    scale = (changed[:, 1] - changed[:, 0]) / (clouds[:, 1] - clouds[:, 0])
    shift = changed[:, 0] - scale * clouds[:, 0]
    assert torch.allclose(scale, scale[:, :1].expand_as(scale), atol=1e-3), "one factor per cloud"
    assert 0.7 - 1e-3 < scale.min() < 0.8
    assert 1.2 < scale.max() < 1.3 + 1e-3
    assert 0.15 < shift.abs().max() < 0.2 + 1e-3
    assert shift.std(1).min() > 1e-4, "another shift along each axis"


@pytest.mark.parametrize("axes", [2, 3])
def test_clouds_are_turned_in_the_plane_of_their_first_axes(axes):
    clouds = draw_clouds(axes)
    config = CloudAugmentation(rotation=30)
    changed = augment(clouds, config, random=torch_stream(0, "augment"))
    assert torch.allclose(torch.cdist(changed, changed), torch.cdist(clouds, clouds), atol=1e-3)
    assert torch.allclose(changed[..., 2:], clouds[..., 2:])
    before, after = (torch.atan2(c[:, 0, 1], c[:, 0, 0]).rad2deg() for c in (clouds, changed))
    turned = (after - before + 180) % 360 - 180
    assert 20 < turned.abs().max() < 30 + 1e-2


@pytest.mark.parametrize("name", ["scale", "shift", "rotation"])
def test_negative_ranges_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0"):
        CloudAugmentation(**{name: -0.1})
