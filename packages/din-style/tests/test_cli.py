"""The command, called in process, on a tiny network that is trained first."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_data import HEIGHT, WIDTH, make_tiny_data

from din_style.cli import main
from din_style.pictures import read_picture
from din_style.video import open_video
from tenfold_shared.testing import CommandResult, run_command

SETTINGS = {
    "size": 64, "crop": 32, "style-crop": 64, "network.width": 8, "network.stem": 8,
    "network.blocks": 1, "network.code-hidden": 8, "content-crops": 8, "validation-share": 0,
    "batch": 2, "pixel-batch": 2, "pixel-steps": 2, "steps": 2,
}  # fmt: skip
TRAIN = [str(word) for name, value in SETTINGS.items() for word in (f"--{name}", value)]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data and a network trained on them in `run`."""
    folder = tmp_path_factory.mktemp("cli")
    make_tiny_data(folder)
    words = ["train", folder / "contents", "--styles", folder / "styles", "--out", folder / "run"]
    result = run_command(main, [*words, "--vgg", folder / "vgg.safetensors", *TRAIN])
    assert result.code == 0, result.stderr
    return folder


def call(place: Path, verb: str, *words: object) -> CommandResult:
    """Run a verb with the tiny network."""
    source = ["--weights", place / "run", "--encoder", place / "vgg.safetensors"]
    return run_command(main, [verb, *words, *source])


def refused(result: CommandResult, words: str) -> None:
    """Assert exit 1 with one line that holds `words`."""
    assert result.code == 1, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert words in result.stderr
    assert result.stdout == ""


def test_one_picture_into_one_file(place: Path, tmp_path: Path):
    out = tmp_path / "result.jpg"
    style = place / "painting.png"
    result = call(place, "stylize", place / "photo.png", "--style", style, "--out", out, "--json")
    assert result.code == 0, result.stderr
    assert json.loads(result.stdout)["file"] == str(out)
    picture = read_picture(out)
    assert picture.size == (HEIGHT, WIDTH)
    assert np.abs(picture.pixels - read_picture(place / "photo.png").pixels).mean() > 0.02


def test_folders_give_a_picture_for_each_pair(place: Path, tmp_path: Path):
    words = ["stylize", place / "contents", "--style", place / "styles", place / "painting.png"]
    result = call(place, *words, "--out", tmp_path / "all", "--size", "40")
    assert result.code == 0, result.stderr
    names = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert len(names) == 25
    assert "0__painting.png" in names
    assert read_picture(tmp_path / "all" / "4__3.png").size == (40, 45)


def test_a_style_code_stands_for_the_picture(place: Path, tmp_path: Path):
    code = tmp_path / "code.safetensors"
    assert call(place, "encode", place / "painting.png", "--out", code).code == 0
    assert code.stat().st_size < 20_000
    for name, style in (("a.png", code), ("b.png", place / "painting.png")):
        done = call(
            place, "stylize", place / "photo.png", "--style", style, "--out", tmp_path / name
        )
        assert done.code == 0, done.stderr
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    described = run_command(main, ["info", code])
    assert "style code" in described.stdout


