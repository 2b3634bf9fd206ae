import io
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from tenfold_shared import UserError, image_grid, read_image, write_image
from tenfold_shared.testing import damaged_files, refusal, tiny_image

FORMATS = ["png", "jpg", "tif", "bmp", "gif", "webp"]


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_lossless_formats_round_trip(tmp_path, suffix):
    image = np.round(tiny_image() * 255) / np.float32(255)
    path = tmp_path / f"a b é.{suffix}"
    write_image(path, image)
    found = read_image(path)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, image, atol=1e-7)
    write_image(path, image[:1])
    np.testing.assert_allclose(read_image(path, color="gray"), image[:1], atol=1e-7)
    assert read_image(path).shape == (3, 16, 24)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "gif"])
def test_lossy_formats_come_close(tmp_path, suffix):
    write_image(tmp_path / f"a.{suffix}", tiny_image(64, 64))
    assert abs(read_image(tmp_path / f"a.{suffix}") - tiny_image(64, 64)).mean() < 0.05


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_of_gray_are_kept(tmp_path, suffix):
    values = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(4, 16)
    path = save(tmp_path / f"a.{suffix}", values)
    saturated = np.asarray(Image.open(path).convert("RGB"))[..., 0] / 255
    assert abs(saturated - values / 65535).max() > 0.3, "test invalid"
    np.testing.assert_allclose(read_image(path, color="gray")[0], values / 65535, atol=1e-7)
    np.testing.assert_allclose(read_image(path)[2], values / 65535, atol=1e-7)


def test_big_endian_and_wide_integers(tmp_path):
    values = np.array([[0, 258], [40000, 65535]], dtype=np.int32)
    path = save(tmp_path / "a.tif", values)
    np.testing.assert_allclose(read_image(path, color="gray")[0], values / 65535, atol=1e-7)
    big = Image.frombytes("I;16B", (2, 2), values.astype(">u2").tobytes())
    big.save(tmp_path / "b.tif")
    np.testing.assert_allclose(
        read_image(tmp_path / "b.tif", color="gray")[0], values / 65535, atol=1e-7
    )
    save(path, values * 2)
    with pytest.raises(UserError, match="beyond 16 bits"):
        read_image(path)


def test_decimal_numbers_are_kept_between_zero_and_one(tmp_path):
    values = np.array([[0.25, 0.125], [1, 0]], dtype=np.float32)
    path = save(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(read_image(path, color="gray")[0], values)
    for bad in (2, -0.5, np.nan, np.inf):
        values[0, 0] = bad
        save(path, values)
        with pytest.raises(UserError, match="outside 0 to 1"):
            read_image(path)


def test_rotation_from_exif_is_applied(tmp_path):
    image = np.round(tiny_image(16, 24) * 255).astype(np.uint8).transpose(1, 2, 0)
    picture = Image.fromarray(image)
    exif = picture.getexif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to see it upright
    picture.save(tmp_path / "a.png", exif=exif)
    found = read_image(tmp_path / "a.png")
    assert found.shape == (3, 24, 16)
    np.testing.assert_allclose(found, np.rot90(image, -1).transpose(2, 0, 1) / 255, atol=1e-6)
    gray = Image.fromarray(image[..., 0].astype(np.uint16) * 257)
    gray.save(tmp_path / "b.png", exif=exif)
    found = read_image(tmp_path / "b.png", color="gray")
    np.testing.assert_allclose(found[0], np.rot90(image[..., 0], -1) / 255, atol=1e-6)


def test_transparency_is_laid_over_white(tmp_path):
    pixels = np.zeros((1, 3, 4), dtype=np.uint8)
    pixels[0, :, 3] = [255, 128, 0]
    found = read_image(save(tmp_path / "a.png", pixels))
    np.testing.assert_allclose(found[:, 0], np.tile([0, 127 / 255, 1], (3, 1)), atol=1e-6)
    gray_alpha = np.array([[[0, 0], [100, 255]]], dtype=np.uint8)
    found = read_image(save(tmp_path / "b.png", gray_alpha), color="gray")
    np.testing.assert_allclose(found[0, 0], [1, 100 / 255], atol=1e-6)
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "c.gif", transparency=0)
    np.testing.assert_allclose(
        read_image(tmp_path / "c.gif")[:, 0].T * 255, [[255] * 3, [40, 50, 60]], atol=1e-3
    )


def test_palettes_cmyk_and_one_bit_become_rgb(tmp_path):
    color = Image.new("RGB", (4, 3), (200, 40, 90))
    color.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_image(tmp_path / "a.png")[:, 0, 0] * 255, [200, 40, 90], atol=4)
    color.convert("CMYK").save(tmp_path / "b.jpg", quality=100)
    np.testing.assert_allclose(read_image(tmp_path / "b.jpg")[:, 0, 0] * 255, [200, 40, 90], atol=4)
    Image.new("1", (4, 3), 1).save(tmp_path / "c.png")
    np.testing.assert_array_equal(read_image(tmp_path / "c.png"), np.ones((3, 3, 4)))


def test_gray_is_luminance(tmp_path):
    path = save(tmp_path / "a.png", np.eye(3, dtype=np.uint8)[None] * 255)
    np.testing.assert_allclose(read_image(path, color="gray")[0, 0], [0.299, 0.587, 0.114])


