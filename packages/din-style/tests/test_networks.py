import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_networks import tiny_network

from din_style.code_networks import identity_kernels
from din_style.config import NetworkConfig, preset_network
from din_style.layers import (
    DynamicInstanceNorm2d,
    FrozenStatistics,
    Pass,
    RecordedStatistics,
    remove_alternation,
)
from din_style.networks import build_network
from din_style.operators import Geometry
from din_style.style_code import LayerCode, StyleCode
from tenfold_shared.seeds import torch_stream

VARIANTS = [
    {},
    {"preset": "mobile"},
    {"preset": "literal"},
    {"conv_op": "depthwise", "kernel_size": 3},
    {"conv_op": "full"},
    {"conv_op": "full", "groups": 4, "kernel_size": 3},
    {"conv_op": "deformable", "kernel_size": 3},
    {"conv_op": "spherical", "kernel_size": 3},
    {"style_input": "map", "conv_op": "depthwise", "kernel_size": 3},
]


def _config(**changes):
    small = {"width": 8, "stem": 8, "blocks": 2, "style_numbers": 6, "code_hidden": 16}
    return NetworkConfig(**{**small, **changes})


def _style(config, batch=2, name="style"):
    shape = (batch, 6, 4, 4) if config.style_input == "map" else (batch, 6)
    return 3 * torch.randn(shape, generator=torch_stream(0, name))


def _images(*shape, name="images"):
    return torch.rand(shape, generator=torch_stream(0, name))


@pytest.mark.parametrize("changes", VARIANTS)
def test_every_variant_trains_all_of_its_parameters(changes):
    config = _config(**changes)
    network = tiny_network(config).requires_grad_(True)
    output = network(_images(2, 3, 32, 36), network.predict_code(_style(config)))
    assert output.shape == (2, 3, 32, 36)
    output.square().mean().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("preset", ["fast", "mobile", "literal"])
@settings(max_examples=8, deadline=None)
@given(height=st.integers(16, 40), width=st.integers(16, 40))
def test_pictures_of_any_size_keep_it(preset, height, width):
    network = tiny_network(_config(preset=preset))
    output = network(_images(1, 3, height, width), network.predict_code(torch.rand(1, 6)))
    assert output.shape == (1, 3, height, width)
    assert float(output.min()) >= 0
    assert float(output.max()) <= 1


@pytest.mark.parametrize("changes", VARIANTS)
def test_a_batch_is_its_samples_one_by_one(changes):
    network = tiny_network(_config(**changes)).double()
    content, style = _images(2, 3, 24, 24).double(), _style(network.config).double()
    both = network(content, network.predict_code(style))
    for i in range(2):
        alone = network(content[i : i + 1], network.predict_code(style[i : i + 1]))
        torch.testing.assert_close(both[i : i + 1], alone)
    assert not torch.allclose(both[:1], network(content[:1], network.predict_code(style[1:])))


@pytest.mark.parametrize("changes", VARIANTS)
def test_recorded_and_frozen_statistics_change_nothing(changes):
    network = tiny_network(_config(**changes))
    content, code = _images(1, 3, 24, 28), network.predict_code(_style(network.config, 1))
    record = RecordedStatistics()
    plain = network(content, code)
    torch.testing.assert_close(
        network(content, code, normalize=record), plain, rtol=1e-4, atol=1e-5
    )
    frozen = FrozenStatistics(record.measured)
    torch.testing.assert_close(
        network(content, code, normalize=frozen), plain, rtol=1e-4, atol=1e-5
    )
    other = network(_images(1, 3, 24, 28, name="other"), code, normalize=frozen)
    own = network(_images(1, 3, 24, 28, name="other"), code)
    assert not torch.allclose(other, own, atol=1e-3), "test invalid"


