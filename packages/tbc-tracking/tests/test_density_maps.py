"""Density maps from every container are the same maps, and impossible ones are refused."""

import numpy as np
import pytest
from PIL import Image

from tbc_tracking.density_maps import open_density
from tenfold_shared.errors import UserError

MAPS = np.random.default_rng(0).random((5, 4, 6)).astype(np.float32)


def write(folder, kind, maps):
    if kind == "npy":
        np.save(folder / "maps.npy", maps)
        return folder / "maps.npy"
    pages = [Image.fromarray(values) for values in maps]
    if kind == "stack":
        pages[0].save(folder / "maps.tif", save_all=True, append_images=pages[1:])
        return folder / "maps.tif"
    for index, page in enumerate(pages):
        if kind == "folder of tif":
            page.save(folder / f"map{index + 8}.tif")
        else:
            np.save(folder / f"map{index + 8}.npy", maps[index])
    return folder


@pytest.mark.parametrize("kind", ["npy", "stack", "folder of tif", "folder of npy"])
def test_every_container_holds_the_same_maps(tmp_path, kind):
    maps = open_density(write(tmp_path, kind, MAPS))
    assert (len(maps), maps.shape) == (5, (5, 4, 6))
    np.testing.assert_array_equal(np.stack(list(maps)), MAPS)
    np.testing.assert_array_equal(maps[1:5:2], MAPS[1:5:2])
    np.testing.assert_array_equal(maps[-1], MAPS[-1])
    np.testing.assert_array_equal(maps[1], MAPS[1])
    np.testing.assert_array_equal(maps[1], MAPS[1])
    assert maps[3].dtype == np.float32
    assert maps[5:].shape == (0, 4, 6)
    with pytest.raises(IndexError):
        maps[5]


@pytest.mark.parametrize("convert", [np.asfortranarray, lambda a: a.astype(">f8")])
def test_layout_and_byte_order_do_not_matter(tmp_path, convert):
    np.save(tmp_path / "maps.npy", convert(MAPS))
    np.testing.assert_array_equal(open_density(tmp_path / "maps.npy")[:], MAPS)


def test_a_small_dip_below_zero_is_clipped_and_a_large_one_refused(tmp_path):
    maps = MAPS / MAPS.max()
    maps[2, 1, 1] = -0.049
    opened = open_density(write(tmp_path, "npy", maps))
    assert opened[2][1, 1] == 0.0
    maps[2, 1, 1] = -0.051
    with pytest.raises(UserError, match=r"Map 2 of .*maps\.npy has the value -0\.051"):
        open_density(write(tmp_path, "npy", maps))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["npy", "stack", "folder of tif", "folder of npy"])
def test_values_that_are_no_numbers_are_refused(tmp_path, kind, value):
    maps = MAPS.copy()
    maps[3, 0, 0] = value
    with pytest.raises(UserError, match=r"Map 3 of .* NaN or infinite"):
        open_density(write(tmp_path, kind, maps))


def test_other_contents_are_refused(tmp_path):
    for name, array, message in (
        ("flat.npy", MAPS[0], r"must hold an array \(frames, height, width\)"),
        ("words.npy", np.array([["a"]]), "holds values of type"),
        ("empty.npy", MAPS[:0], "holds no density map"),
        ("none.npy", MAPS[:, :0], "holds no density map"),
    ):
        np.save(tmp_path / name, array)
        with pytest.raises(UserError, match=message):
            open_density(tmp_path / name)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(UserError, match="holds values of type object"):
        open_density(tmp_path / "objects.npy")
    with pytest.raises(UserError, match="does not exist"):
        open_density(tmp_path / "absent.npy")


def test_maps_of_differing_size_are_refused(tmp_path):
    np.save(tmp_path / "a1.npy", MAPS[0])
    np.save(tmp_path / "a2.npy", MAPS[0, :3])
    with pytest.raises(UserError, match=r"Map 1 of .* is 6 x 3, but the first is 6 x 4"):
        open_density(tmp_path)


def test_a_header_that_promises_terabytes_is_refused(tmp_path):
    path = write(tmp_path, "npy", MAPS)
    data = path.read_bytes()
    forged = data.replace(b"(5, 4, 6), }          ", b"(5, 4, 6000000000), } ")
    assert forged != data
    path.write_bytes(forged)
    with pytest.raises(UserError, match="shorter than its header says"):
        open_density(path)


def test_folders_without_maps_say_what_is_expected(tmp_path):
    with pytest.raises(UserError, match=r"holds no density maps; they are \.npy or \.tif files"):
        open_density(tmp_path)
    Image.new("L", (6, 4)).save(tmp_path / "0.png")
    with pytest.raises(UserError, match=r"holds pictures, but no density maps.*--checkpoint"):
        open_density(tmp_path)
