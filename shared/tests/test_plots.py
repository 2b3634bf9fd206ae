import sys

import numpy as np
import pytest

from tenfold_shared import UserError, read_image
from tenfold_shared.plots import image_row, line_chart, new_figure, save_figure
from tenfold_shared.testing import tiny_image

pytest.importorskip("matplotlib")


def test_equal_figures_are_equal_files(tmp_path):
    for name in ("a", "b"):
        chart = line_chart(
            {"ours": ([0, 1], [1, 3]), "theirs": ([0, 1], [2, 1])},
            x_label="frame",
            y_label="people",
            title="Counts",
            baselines={"mean": 1.5},
        )
        save_figure(chart, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert read_image(tmp_path / "a.png").std() > 0.05
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_a_chart_names_its_axes_and_lines():
    chart = line_chart({"a": ([0], [1])}, x_label="x (px)", y_label="y (s)", baselines={"b": 2})
    plot = chart.axes[0]
    assert (plot.get_xlabel(), plot.get_ylabel()) == ("x (px)", "y (s)")
    assert [text.get_text() for text in plot.get_legend().get_texts()] == ["a", "b"]
    assert plot.lines[1].get_linestyle() == "--"
    assert line_chart({"a": ([0], [1])}, x_label="", y_label="").axes[0].get_legend() is None


def test_pictures_are_shown_as_they_are():
    row = image_row([tiny_image(), tiny_image(5, 7)[:1], tiny_image() * 3], ["a", "b", "c"])
    assert [plot.get_title() for plot in row.axes] == ["a", "b", "c"]
    shown = [np.asarray(plot.images[0].get_array()) for plot in row.axes]
    np.testing.assert_array_equal(shown[0], tiny_image().transpose(1, 2, 0))
    np.testing.assert_array_equal(shown[1], tiny_image(5, 7)[0])
    assert row.axes[1].images[0].get_clim() == (0, 1)
    for images, titles in ([], []), ([tiny_image()], []):
        with pytest.raises(ValueError, match="one title per picture"):
            image_row(images, titles)


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_vector_formats(tmp_path, suffix):
    figure, axes = new_figure(rows=2, columns=3)
    assert axes.shape == (2, 3)
    save_figure(figure, tmp_path / f"a.{suffix}")
    assert (tmp_path / f"a.{suffix}").stat().st_size > 1000


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"end in \.png"):
        save_figure(new_figure()[0], tmp_path / "a.exe")


def test_matplotlib_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r"tenfold-shared\[plots\]"):
        new_figure()


def test_pyplot_is_never_imported():
    import subprocess

    code = (
        "import sys; from tenfold_shared.plots import *\n"
        "assert 'matplotlib' not in sys.modules\n"
        "line_chart({'a': ([0], [1])}, x_label='', y_label='')\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
