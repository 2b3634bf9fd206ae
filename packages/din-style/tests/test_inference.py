"""Every control does what it says, and nothing where it should do nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_networks import PixelEncoder, tiny_network, tiny_transfer
from torch import Tensor

import din_style.picture_pass as picture_pass
from din_style.color import luminance
from din_style.inference import StyleTransfer
from din_style.style_code import StyleCode
from tenfold_shared.errors import UserError
from tenfold_shared.images import write_image
from tenfold_shared.seeds import torch_stream

HEIGHT, WIDTH = 42, 55


def noise(name: str, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    return torch.rand(3, height, width, generator=torch_stream(0, name))


@pytest.fixture
def transfer() -> StyleTransfer:
    return tiny_transfer()


@pytest.fixture
def content() -> Tensor:
    return noise("content")


@pytest.fixture
def styles() -> list[Tensor]:
    return [noise("first") * 0.3, 0.5 + noise("second") * 0.5, noise("third") ** 3]


def test_result_has_the_size_of_the_content(transfer: StyleTransfer, styles: list[Tensor]):
    for size in ((32, 32), (33, 35), (34, 97)):
        result = transfer.stylize(noise("c", *size), styles[0])
        assert result.shape == (3, *size)
        assert result.min() >= 0
        assert result.max() <= 1


def test_three_lines_on_files(transfer: StyleTransfer, content: Tensor, tmp_path: Path):
    write_image(tmp_path / "c.png", content)
    write_image(tmp_path / "s.png", noise("first"))
    result = transfer.stylize(tmp_path / "c.png", str(tmp_path / "s.png"))
    rounded = [(image * 255).round() / 255 for image in (content, noise("first"))]
    torch.testing.assert_close(result, transfer.stylize(*rounded))


def test_strength_zero_returns_the_content_and_small_strengths_stay_near(
    transfer: StyleTransfer, content: Tensor, styles: list[Tensor]
):
    assert torch.equal(transfer.stylize(content, styles[0], strength=0), content)
    full = transfer.stylize(content, styles[0])
    assert (full - content).abs().mean() > 0.05, "test invalid"
    moved = [
        float((transfer.stylize(content, styles[0], strength=s) - content).abs().mean())
        for s in (0.01, 0.25, 0.5, 0.75, 1.0)
    ]
    assert moved[0] < 0.02 * moved[-1] + 0.01
    assert moved == sorted(moved)
    near = transfer.stylize(content, styles[0], strength=0.9999)
    torch.testing.assert_close(near, full, atol=1e-3, rtol=0)


def test_mixing(transfer: StyleTransfer, content: Tensor, styles: list[Tensor]):
    first, second, _ = (transfer.stylize(content, style) for style in styles)
    assert (first - second).abs().max() > 0.05, "test invalid"
    alone = transfer.stylize(content, styles[:2], mix_weights=[1, 0])
    torch.testing.assert_close(alone, first)
    equal = transfer.stylize(content, styles[:2])
    torch.testing.assert_close(equal, transfer.stylize(content, styles[:2], mix_weights=[3, 3]))
    assert (equal - first).abs().max() > 0.01
    for weights in ([1, -1], [0, 0], [1], [float("nan"), 1]):
        with pytest.raises(ValueError, match="mixing"):
            transfer.stylize(content, styles[:2], mix_weights=weights)


def test_masks_place_styles(transfer: StyleTransfer, content: Tensor, styles: list[Tensor]):
    left = torch.zeros(HEIGHT, WIDTH)
    left[:, :28] = 1
    whole = transfer.stylize(content, styles[0], masks=[torch.ones(HEIGHT, WIDTH)])
    torch.testing.assert_close(whole, transfer.stylize(content, styles[0]), atol=1e-5, rtol=0)
    half = transfer.stylize(content, styles[0], masks=[left])
    assert torch.equal(half[..., 28:], content[..., 28:])
    torch.testing.assert_close(half[..., :28], whole[..., :28], atol=1e-5, rtol=0)
    both = transfer.stylize(content, styles[:2], masks=[left, 1 - left])
    second = transfer.stylize(content, styles[1])
    near = [(both - one).abs().mean((0, 1)) for one in (whole, second)]
    assert near[0][:10].mean() < near[1][:10].mean()
    assert near[1][-10:].mean() < near[0][-10:].mean()


def test_masks_that_do_not_fit_are_refused(
    transfer: StyleTransfer, content: Tensor, styles: list[Tensor]
):
    full = torch.ones(HEIGHT, WIDTH)
    for masks, words in (
        ([full, full], "one mask per style"),
        ([full[1:]], "content's size"),
        ([0 * full], "select some pixels"),
        ([full * float("nan")], "select some pixels"),
    ):
        with pytest.raises(ValueError, match=words):
            transfer.stylize(content, styles[0], masks=masks)
    with pytest.raises(ValueError, match="mixed or placed"):
        transfer.stylize(content, styles[:2], masks=[full, full], mix_weights=[1, 1])


def test_kept_colors(transfer: StyleTransfer, content: Tensor, styles: list[Tensor]):
    plain = transfer.stylize(content, styles[0])
    kept = transfer.stylize(content, styles[0], keep_color="luminance")
    assert (kept - plain).abs().max() > 0.05, "test invalid"
    torch.testing.assert_close(luminance(kept[None]), luminance(plain[None]), atol=1e-5, rtol=0)
    gray = content.mean(0).expand(3, -1, -1)
    result = transfer.stylize(gray, styles[0], keep_color="luminance")
    torch.testing.assert_close(result[0], result[2], atol=1e-5, rtol=0)
    same = transfer.stylize(content, content, keep_color="histogram")
    torch.testing.assert_close(same, transfer.stylize(content, content), atol=1e-4, rtol=0)
    code = transfer.encode(styles[0])
    with pytest.raises(ValueError, match="needs the style picture"):
        transfer.stylize(content, code, keep_color="covariance")


def test_strokes(transfer: StyleTransfer, content: Tensor, styles: list[Tensor]):
    plain = transfer.stylize(content, styles[0])
    large = transfer.stylize(content, styles[0], stroke=2.0)
    assert (plain - large).abs().max() > 0.01
    ones = torch.ones(HEIGHT, WIDTH)
    torch.testing.assert_close(
        transfer.stylize(content, styles[0], stroke=ones), plain, atol=1e-4, rtol=0
    )
    torch.testing.assert_close(
        transfer.stylize(content, styles[0], stroke=2 * ones), large, atol=1e-4, rtol=0
    )
    with pytest.raises(ValueError, match="stroke map"):
        transfer.stylize(content, styles[0], stroke=ones[1:])
    for stroke in (0.0, 5.0, float("nan")):
        with pytest.raises(ValueError, match=r"\[0.25, 4\]"):
            transfer.stylize(content, styles[0], stroke=stroke)


def test_a_sphere_has_no_seam(transfer: StyleTransfer, styles: list[Tensor]):
    content = noise("globe", 32, 64)
    turned = transfer.stylize(content.roll(16, 2), styles[0], sphere=True).roll(-16, 2)
    result = transfer.stylize(content, styles[0], sphere=True)
    torch.testing.assert_close(turned, result, atol=1e-4, rtol=0)
    flat = transfer.stylize(content.roll(16, 2), styles[0]).roll(-16, 2)
    assert (flat - transfer.stylize(content, styles[0])).abs().max() > 0.01, "test invalid"
    with pytest.raises(ValueError, match="multiple of 4"):
        transfer.stylize(noise("globe", 32, 63), styles[0], sphere=True)


def test_large_pictures_go_in_strips_and_come_out_the_same(
    transfer: StyleTransfer, styles: list[Tensor], monkeypatch: pytest.MonkeyPatch
):
    content = noise("large", 203, 50)
    mask = (noise("mask", 203, 50)[0] > 0.5).float()
    plain = transfer.stylize(content, styles[0], strength=0.6)
    masked = transfer.stylize(content, styles[:2], masks=[mask, 1 - mask])
    monkeypatch.setattr(picture_pass, "STRIPS_FROM", 1)
    torch.testing.assert_close(
        transfer.stylize(content, styles[0], strength=0.6), plain, atol=1e-4, rtol=0
    )
    torch.testing.assert_close(
        transfer.stylize(content, styles[:2], masks=[mask, 1 - mask]), masked, atol=1e-4, rtol=0
    )


def test_one_style_is_encoded_once_for_many_pictures(content: Tensor, tmp_path: Path):
    encoder = PixelEncoder()
    transfer = StyleTransfer(tiny_network(), encoder)
    code = transfer.encode(noise("first"))
    for number in range(5):
        transfer.stylize(noise(f"c{number}"), code)
    assert encoder.calls == 1
    code.save(tmp_path / "code.safetensors")
    again = StyleCode.load(tmp_path / "code.safetensors")
    torch.testing.assert_close(
        transfer.stylize(content, again), transfer.stylize(content, noise("first"))
    )


def test_codes_of_other_networks_are_refused(transfer: StyleTransfer, content: Tensor):
    from dataclasses import replace

    code = replace(transfer.encode(content), fingerprint="another")
    with pytest.raises(ValueError, match="encode the style again"):
        transfer.stylize(content, code)


def test_flat_and_black_pictures_are_finite(transfer: StyleTransfer, content: Tensor):
    for flat in (torch.zeros(3, 40, 40), torch.full((3, 40, 40), 0.5)):
        assert transfer.stylize(flat, content).isfinite().all()
        assert transfer.stylize(content, flat).isfinite().all()
        assert (
            float(transfer.stylize(flat, content).std((1, 2)).max()) < 1e-3
        )  # no noise is made up


def test_style_size_scales_the_style(content: Tensor):
    seen = []

    def encoder(images: Tensor) -> Tensor:
        seen.append(tuple(images.shape[2:]))
        return PixelEncoder()(images)

    transfer = StyleTransfer(tiny_network(), encoder)
    transfer.stylize(content, noise("s", 64, 96), style_size=32)
    assert seen == [(32, 48)]


def test_numpy_is_taken_and_wrong_arrays_are_refused(transfer: StyleTransfer, content: Tensor):
    result = transfer.stylize(content.numpy(), content[None])
    torch.testing.assert_close(result, transfer.stylize(content, content))
    for wrong in (
        content[:2],
        torch.rand(2, 3, 40, 40),
        torch.rand(3, 31, 40),
        np.zeros((40, 40, 3)),
    ):
        with pytest.raises(ValueError, match="content must be"):
            transfer.stylize(wrong, content)
    with pytest.raises(ValueError, match="finite"):
        transfer.stylize(content * float("nan"), content)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strength": 1.5}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"keep_color": "all"}, "keep_color"),
        ({"style_size": 16}, "style_size"),
    ],
)
def test_settings_out_of_range_are_refused(
    transfer: StyleTransfer, content: Tensor, settings: dict, words: str
):
    with pytest.raises(ValueError, match=words):
        transfer.stylize(content, content, **settings)


def test_too_large_pictures_are_refused_with_a_size_that_fits(content: Tensor):
    code = tiny_transfer().encode(content)
    transfer = tiny_transfer(memory_limit_gib=0.294)
    with pytest.raises(UserError, match=r"--size \d+"):
        transfer.stylize(noise("c", 400, 500), code)
    transfer.stylize(content, code)


def test_styles_that_scaling_makes_too_large_are_refused(transfer: StyleTransfer, content: Tensor):
    with pytest.raises(UserError, match=r"use --style-size \d+"):
        transfer.stylize(content, noise("s"), style_size=100_000)
    with pytest.raises(UserError, match=r"A style of 21333.. x 256"):
        transfer.encode(torch.zeros(3, 36, 300_000))  # two million pixels long at 256
    transfer.encode(torch.zeros(3, 36, 360))


def test_a_limit_below_everything_names_no_size():
    transfer = tiny_transfer(memory_limit_gib=0.01)
    with pytest.raises(UserError, match="raise --memory-limit") as refused:
        transfer.stylize(noise("c"), noise("s"))
    assert "--style-size" not in str(refused.value)


def test_masks_count_in_the_memory(content: Tensor):
    code = tiny_transfer().encode(content)
    picture, masks = torch.zeros(3, 200, 250), torch.ones(9, 200, 250)
    transfer = tiny_transfer(memory_limit_gib=0.2965)
    transfer.stylize(picture, code)
    with pytest.raises(UserError, match="memory-limit"):
        transfer.stylize(picture, [code] * 9, masks=masks)


def test_a_missing_file_is_one_sentence(transfer: StyleTransfer, content: Tensor, tmp_path: Path):
    with pytest.raises(UserError, match="does not exist"):
        transfer.stylize(content, tmp_path / "none.png")