def test_the_limit_is_checked_before_decoding(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", np.zeros((1001, 1000), dtype=np.uint8))

    def decode(*arguments):
        raise AssertionError("decoded")

    with monkeypatch.context() as patch:
        patch.setattr("PIL.ImageFile.ImageFile.load", decode)
        with pytest.raises(UserError, match="1000 x 1001 pixels, more than the limit of 1 mega"):
            read_image(path, limit_megapixels=1)
        with pytest.raises(AssertionError, match="decoded"):
            read_image(path, limit_megapixels=2)


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_bombs_are_refused_by_their_header(tmp_path, side):
    """A header can claim any size; 60,000 squared is beyond Pillow's own limit, too."""
    data = bytearray(save(tmp_path / "a.png", np.zeros((1, 1), dtype=np.uint8)).read_bytes())
    data[16:24] = side.to_bytes(4) * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    (tmp_path / "a.png").write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError, match=r"a\.png"):
            read_image(tmp_path / "a.png")


def with_right_checksums(data):
    """Repair the checksums of a damaged PNG, behind which the decoders hide."""
    parts, place = [data[:8]], 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4])
        parts += [data[place:end], zlib.crc32(data[place + 4 : end]).to_bytes(4)]
        place = end + 4
    return b"".join(parts)


@pytest.mark.parametrize("suffix", [*FORMATS, "lzw.tif", "p.png", "cmyk.jpg", "16.png", "crc.png"])
def test_two_thousand_damaged_pictures_give_pictures_or_sentences(tmp_path, suffix, capfd):
    stream, image = (
        io.BytesIO(),
        Image.fromarray((tiny_image().transpose(1, 2, 0) * 255).astype("u1")),
    )
    kind = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix.split(".")[-1], suffix.split(".")[-1])
    options = {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"}
    if suffix == "lzw.tif":
        options = {"compression": "tiff_lzw"}
    elif suffix == "p.png":
        image, options = image.convert("P"), {"transparency": 3}
    elif suffix == "cmyk.jpg":
        image = image.convert("CMYK")
    elif suffix == "16.png":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    image.save(stream, format=kind, **({} if suffix in ("bmp", "gif") else options))
    path = tmp_path / "damaged"
    found, sentences = [], []

    def read():
        found.append(read_image(path, limit_megapixels=1))

    for damaged in damaged_files(stream.getvalue(), count=2000 if suffix in FORMATS else 500):
        path.write_bytes(with_right_checksums(damaged) if suffix == "crc.png" else damaged)
        sentences.append(refusal(read))
    assert all(str(path) in sentence for sentence in sentences if sentence)
    assert 0 < len(found) < len(sentences) - 20
    for image in found:
        assert image.dtype == np.float32
        assert image.shape[0] == 3
        assert image.min() >= 0
        assert image.max() <= 1
    if "tif" not in suffix:  # libtiff itself writes remarks to the terminal
        assert capfd.readouterr() == ("", "")


def test_other_files_are_named(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_image(tmp_path / "none.png")
    with pytest.raises(UserError, match="cannot be read"):
        read_image(tmp_path)
    (tmp_path / "a.png").write_bytes(b"%PDF-1.4 not a picture")
    with pytest.raises(UserError, match="is not a picture"):
        read_image(tmp_path / "a.png")
    with pytest.raises(ValueError, match="color must be rgb or gray"):
        read_image(tmp_path / "a.png", color="RGB")


def test_wrong_pictures_are_not_written(tmp_path):
    good = tiny_image()
    for bad, match in [
        (good[0], "height, width"),
        (good[:2], "height, width"),
        (good[:, :0], "height, width"),
        (good * np.nan, "finite"),
    ]:
        with pytest.raises(ValueError, match=match):
            write_image(tmp_path / "a.png", bad)
    for name in ("a", "a.exe", "a.pdf"):
        with pytest.raises(ValueError, match=r"end the name in \.png"):
            write_image(tmp_path / name, good)
    assert not list(tmp_path.iterdir())
    write_image(tmp_path / "a.png", good * 3 - 1)
    assert read_image(tmp_path / "a.png").max() == 1


def test_a_tensor_is_written_like_an_array(tmp_path):
    torch = pytest.importorskip("torch")
    write_image(tmp_path / "a.png", tiny_image())
    write_image(tmp_path / "b.png", torch.from_numpy(tiny_image()))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_grid_puts_every_picture_in_its_place():
    images = [np.full((1, 2, 3), i / 10, dtype=np.float32) for i in range(5)]
    grid = image_grid(images, columns=2, padding=1)
    assert grid.shape == (1, 10, 9)
    for index, image in enumerate(images):
        top, left = 1 + index // 2 * 3, 1 + index % 2 * 4
        np.testing.assert_array_equal(grid[:, top : top + 2, left : left + 3], image)
    assert (grid == 1).sum() == grid.size - 5 * 6
    assert image_grid(images, padding=0).shape == (1, 4, 9)


def test_unequal_pictures_make_no_grid():
    for images in ([], [tiny_image(), tiny_image(5, 5)], [tiny_image()[0]]):
        with pytest.raises(ValueError, match="one shape"):
            image_grid(images)
    with pytest.raises(ValueError, match="columns"):
        image_grid([tiny_image()], columns=0)
