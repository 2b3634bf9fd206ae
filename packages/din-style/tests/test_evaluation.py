"""The table tells good from bad: the style itself, the content itself, and what lies between."""

import pytest
import torch
from tiny_networks import tiny_transfer
from tiny_vgg import tiny_vgg

from din_style.baselines import gatys_method, microast_method, transfer_method, trivial_methods
from din_style.evaluation import Gallery, evaluate_methods
from din_style.gatys import STYLE_LAYERS, optimize_pixels
from din_style.losses import content_loss, style_loss
from din_style.microast import MicroAST
from tenfold_shared.seeds import torch_stream


@pytest.fixture(scope="module")
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch_stream(0, "evaluation")
    contents = torch.rand(2, 3, 64, 64, generator=stream)
    styles = torch.rand(5, 3, 64, 64, generator=stream) * torch.rand(5, 3, 1, 1, generator=stream)
    return contents, styles


def test_table(pictures: tuple[torch.Tensor, torch.Tensor]):
    contents, gallery_images = pictures
    vgg, chosen = tiny_vgg(), (1, 3)
    styles = gallery_images[list(chosen)]
    gallery = Gallery(vgg, None, gallery_images)
    methods = {
        **trivial_methods(styles),
        "style itself": lambda _, j: styles[j : j + 1],
        "microast": microast_method(MicroAST().eval(), styles),
        "din": transfer_method(tiny_transfer(), styles),
        "gatys": gatys_method(vgg, styles, steps=3),
    }
    table = {s.method: s for s in evaluate_methods(methods, contents, chosen, gallery)}
    identity, style = table["identity"], table["style itself"]
    assert identity.pairs == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert identity.mean("content") < 1e-3  # 8 bits are rounded
    assert identity.mean("similarity") > 0.99
    assert abs(identity.mean("checkerboard")) < 1e-3
    assert style.mean("style") < 1e-4 < identity.mean("style")
    assert all(found.top1 == 1 for found in style.retrieval.values())
    assert style.mean("similarity") < 0.5
    assert table["color mean/std"].mean("style") < identity.mean("style")
    assert table["color histogram"].retrieval["color"].top1 == 1
    assert table["gatys"].mean("style") < identity.mean("style")
    assert set(table["din"].row()) >= {"method", "style", "content", "top1_vgg", "top1_texture"}
    # The mean is over the same definitions as in training.
    features = [vgg(images, STYLE_LAYERS) for images in (contents[:1], styles[:1])]
    expected = style_loss(*features, STYLE_LAYERS).item()
    assert identity.scores[0].style == pytest.approx(expected, rel=0.02)


def test_some_pairs_only(pictures: tuple[torch.Tensor, torch.Tensor]):
    contents, images = pictures
    gallery = Gallery(tiny_vgg(), None, images)
    methods = trivial_methods(images)
    (identity, *_) = evaluate_methods(methods, contents, range(5), gallery, pairs=[(1, 4)])
    assert identity.pairs == [(1, 4)]
    assert len(identity.scores) == 1


def test_optimization_falls_and_stays_in_range(pictures: tuple[torch.Tensor, torch.Tensor]):
    (content, _), styles = pictures
    vgg = tiny_vgg()

    def loss(image: torch.Tensor) -> float:
        features = [vgg(x, STYLE_LAYERS) for x in (image, styles[:1], content[None])]
        own = content_loss(features[0]["relu3_3"], features[2]["relu3_3"])
        return float(own + 3 * style_loss(features[0], features[1], STYLE_LAYERS))

    few = optimize_pixels(vgg, content[None], styles[:1], steps=2)
    many = optimize_pixels(vgg, content[None], styles[:1], steps=20)
    assert loss(many) < loss(few) < loss(content[None])
    assert 0 <= many.min() <= many.max() <= 1
    with pytest.raises(ValueError, match="steps"):
        optimize_pixels(vgg, content[None], styles[:1], steps=0)
