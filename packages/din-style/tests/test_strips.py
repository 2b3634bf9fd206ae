"""Strips equal the whole picture, and would not without its statistics or its halo."""

import pytest
import torch
from torch import Tensor

import din_style.strips as strips
from din_style.config import NetworkConfig
from din_style.dynamic_normalization import measure_statistics
from din_style.networks import TransferNetwork, build_network
from din_style.operators import PLAIN, Geometry
from din_style.strips import StatisticsSum, stylize_in_strips
from din_style.style_code import StyleCode
from tenfold_shared.seeds import torch_stream

PRESETS = {
    "fast": NetworkConfig(preset="fast", width=8, stem=8, blocks=1, style_numbers=6),
    "mobile": NetworkConfig(preset="mobile", width=8, stem=4, blocks=1, style_numbers=6),
    "literal": NetworkConfig(preset="literal", width=8, stem=4, blocks=1, style_numbers=6),
}


def network_and_codes(preset: str) -> tuple[TransferNetwork, list[StyleCode]]:
    stream = torch_stream(0, preset)
    network = build_network(PRESETS[preset])
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.copy_(0.4 * torch.randn(tensor.shape, generator=stream))
        return network, [
            network.predict_code(torch.randn(1, 6, generator=stream)) for _ in range(2)
        ]


def picture(height: int = 200, width: int = 48) -> Tensor:
    image = torch.rand(1, 3, height, width, generator=torch_stream(1))
    image[..., : height // 3, :] *= 0.2  # a strip is no fair sample of the whole
    return image


@pytest.mark.parametrize("kept_bytes", [0, 1000])
@pytest.mark.parametrize("preset", PRESETS)
@torch.no_grad()
def test_strips_equal_the_whole(preset: str, kept_bytes: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(strips, "KEPT_BYTES", kept_bytes)
    network, (code, _) = network_and_codes(preset)
    content = picture()
    whole = network(content, code)
    parts = torch.cat([network(part, code) for part in content.split(40, dim=2)], dim=2)
    assert (parts - whole).abs().max() > 1e-2, "test invalid"
    torch.testing.assert_close(
        stylize_in_strips(network, content, [code], rows=40), whole, atol=2e-5, rtol=0
    )


@torch.no_grad()
def test_without_halo_seams_appear(monkeypatch: pytest.MonkeyPatch):
    network, (code, _) = network_and_codes("fast")
    monkeypatch.setattr(strips, "HALO", 0)
    seamed = stylize_in_strips(network, picture(), [code], rows=40)
    assert (seamed - network(picture(), code)).abs().max() > 1e-2


@pytest.mark.parametrize(
    "geometry", [PLAIN, Geometry(sphere=True), Geometry(stroke=torch.rand(1, 1, 200, 48) + 0.5)],
    ids=["plain", "sphere", "strokes"],
)  # fmt: skip
@torch.no_grad()
def test_strips_equal_the_whole_with_masks_and_geometries(geometry: Geometry):
    network, codes = network_and_codes("fast")
    content = picture()
    share = torch.rand(1, 1, 200, 48, generator=torch_stream(2))
    masks = torch.cat([share, 1 - share], dim=1)
    whole = network(content, codes, masks=masks, geometry=geometry)
    found = stylize_in_strips(network, content, codes, masks=masks, geometry=geometry, rows=64)
    torch.testing.assert_close(found, whole, atol=2e-5, rtol=0)


def test_statistics_of_parts_are_those_of_the_whole():
    x = 100 + torch.randn(2, 3, 20, 8, generator=torch_stream(3))
    weights = torch.rand(20, 1, generator=torch_stream(4))
    for rows in (None, weights):
        total = StatisticsSum()
        for start in range(0, 20, 6):
            part = slice(start, start + 6)
            total.add(x[:, :, part], None if rows is None else rows[part])
        positions = None if rows is None else rows.expand(20, 8)
        expected = measure_statistics(x.double(), position_weights=positions)
        torch.testing.assert_close(total.statistics.mean, expected.mean.float())
        torch.testing.assert_close(total.statistics.std, expected.std.float())


@torch.no_grad()
def test_settled_statistics_are_used_and_asked_once_for_each_layer():
    network, (code, _) = network_and_codes("fast")
    names = []

    def settle(name, statistics):
        names.append(name)
        return type(statistics)(statistics.mean + 1, statistics.std)

    found = stylize_in_strips(network, picture(), [code], settle=settle, rows=40)
    assert (found - network(picture(), code)).abs().max() > 1e-2
    assert len(names) == len(set(names)) == 6