def test_controls_reach_the_picture(place: Path, tmp_path: Path):
    base = ["stylize", place / "photo.png", "--style", place / "painting.png"]
    results = {}
    for name, words in {
        "plain": [],
        "weak": ["--strength", "0.3"],
        "none": ["--strength", "0"],
        "colors": ["--keep-color", "luminance"],
        "matched": ["--keep-color", "histogram"],
        "stroke": ["--stroke", "2"],
        "map": ["--stroke", "2", "--stroke-map", place / "mask.png"],
        "mask": ["--mask", place / "mask.png"],
        "sphere": ["--sphere"],
        "other style": ["--style", place / "styles/1.png"],
    }.items():
        out = tmp_path / f"{name}.png"
        done = call(place, *base, *words, "--out", out)
        assert done.code == 0, done.stderr
        results[name] = read_picture(out).pixels
    photo = read_picture(place / "photo.png").pixels
    np.testing.assert_array_equal(results.pop("none"), photo)
    plain = results.pop("plain")
    for name, pixels in results.items():
        assert np.abs(pixels - plain).max() > 0, name
    right = results["mask"][..., WIDTH // 2 + 1 :]
    np.testing.assert_array_equal(right, photo[..., WIDTH // 2 + 1 :])


def test_styles_are_mixed_and_placed(place: Path, tmp_path: Path):
    styles = [place / "styles/0.png", place / "styles/1.png"]
    base = ["stylize", place / "photo.png", "--style", *styles]
    out = tmp_path / "mixed.png"
    assert call(place, *base, "--mix", "1", "2", "--out", out).code == 0
    masks = ["--mask", place / "mask.png", place / "mask.png"]
    assert call(place, *base, *masks, "--out", tmp_path).code == 0
    assert (tmp_path / "photo__0+1.png").exists()
    refused(call(place, *base, "--mix", "1", "--out", out), "one value per style")
    refused(call(place, *base, "--mix", "-1", "1", "--out", out), "not all zero")
    refused(call(place, *base, "--mix", "0", "0", "--out", out), "not all zero")
    refused(call(place, *base, "--mix", "1", "1", *masks, "--out", out), "mixed or placed")
    refused(call(place, *base, "--out", out), "into a folder")


def test_quality_reaches_the_file(place: Path, tmp_path: Path):
    for quality in ("30", "100"):
        words = ["--style", place / "painting.png", "--quality", quality]
        out = tmp_path / f"{quality}.jpg"
        assert call(place, "stylize", place / "photo.png", *words, "--out", out).code == 0
    assert (tmp_path / "30.jpg").stat().st_size < (tmp_path / "100.jpg").stat().st_size


def test_style_size_reaches_the_code(place: Path, tmp_path: Path):
    for size in ("64", "256"):
        words = [place / "styles/1.png", "--style-size", size]
        assert call(place, "encode", *words, "--out", tmp_path / f"{size}.safetensors").code == 0
    small, large = ((tmp_path / f"{n}.safetensors").read_bytes() for n in (64, 256))
    assert small != large


def test_transparency_survives(place: Path, tmp_path: Path):
    picture = Image.open(place / "photo.png").convert("RGBA")
    picture.putalpha(Image.open(place / "mask.png"))
    picture.save(tmp_path / "see.png")
    out = tmp_path / "out.png"
    style = place / "painting.png"
    assert call(place, "stylize", tmp_path / "see.png", "--style", style, "--out", out).code == 0
    alpha = np.asarray(Image.open(out))[..., 3]
    np.testing.assert_array_equal(alpha, np.asarray(Image.open(place / "mask.png")))


def test_video(place: Path, tmp_path: Path):
    style = ["--style", place / "painting.png"]
    out = tmp_path / "film.mp4"
    result = call(place, "video", place / "film.avi", *style, "--out", out, "--json")
    assert result.code == 0, result.stderr
    row = json.loads(result.stdout)
    assert row["frames"] == len(list(open_video(out))) == 6
    folder = tmp_path / "frames"
    done = call(place, "video", place / "contents", *style, "--out", folder, "--strength", "0.5")
    assert done.code == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == [f"{n}.png" for n in range(5)]
    refused(call(place, "video", place / "film.avi", *style, "--out", "a.txt"), "must end in")
    two = ["--style", place / "painting.png", place / "photo.png"]
    refused(call(place, "video", place / "film.avi", *two, "--out", out), "one style")


def test_every_setting_of_a_video_counts(place: Path, tmp_path: Path):
    base = ["video", place / "film.avi", "--style", place / "styles/1.png"]
    frames = {}
    for name, words in {
        "plain": [],
        "memory": ["--memory", "0"],
        "stroke": ["--stroke", "2"],
        "colors": ["--keep-color", "luminance"],
        "strength": ["--strength", "0.4"],
        "style size": ["--style-size", "64"],
        "mixed": ["--style", place / "painting.png", place / "styles/1.png", "--mix", "1", "1"],
        "size": ["--size", "36"],
    }.items():
        done = call(place, *base, *words, "--out", tmp_path / name)
        assert done.code == 0, done.stderr
        frames[name] = read_picture(tmp_path / name / "000005.png").pixels
    assert min(frames.pop("size").shape[1:]) == 36
    plain = frames.pop("plain")
    for name, pixels in frames.items():
        assert np.abs(pixels - plain).max() > 0, name


def test_bake_and_grid(place: Path, tmp_path: Path):
    out = tmp_path / "style.pt2"
    assert call(place, "bake", place / "painting.png", "--out", out).code == 0
    assert out.stat().st_size > 1000
    refused(call(place, "bake", place / "painting.png", "--out", "a.txt"), "ends in")
    for method in ("din", "color"):
        out = tmp_path / f"{method}.png"
        words = [place / "contents", "--style", place / "styles", "--out", out]
        done = call(place, "grid", *words, "--size", "32", "--method", method)
        assert done.code == 0, done.stderr
        assert read_picture(out).size == (3 + 6 * 35, 3 + 5 * 35)


def test_info_of_networks_and_trainings(place: Path):
    for path in (place / "run", place / "run/network.safetensors"):
        result = run_command(main, ["info", path, "--json"])
        rows = {row["name"]: row["value"] for row in map(json.loads, result.stdout.splitlines())}
        assert rows["network.width"] == 8
        assert rows["parameters of the content path"] < rows["parameters of network"]
        assert len(rows["fingerprint"]) == 16
    assert run_command(main, ["info", place / "run/checkpoint.safetensors"]).code == 0
    refused(run_command(main, ["info", place / "photo.png"]), "photo.png")


def test_data(place: Path, tmp_path: Path):
    result = run_command(main, ["data", place / "contents", "--json"])
    assert json.loads(result.stdout.splitlines()[0]) == {"name": "pictures", "value": 5}
    assert "styles" in run_command(main, ["data"]).stdout
    refused(run_command(main, ["data", tmp_path]), str(tmp_path))
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no picture")
    (tmp_path / "c.png").write_bytes((place / "photo.png").read_bytes())
    result = run_command(main, ["data", tmp_path])
    refused(result, "2 of 3 pictures cannot be used")
    assert "a.png" in result.stderr
    assert "b.png" in result.stderr


def test_evaluate(place: Path):
    words = ["evaluate", "--weights", place / "run", "--encoder", place / "vgg.safetensors"]
    words += ["--contents", place / "contents", "--styles", place / "styles", "--size", "64"]
    words += ["--vgg", place / "vgg.safetensors", "--data", place, "--every", "4"]
    result = run_command(main, [*words, "--gatys-steps", "2"])
    assert result.code == 0, result.stderr
    for method in ("din run", "identity", "color mean/std", "gatys, 2 steps"):
        assert method in result.stdout
    rows = [json.loads(line) for line in run_command(main, [*words, "--json"]).stdout.splitlines()]
    assert any(row["name"] == "din run: style" and row["reference"] for row in rows)


def test_only_some_pairs_are_judged(place: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []

    def judge(*arguments: object, pairs: list[tuple[int, int]]) -> list[object]:
        seen.append((len(arguments), pairs))
        return []

    monkeypatch.setattr("din_style.evaluation.evaluate_methods", judge)
    words = ["evaluate", "--weights", place / "run", "--encoder", place / "vgg.safetensors"]
    words += ["--contents", place / "contents", "--styles", place / "styles", "--size", "64"]
    words += ["--vgg", place / "vgg.safetensors", "--data", place, "--every", "5"]
    assert run_command(main, words).code == 0
    assert seen == [(4, [(0, 0), (1, 1), (2, 2), (3, 3)])]


def test_import_weights(place: Path, tmp_path: Path):
    import torch

    state = {}
    before = 3
    for index in range(13):
        state[f"features.{index}.weight"] = 0.3 * torch.randn(4, before, 3, 3)
        state[f"features.{index}.bias"] = torch.rand(4)
        before = 4
    torch.save(state, tmp_path / "vgg.pth")  # noqa: TID251
    out = tmp_path / "vgg.safetensors"
    words = ["--pictures", place / "contents", "--count", "3", "--out", out]
    result = run_command(main, ["import-weights", tmp_path / "vgg.pth", *words, "--json"])
    assert result.code == 0, result.stderr
    assert json.loads(result.stdout)["last"] == "relu5_3"
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")  # noqa: TID251
    for name, said in (("other.pth", "holds no VGG"), ("photo.png", "cannot be read")):
        file = tmp_path / name if name == "other.pth" else place / name
        refused(run_command(main, ["import-weights", file, *words]), said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--strength", "1.2"], "strength"),
        (["--stroke", "9"], "stroke"),
        (["--size", "20"], "size"),
        (["--style-size", "20"], "style"),
        (["--quality", "0"], "quality"),
        (["--memory-limit", "-1"], "memory"),
        (["--memory-limit", "0.0001"], "raise --memory-limit"),
        (["--out", "a.xyz"], "a.xyz"),
        (["--mask", "{place}/painting.png", "{place}/mask.png"], "one value per style"),
        (["--stroke-map", "{place}/none.png"], "none.png"),
        (["--weights", "{place}/none"], "none"),
        (["--weights", "{place}/vgg.safetensors"], "vgg.safetensors"),
        (["--encoder", "compact"], "--encoder"),
        (["--encoder", "{place}/none.safetensors"], "none.safetensors"),
        (["--device", "cuda:7"], "cuda:7"),
    ],
)
def test_refusals(place: Path, words: list[str], said: str):
    filled = [word.format(place=place) for word in words]
    base = ["stylize", place / "photo.png", "--style", place / "painting.png"]
    source = ["--weights", place / "run", "--encoder", place / "vgg.safetensors"]
    source = [w for i in (0, 2) if source[i] not in filled for w in source[i : i + 2]]
    refused(run_command(main, [*base, *source, *filled]), said)


def test_refused_styles_and_contents(place: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.safetensors").write_bytes(b"no code")
    photo = place / "photo.png"
    cases = {
        (photo, tmp_path / "none.png"): "none.png does not exist",
        (photo, tmp_path / "empty"): "holds no pictures",
        (photo, tmp_path / "bad.safetensors"): "bad.safetensors",
        (tmp_path / "empty", photo): "holds no pictures",
        (photo, place / "vgg.safetensors"): "no style code",
    }
    for (content, style), said in cases.items():
        refused(call(place, "stylize", content, "--style", style, "--out", tmp_path / "o"), said)


@pytest.mark.parametrize(
    "kind", ["strength", "mixing", "strokes", "stroke-map", "pole", "latency", "codes", "curve"]
)
def test_plots(place: Path, tmp_path: Path, kind: str):
    out = tmp_path / "figure.png"
    words: list[object] = ["--out", out, "--style", place / "styles", place / "contents"]
    words += ["--run", place / "run", "--sizes", "32", "40", "--content", place / "photo.png"]
    result = call(place, "plot", kind, *words)
    assert result.code == 0, result.stderr
    assert read_picture(out).pixels.std() > 0.01
    refused(call(place, "plot", kind, *words, "--out", "a.gif"), "figures end in")


def test_plot_of_a_table(place: Path, tmp_path: Path):
    table = tmp_path / "table.jsonl"
    rows = [{"name": f"{m}: {k}", "value": 1.0} for m in "ab" for k in ("style", "content")]
    table.write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "scatter.png"
    assert call(place, "plot", "scatter", "--table", table, "--out", out).code == 0
    assert out.exists()
    refused(call(place, "plot", "scatter", "--out", out), "--table")
    table.write_text("[]")
    refused(call(place, "plot", "scatter", "--table", table, "--out", out), "no table")
    refused(call(place, "plot", "curve", "--run", tmp_path, "--out", out), str(tmp_path))
    refused(
        call(place, "plot", "mixing", "--style", place / "photo.png", "--out", out), "two styles"
    )


def test_nothing_that_is_read_is_overwritten(place: Path, tmp_path: Path):
    (tmp_path / "frames").mkdir()
    for source, name in (("photo.png", "photo.png"), ("film.avi", "film.mp4")):
        (tmp_path / name).write_bytes((place / source).read_bytes())
    for number in range(2):
        (tmp_path / f"frames/{number}.png").write_bytes((place / "photo.png").read_bytes())
    photo, film, frames = (tmp_path / name for name in ("photo.png", "film.mp4", "frames"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    style = ["--style", place / "painting.png"]
    for words in (
        ["stylize", photo, *style, "--out", tmp_path / "frames/../photo.png"],
        ["stylize", place / "photo.png", "--style", photo, "--out", photo],
        ["stylize", place / "photo.png", *style, "--mask", photo, "--out", photo],
        ["grid", photo, *style, "--out", photo],
        ["video", film, *style, "--out", film],
        ["video", frames, *style, "--out", frames],
    ):
        refused(call(place, *words), "is read by this command")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_masks_and_maps_go_with_the_size(place: Path, tmp_path: Path):
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "black.png")
    base = ["stylize", place / "photo.png", "--style", place / "painting.png", "--size", "40"]
    for name, words in {
        "mask": ["--mask", place / "mask.png"],
        "map": ["--stroke-map", tmp_path / "black.png", "--stroke", "2"],
        "plain": [],
    }.items():
        done = call(place, *base, *words, "--out", tmp_path / f"{name}.png")
        assert done.code == 0, done.stderr
    plain, mask, black = (
        read_picture(tmp_path / f"{name}.png").pixels for name in ("plain", "mask", "map")
    )
    assert np.abs(mask - plain)[..., -5:].max() > 0.05
    np.testing.assert_allclose(black, plain, atol=2 / 255)  # a stroke of 1 everywhere


def test_places_where_no_video_can_be_written(place: Path, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    film = [place / "film.avi", "--style", place / "painting.png"]
    refused(call(place, "video", *film, "--out", tmp_path / "file/a.mp4"), "is no folder")


def test_one_style_is_one_file(place: Path, tmp_path: Path):
    refused(call(place, "bake", place / "styles", "--out", tmp_path / "a.pt2"), "one style")
    refused(call(place, "encode", place / "painting.png", "--out", tmp_path / "a.bin"), "ends in")
    sizes = ["--size", "100000000"]
    photo = [place / "photo.png", "--style", place / "painting.png", "--out", tmp_path / "a.png"]
    refused(call(place, "stylize", *photo, *sizes), "megapixels")
    refused(call(place, "grid", *photo, *sizes), "megapixels")


@pytest.mark.parametrize("name", ["fast", "mobile", "encoder"])
def test_info_knows_what_is_shipped(name: str):
    described = run_command(main, ["info", name])
    assert described.code == 0, described.stderr
    assert "parameters" in described.stdout


def test_shipped_weights_go_on_with_the_encoder_that_they_read(tmp_path: Path):
    from din_style.verbs.train import Train, training_settings

    settings = training_settings(Train(contents=tmp_path, styles=tmp_path, from_shipped="fast"))
    assert settings.encoder is not None
    assert settings.encoder.name == "encoder.safetensors"
    fresh = training_settings(Train(contents=tmp_path, styles=tmp_path, preset="fast"))
    assert fresh.encoder is None
