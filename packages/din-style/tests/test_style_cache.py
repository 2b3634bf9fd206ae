import torch
from tiny_training import tiny_training
from tiny_vgg import tiny_vgg

from din_style.augmentation import central_square
from din_style.config import OFFLINE_STYLE_LAYERS
from din_style.content_cache import CachedContents
from din_style.data import as_tensor, open_pictures
from din_style.losses import stack_moments
from din_style.style_cache import CACHE_NAME, cache_styles, combine, pixel_moments
from din_style.validation import prepare_validation, validate


class _CountingVGG(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.vgg, self.calls = tiny_vgg(), 0

    def forward(self, images, names):
        self.calls += 1
        return self.vgg(images, names)


def _cache(tmp_path, vgg, **changes):
    config, pictures = tiny_training(tmp_path, **changes)
    styles = open_pictures(pictures["styles"], size=config.size)
    (tmp_path / "run").mkdir(exist_ok=True)
    found = cache_styles(
        styles, config, vgg=vgg, folder=tmp_path / "run", seed=0, device=torch.device("cpu")
    )
    return config, styles, found


def test_the_first_view_is_the_middle_at_the_judged_scale(tmp_path):
    _, pictures, styles = _cache(tmp_path, tiny_vgg(), style_views=2)
    assert len(styles.moments) == 2 * len(pictures)
    middle = as_tensor([central_square(pictures.read(1), 32)])
    expected = stack_moments(tiny_vgg()(middle, OFFLINE_STYLE_LAYERS), OFFLINE_STYLE_LAYERS)
    torch.testing.assert_close(styles.moments[2:3], expected)
    assert not torch.allclose(styles.moments[3:4], expected)
    mean, std = pixel_moments(styles.rows(torch.tensor([2])))
    torch.testing.assert_close(mean[0], middle.mean((0, 2, 3)))
    torch.testing.assert_close(std[0], middle.std((0, 2, 3), correction=0), rtol=1e-3, atol=1e-4)


def test_styles_pass_vgg_once_and_come_from_the_file_then(tmp_path):
    vgg = _CountingVGG()
    _, pictures, first = _cache(tmp_path, vgg)
    assert vgg.calls == len(pictures)
    assert (tmp_path / "run" / CACHE_NAME).exists()
    _, _, second = _cache(tmp_path, vgg)
    assert vgg.calls == len(pictures)
    assert torch.equal(first.moments, second.moments)


def test_contents_pass_vgg_once_and_one_by_one(tmp_path):
    config, pictures = tiny_training(tmp_path)
    contents = open_pictures(pictures["contents"], size=config.size)
    settings = {"config": config, "seed": 0, "device": torch.device("cpu")}
    vgg = _CountingVGG()
    cached = CachedContents(contents, vgg=vgg, **settings)
    batch = cached.batch([3, 1, 3], with_features=True)
    assert vgg.calls == 2
    assert torch.equal(batch.features[0], batch.features[2])
    other = CachedContents(contents, vgg=tiny_vgg(), **settings)
    assert other.batch([1, 3], with_features=False).features.numel() == 0
    assert torch.equal(other.batch([1, 3], with_features=True).features[1], batch.features[0])


def test_joining_keeps_what_is_missing_missing(tmp_path):
    _, _, styles = _cache(tmp_path, tiny_vgg())
    joined = combine([styles, styles], torch.cat)
    assert len(joined.moments) == 2 * len(styles.moments)
    assert joined.maps is None


def test_a_network_that_returns_the_style_scores_full_marks(tmp_path):
    config, pictures = tiny_training(tmp_path)
    vgg, place = tiny_vgg(), torch.device("cpu")
    opened = [open_pictures(pictures[n], size=config.size) for n in ("contents", "styles")]
    found = prepare_validation(*opened, config, vgg=vgg, device=place)

    class Copies:
        """Returns the style picture itself (or the content), whatever the other is."""

        def __init__(self, returns_style):
            self.returns_style, self.style = returns_style, 0

        def predict_code(self, moments):
            rows = (found.styles.moments == moments).all(1).nonzero()
            self.style = int(rows[0])
            return None

        def __call__(self, content, code):
            if not self.returns_style:
                return content
            return as_tensor([central_square(opened[1].read(self.style), config.size)])

    perfect = validate(Copies(True), found, config, vgg=vgg)
    assert perfect.style < 1e-4
    assert perfect.retrieval == 1
    lazy = validate(Copies(False), found, config, vgg=vgg)
    assert lazy.content < 1e-4
    assert abs(lazy.style_ratio - 1) < 1e-2
    assert abs(lazy.pairs) < 1e-4