@pytest.mark.parametrize("changes", [{}, {"conv_op": "depthwise", "kernel_size": 3}])
def test_masks_give_each_region_its_style(changes):
    network = tiny_network(_config(**changes))
    content, style = _images(1, 3, 32, 32), _style(network.config, 2)
    codes = [network.predict_code(style[i : i + 1]) for i in range(2)]
    ones, zeros = torch.ones(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    for first in range(2):
        masks = torch.cat([ones, zeros] if first == 0 else [zeros, ones], dim=1)
        torch.testing.assert_close(
            network(content, codes, masks=masks), network(content, codes[first])
        )
    with pytest.raises(ValueError, match="one mask each"):
        network(content, codes)


def test_a_mask_between_equal_styles_is_invisible():
    network = tiny_network(_config())
    content, code = _images(1, 3, 32, 32), network.predict_code(_style(network.config, 1))
    share = _images(1, 1, 32, 32, name="mask")
    blended = network(content, [code, code], masks=torch.cat([share, 1 - share], dim=1))
    torch.testing.assert_close(blended, network(content, code))


def test_strokes_change_pictures_and_the_plain_stroke_does_not():
    network = tiny_network(_config())
    content, code = _images(1, 3, 32, 32), network.predict_code(_style(network.config, 1))
    plain = network(content, code)
    ones = torch.ones(1, 1, 32, 32)
    torch.testing.assert_close(
        network(content, code, geometry=Geometry(stroke=ones)), plain, rtol=1e-4, atol=1e-5
    )
    coarse = network(content, code, geometry=Geometry(stroke=2.0))
    assert float((coarse - plain).abs().max()) > 0.01


@pytest.mark.parametrize("preset", ["fast", "mobile"])
def test_spheres_have_no_seam(preset):
    network = tiny_network(_config(preset=preset))
    code = network.predict_code(_style(network.config, 1))
    content = _images(1, 3, 24, 48)
    sphere = Geometry(sphere=True)
    turned = network(content.roll(16, dims=3), code, geometry=sphere)
    torch.testing.assert_close(
        turned, network(content, code, geometry=sphere).roll(16, dims=3), rtol=1e-3, atol=1e-4
    )
    flat = network(content.roll(16, dims=3), code)
    assert not torch.allclose(flat, network(content, code).roll(16, dims=3), atol=1e-2)
    with pytest.raises(ValueError, match="multiple of 4"):
        network(_images(1, 3, 24, 46), code, geometry=sphere)


def test_the_filter_before_the_colors_removes_period_two_and_nothing_slow():
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(20.0), indexing="ij")
    for pattern in (rows % 2, columns % 2, (rows + columns) % 2):
        board = (1 - 2 * pattern).expand(1, 3, 16, 20)
        # The reflected border continues the pattern.
        assert float(remove_alternation(board).abs().max()) < 1e-6
    slow = torch.sin(2 * torch.pi * columns / 20 * 2).expand(1, 3, 16, 20)
    difference = (remove_alternation(slow, sphere=True) - slow).abs().max()
    assert float(difference) < 0.02


def test_identity_kernels_are_plain_normalization():
    x = torch.randn(1, 4, 8, 8, generator=torch_stream(0, "x"))
    plain = torch.nn.functional.instance_norm(x)
    for operator, kernel, groups in [("pointwise", 1, 1), ("depthwise", 3, 1), ("full", 3, 2)]:
        layer = DynamicInstanceNorm2d(
            "layer", 4, operator=operator, kernel_size=kernel, groups=groups
        )
        code = StyleCode({"layer": LayerCode(identity_kernels(layer)[None], torch.zeros(1, 4))})
        torch.testing.assert_close(layer(x, Pass((code,))), plain, rtol=1e-4, atol=1e-5)


def test_full_kernels_color_whitened_features_as_wct_does():
    stream = torch_stream(0, "wct")
    style = torch.randn(4, 500, generator=stream, dtype=torch.float64)
    style = torch.randn(4, 4, generator=stream, dtype=torch.float64) @ style
    values, vectors = torch.linalg.eigh(style.cov(correction=0))
    kernel = vectors @ values.sqrt().diag() @ vectors.T
    x = torch.randn(4, 900, generator=stream, dtype=torch.float64)
    x = x - x.mean(1, keepdim=True)
    own_values, own_vectors = torch.linalg.eigh(x.cov(correction=0))
    white = (own_vectors @ (1 / own_values.sqrt()).diag() @ own_vectors.T @ x).view(1, 4, 30, 30)
    layer = DynamicInstanceNorm2d("layer", 4, operator="full").double()
    code = StyleCode({"layer": LayerCode(kernel[None, :, :, None, None], style.mean(1)[None])})
    result = layer(white, Pass((code,))).flatten(2)[0]
    torch.testing.assert_close(result.mean(1), style.mean(1))
    torch.testing.assert_close(
        result.cov(correction=0), style.cov(correction=0), rtol=1e-3, atol=1e-3
    )


def test_fingerprints_tell_networks_apart():
    network = tiny_network(_config())
    first = network.fingerprint()
    assert first == tiny_network(_config()).fingerprint()
    assert first != tiny_network(_config(blocks=1)).fingerprint()
    with torch.no_grad():
        next(iter(network.encoder.parameters())).add_(1e-3)
    assert first != network.fingerprint()


def test_untrained_kernels_are_near_the_identity():
    with torch.random.fork_rng():
        network = build_network(_config())
    code = network.predict_code(torch.randn(8, 6, generator=torch_stream(0, "s")))
    for layer in code.layers.values():
        assert float((layer.weight - 1).detach().abs().mean()) < 0.3
        assert float(layer.bias.detach().abs().mean()) < 0.3


def test_presets_have_the_arithmetic_of_mobilenet():
    literal = build_network(preset_network("literal"))
    content = sum(p.numel() for n, p in literal.named_parameters() if not n.startswith("codes."))
    assert 80_000 < content < 120_000
    shipped = [build_network(preset_network(name)) for name in ("fast", "mobile")]
    assert sum(p.numel() for n in shipped for p in n.parameters()) < 1_500_000


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"kernel_size": 2, "conv_op": "depthwise"}, "odd"),
        ({"kernel_size": 3}, "use depthwise"),
        ({"conv_op": "deformable"}, "kernel_size 3"),
        ({"groups": 3, "conv_op": "full"}, "multiple of groups"),
        ({"blocks": 0}, "at least 1"),
    ],
)
def test_settings_that_make_no_network_are_refused(changes, rule):
    with pytest.raises(ValueError, match=rule):
        _config(**changes)
