"""Pictures of every mode are read to the same colors; what cannot be used is refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from din_style.pictures import (
    Picture,
    list_pictures,
    read_map,
    read_mask,
    read_picture,
    resize,
    write_picture,
)
from tenfold_shared.errors import UserError
from tenfold_shared.testing import tiny_image

SHAPE = (40, 56)


@pytest.fixture
def image() -> Image.Image:
    pixels = np.round(tiny_image(*SHAPE) * 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))


def expected(image: Image.Image) -> np.ndarray:
    return np.moveaxis(np.asarray(image.convert("RGB"), np.float32) / 255, -1, 0)


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a.tif", "a.bmp", "a.ppm", "a.webp"])
def test_lossless_kinds_are_read_exactly(image: Image.Image, tmp_path: Path, name: str):
    settings = {"lossless": True} if name.endswith("webp") else {}
    image.save(tmp_path / name, **settings)
    picture = read_picture(tmp_path / name)
    assert picture.alpha is None
    np.testing.assert_allclose(picture.pixels, expected(image), atol=1e-6)


def test_gray_palette_and_one_bit(image: Image.Image, tmp_path: Path):
    for mode in ("L", "P", "1"):
        converted = image.convert(mode)
        converted.save(tmp_path / "a.png")
        np.testing.assert_allclose(
            read_picture(tmp_path / "a.png").pixels, expected(converted), atol=1e-6
        )


def test_sixteen_bits_of_gray_are_kept(tmp_path: Path):
    values = np.linspace(0, 65535, SHAPE[0] * SHAPE[1]).astype(np.uint16).reshape(SHAPE)
    Image.fromarray(values).save(tmp_path / "a.png")
    pixels = read_picture(tmp_path / "a.png").pixels
    np.testing.assert_allclose(pixels, np.repeat(values[None] / 65535, 3, 0), atol=1e-6)


def test_cmyk(image: Image.Image, tmp_path: Path):
    image.convert("CMYK").save(tmp_path / "a.jpg", quality=100, subsampling=0)
    pixels = read_picture(tmp_path / "a.jpg").pixels
    assert np.abs(pixels - expected(image)).mean() < 0.02


def test_transparency_lies_over_white_and_is_kept(image: Image.Image, tmp_path: Path):
    opacity = np.tile(np.linspace(0, 255, SHAPE[1]).astype(np.uint8), (SHAPE[0], 1))
    image.putalpha(Image.fromarray(opacity))
    image.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    alpha = opacity[None] / np.float32(255)
    assert picture.alpha is not None
    np.testing.assert_allclose(picture.alpha, alpha, atol=1e-6)
    np.testing.assert_allclose(picture.pixels, expected(image) * alpha + 1 - alpha, atol=1e-5)
    write_picture(tmp_path / "b.png", picture.pixels, alpha=picture.alpha)
    again = Image.open(tmp_path / "b.png")
    assert again.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(again)[..., 3], opacity)
    write_picture(tmp_path / "b.jpg", picture.pixels, alpha=picture.alpha)
    assert Image.open(tmp_path / "b.jpg").mode == "RGB"


def test_opaque_alpha_is_no_alpha(image: Image.Image, tmp_path: Path):
    image.convert("RGBA").save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").alpha is None


def test_exif_turns_the_picture(image: Image.Image, tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    assert read_picture(tmp_path / "a.png").size == SHAPE[::-1]


def test_profile_changes_colors(image: Image.Image, tmp_path: Path):
    linear = ImageCms.createProfile("XYZ")
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "odd.png", icc_profile=b"no profile")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "same.png", icc_profile=srgb)
    plain = read_picture(tmp_path / "plain.png").pixels
    np.testing.assert_array_equal(read_picture(tmp_path / "odd.png").pixels, plain)
    np.testing.assert_allclose(read_picture(tmp_path / "same.png").pixels, plain, atol=1.1 / 255)
    lab = ImageCms.createProfile("LAB")
    for profile in (linear, lab):  # of other color spaces: as if there was none
        image.save(tmp_path / "other.png", icc_profile=ImageCms.ImageCmsProfile(profile).tobytes())
        assert read_picture(tmp_path / "other.png").size == SHAPE


def test_quality_of_jpeg_matters(image: Image.Image, tmp_path: Path):
    pixels = expected(image)
    for quality in (10, 95):
        write_picture(tmp_path / f"{quality}.jpg", pixels, quality=quality)
    errors = [np.abs(read_picture(tmp_path / f"{q}.jpg").pixels - pixels).mean() for q in (10, 95)]
    assert errors[1] < errors[0] / 2


def test_refusals(image: Image.Image, tmp_path: Path):
    image.save(tmp_path / "a.png")
    image.crop((0, 0, 31, 40)).save(tmp_path / "small.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    (tmp_path / "text.png").write_text("hello")
    cases = {
        "none.png": "does not exist",
        "small.png": "at least 32",
        "cut.png": "cannot be read",
        "text.png": "not a picture",
        ".": "is a folder",
    }
    for name, words in cases.items():
        with pytest.raises(UserError, match=words):
            read_picture(tmp_path / name)
    with pytest.raises(UserError, match="more than the limit"):
        read_picture(tmp_path / "a.png", limit_megapixels=1e-4)
    with pytest.raises(UserError, match="no pictures"):
        list_pictures(tmp_path.parent / tmp_path.name / "..")
    with pytest.raises(ValueError, match="end the name"):
        write_picture(tmp_path / "a.xyz", expected(image))
    with pytest.raises(ValueError, match="quality"):
        write_picture(tmp_path / "a.jpg", expected(image), quality=0)
    with pytest.raises(ValueError, match="finite"):
        write_picture(tmp_path / "a.jpg", expected(image) * np.float32("nan"))


def test_masks(image: Image.Image, tmp_path: Path):
    white = np.zeros(SHAPE, np.uint8)
    Image.fromarray(white).save(tmp_path / "empty.png")
    white[:, :20] = 255
    Image.fromarray(white).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", SHAPE), white / np.float32(255))
    with pytest.raises(UserError, match="selects no pixel"):
        read_mask(tmp_path / "empty.png", SHAPE)
    with pytest.raises(UserError, match="make them alike"):
        read_mask(tmp_path / "mask.png", SHAPE[::-1])


def test_masks_are_scaled_with_their_picture(image: Image.Image, tmp_path: Path):
    half = np.zeros(SHAPE, np.uint8)
    half[:, : SHAPE[1] // 2] = 255
    Image.fromarray(half).save(tmp_path / "mask.png")
    smaller = (SHAPE[0] // 2, SHAPE[1] // 2)
    mask = read_mask(tmp_path / "mask.png", smaller, before=SHAPE)
    assert mask.shape == smaller
    assert mask[:, 0].min() > 0.9
    assert mask[:, -1].max() < 0.1
    with pytest.raises(UserError, match="make them alike"):
        read_mask(tmp_path / "mask.png", smaller, before=SHAPE[::-1])


def test_a_map_may_be_black(tmp_path: Path):
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(tmp_path / "map.png")
    assert read_map(tmp_path / "map.png", SHAPE).max() == 0


def test_sizes_beyond_all_pictures_are_refused(image: Image.Image, tmp_path: Path):
    image.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    with pytest.raises(ValueError, match="at most 100 megapixels"):
        picture.resized(100_000_000)


def test_folders_are_listed_by_name(image: Image.Image, tmp_path: Path):
    for name in ("b.JPG", "a.png", ".hidden.png"):
        image.save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    assert [path.name for path in list_pictures(tmp_path)] == ["a.png", "b.JPG"]


def test_resizing_keeps_flat_colors_and_the_range():
    flat = np.full((3, 33, 47), 0.3, np.float32)
    np.testing.assert_allclose(resize(flat, (17, 90)), 0.3, atol=1e-6)
    edges = tiny_image(*SHAPE)
    assert resize(edges, (91, 33)).max() <= 1
    assert Picture(edges).resized(20).size == (20, 28)
